//! What the command of `hooks.session-event` is told: one line of JSON on standard input.
//!
//! The shape is stable: fields may be added, none changes its meaning or goes. There is no secret
//! in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::status::State;

/// Something that a person should know of a session, told once for each cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// The shape's number, [`VERSION`].
    pub version: u32,
    /// What has happened.
    pub event: Event,
    /// The account's name in the configuration.
    pub account: String,
    /// When it was noticed.
    pub at: Timestamp,
    /// The session's state.
    pub state: State,
    /// One sentence: what has happened, and why.
    pub message: String,
    /// What to do about it and who has to, most likely first. Empty if there is nothing to do.
    pub fix: Vec<String>,
    /// When the session ends, where that is near.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What has happened to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It can't be refreshed, and will end within 14 days.
    ExpiresSoon,
    /// It is over; a login is needed.
    Ended,
    /// Zendesk refuses it, and somebody has to act.
    Blocked,
    /// The person may do less in Zendesk than at the login.
    Demoted,
    /// What was told before is over: it works again.
    Restored,
}

/// The number of this shape.
pub const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_stable() {
        let event = SessionEvent {
            version: VERSION,
            event: Event::ExpiresSoon,
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
