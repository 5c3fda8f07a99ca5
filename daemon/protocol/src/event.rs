//! Events for the command in `hooks.session-event`: one line of JSON on standard input.
//!
//! The format is stable: fields may be added, but are never changed or removed. It contains no
//! secrets.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::status::State;

/// A change of a session that its user should know about, sent once per cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// The version of the format, [`VERSION`].
    pub version: u32,
    /// What happened.
    pub event: SessionEventKind,
    /// The account's name in the configuration.
    pub account: String,
    /// When it was noticed.
    pub at: Timestamp,
    /// The session's state.
    pub state: State,
    /// One sentence: what happened, and why.
    pub message: String,
    /// What to do, and by whom, most likely first. Empty if there is nothing to do.
    pub fix: Vec<String>,
    /// When the session ends, if soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What happened to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionEventKind {
    /// It can't be refreshed, and will end within 14 days.
    ExpiresSoon,
    /// It has ended; a login is needed.
    Ended,
    /// Zendesk refuses it until someone acts.
    Blocked,
    /// The user has fewer rights in Zendesk than at the login.
    Demoted,
    /// It works again.
    Restored,
}

/// The version of the format.
pub const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_stable() {
        let event = SessionEvent {
            version: VERSION,
            event: SessionEventKind::ExpiresSoon,
            account: "acme".to_owned(),
            at: "2026-11-23T17:00:00Z".parse().unwrap(),
            state: State::Blocked,
            message: "m".to_owned(),
            fix: vec!["f".to_owned()],
            until: Some("2026-12-01T00:00:00Z".parse().unwrap()),
        };
        let text = serde_json::to_string(&event).unwrap();
        let expected = r#"{"version":1,"event":"expires-soon","account":"acme","at":"2026-11-23T17:00:00Z","state":"blocked","message":"m","fix":["f"],"until":"2026-12-01T00:00:00Z"}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<SessionEvent>(&text).unwrap(), event);
    }
}
