//! Zendesk's definite refusals.

/// Why Zendesk refuses, and who can do what about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) struct RefreshRejection {
    /// What happened: a sentence without a full stop.
    pub(in crate::session) why: String,
    /// What to do: an imperative sentence without a full stop.
    pub(in crate::session) fix: String,
}
