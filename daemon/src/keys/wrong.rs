//! Why a key doesn't let a request in, as its sender is told.

use http::HeaderName;
use jiff::Timestamp;
use loopdesk_protocol::Problem;

/// What is wrong with what was sent as a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It is none, or was one, or is written wrongly: nobody is told which of these (W10).
    #[error(
        "the local key that was sent is not one of this daemon's: it may be mistyped, revoked or \
         rotated"
    )]
    Unknown,
    /// Its secret is right, and its time is over.
    #[error("local key `{name}` has expired at {at:.0}")]
    Expired {
        /// The key's name.
        name: String,
        /// When.
        at: Timestamp,
    },
    /// Its secret is right, and what it allows can't be read.
    #[error("nobody can tell what local key `{name}` allows: {why}")]
    Unreadable {
        /// The key's name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// No key is let in, as the file of keys can't be trusted.
    #[error("no local key is let in: {0}")]
    Closed(Problem),
    /// The request carries two different keys.
    #[error("the request carries two different local keys")]
    Two,
    /// A key is part of the address.
    #[error(
        "the request has a local key in its address, where logs and histories keep it: take that \
         key for leaked"
    )]
    InTarget,
    /// A key is in a header where none belongs.
    #[error("the request has a local key in its header `{0}`, where none belongs")]
    Misplaced(HeaderName),
}

impl Wrong {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown => "run `loopdesk key list`, and `loopdesk key create` for a new one; a \
                script that needs none must send none"
                .to_owned(),
            Self::Expired { name, .. } => {
                format!("run `loopdesk key revoke {name}`, then create it anew")
            }
            Self::Unreadable { name, .. } => {
                format!("run `loopdesk key show {name}`, then revoke it and create it anew")
            }
            Self::Closed(problem) => match problem.hints.first() {
                Some(hint) => hint.clone(),
                None => "run `loopdesk status`".to_owned(),
            },
            Self::Two => format!("send one; {WHERE}"),
            Self::InTarget => {
                format!("run `loopdesk key list` and rotate that key, then {WHERE}")
            }
            Self::Misplaced(_) => WHERE.to_owned(),
        }
    }
}

const WHERE: &str = "send it as `X-Loopdesk-Key`, as `Authorization: Bearer`, or as the password of \
                     Basic";

#[cfg(test)]
mod tests {
    use loopdesk_protocol::Kind;

    use super::*;

    #[test]
    fn s4_whatever_is_wrong_the_sentence_names_the_fix() {
        let at = "2026-11-02T03:04:05Z".parse().unwrap();
        let closed = Problem::new(Kind::Vault, "x").hint("run `chmod 600 /keys.toml`");
        let expired = Wrong::Expired {
            name: "nightly".to_owned(),
            at,
        };
        assert_eq!(
            expired.to_string(),
            "local key `nightly` has expired at 2026-11-02T03:04:05Z"
        );
        let unreadable = Wrong::Unreadable {
            name: "nightly".to_owned(),
            why: "x".to_owned(),
        };
        let header = HeaderName::from_static("x-api-key");
        for (wrong, fix) in [
            (Wrong::Unknown, "loopdesk key list"),
            (expired, "loopdesk key revoke nightly"),
            (unreadable, "loopdesk key show nightly"),
            (Wrong::Closed(closed), "chmod 600"),
            (Wrong::Two, "X-Loopdesk-Key"),
            (Wrong::InTarget, "rotate"),
            (Wrong::Misplaced(header), "X-Loopdesk-Key"),
        ] {
            assert!(wrong.hint().contains(fix), "{wrong:?}");
        }
        assert!(Wrong::InTarget.to_string().contains("leaked"));
    }
}
