//! How a session ended.

use jiff::Timestamp;

/// When and why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) struct End {
    pub(in crate::session) at: Timestamp,
    /// A sentence without a full stop.
    pub(in crate::session) why: String,
    /// A lost answer ended it, not a decision by Zendesk or a person.
    pub(in crate::session) answer_lost: bool,
}
