//! What Zendesk says about a token.

use jiff::Timestamp;
use loopdesk_protocol::account::Person;

use super::rejection::RefreshRejection;

/// What `tokens/current` says about an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) enum TokenCheck {
    /// It works.
    Alive {
        /// When it expires, if Zendesk says.
        expires_at: Option<Timestamp>,
        /// When its refresh token expires, if Zendesk says.
        refresh_expires_at: Option<Timestamp>,
    },
    /// 401: it is invalid.
    Dead,
    /// No answer, or an inconclusive one, and why.
    Unclear(String),
}

/// The result of an attempt to revoke a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) enum Revocation {
    /// Zendesk deleted it, and its refresh token with it.
    Done,
    /// It was invalid already. Its refresh token may still work.
    WasDead,
    /// Unknown, and why.
    Failed(String),
}

/// What the daily probe learned about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) enum ProbeResult {
    /// It works, and belongs to this person.
    Alive {
        person: Person,
        expires_at: Option<Timestamp>,
        refresh_expires_at: Option<Timestamp>,
    },
    /// It authenticates no user: `users/me` answers with an anonymous user.
    Anonymous,
    /// It is invalid.
    Dead,
    /// Zendesk refuses, in its own error format.
    Refused(RefreshRejection),
    /// No answer, or an inconclusive one, and why.
    Unclear(String),
}
