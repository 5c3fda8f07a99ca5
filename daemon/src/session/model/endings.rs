//! The end of a session.

use jiff::Timestamp;

/// When and why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) struct End {
    pub(in crate::session) at: Timestamp,
    /// A sentence without its full stop.
    pub(in crate::session) why: String,
    /// It was an answer of Zendesk's that was lost, and nobody's will.
    pub(in crate::session) answer_lost: bool,
}
