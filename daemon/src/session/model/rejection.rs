//! What Zendesk refuses for good.

/// Why Zendesk refuses to refresh, and who can do what about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) struct RefreshRejection {
    pub(in crate::session) why: String,
    pub(in crate::session) fix: String,
}
