//! What Zendesk says of a token when it is asked.

use jiff::Timestamp;
use loopdesk_protocol::account::Person;

use super::rejection::RefreshRejection;

/// What `tokens/current` says of an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) enum TokenCheck {
    /// It lives.
    Alive {
        /// When it expires, if Zendesk tells.
        expires_at: Option<Timestamp>,
        /// When its refresh token does, if Zendesk tells.
        refresh_expires_at: Option<Timestamp>,
    },
    /// 401: it is dead.
    Dead,
    /// No answer, or one that decides nothing; why.
    Unclear(String),
}

/// What came of an attempt to revoke a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) enum Revocation {
    /// Zendesk has deleted it, and its refresh token with it.
    Done,
    /// It was dead already. Its refresh token may live.
    WasDead,
    /// Nobody knows; why.
    Failed(String),
}

/// What Zendesk says of a token.
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
    /// It is dead.
    Dead,
    /// A definite refusal.
    Refused(RefreshRejection),
    /// No answer, or one that decides nothing; why.
    Unclear(String),
}
