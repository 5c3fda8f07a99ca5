//! Why a request's key is refused, as reported to the script.

use http::HeaderName;
use jiff::Timestamp;
use loopdesk_protocol::Problem;

/// What is wrong with the key in a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It doesn't exist, was revoked or is mistyped: the script doesn't learn which (W10).
    #[error(
        "the local key in the request isn't one of this daemon's: it may be mistyped, revoked or \
         rotated"
    )]
    Unknown,
    /// Its secret is right, but it has expired.
    #[error("local key `{name}` expired at {at:.0}")]
    Expired {
        /// The key's name.
        name: String,
        /// When it expired.
        at: Timestamp,
    },
    /// Its secret is right, but its rights can't be read.
    #[error("the rights of local key `{name}` can't be read: {why}")]
    Unreadable {
        /// The key's name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Every key is refused, since the key file can't be trusted.
    #[error("no local key is accepted: {0}")]
    Closed(Problem),
    /// The request carries two different keys.
    #[error("the request carries two different local keys")]
    Two,
    /// A key is in the URL.
    #[error(
        "the request has a local key in its URL, which logs and histories keep: treat that key as \
         leaked"
    )]
    InTarget,
    /// A key is in a header that can't carry one.
    #[error("the request has a local key in its `{0}` header, where none is accepted")]
    Misplaced(HeaderName),
}

impl KeyError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown => "run `loopdesk key list`, and `loopdesk key create` for a new one; a \
                script that needs no key must not send one"
                .to_owned(),
            Self::Expired { name, .. } => {
                format!("run `loopdesk key revoke {name}`, then create it again")
            }
            Self::Unreadable { name, .. } => {
                format!("run `loopdesk key show {name}`, then revoke it and create it again")
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
        let expired = KeyError::Expired {
            name: "nightly".to_owned(),
            at,
        };
        assert_eq!(
            expired.to_string(),
            "local key `nightly` expired at 2026-11-02T03:04:05Z"
        );
        let unreadable = KeyError::Unreadable {
            name: "nightly".to_owned(),
            why: "x".to_owned(),
        };
        let header = HeaderName::from_static("x-api-key");
        for (wrong, fix) in [
            (KeyError::Unknown, "loopdesk key list"),
            (expired, "loopdesk key revoke nightly"),
            (unreadable, "loopdesk key show nightly"),
            (KeyError::Closed(closed), "chmod 600"),
            (KeyError::Two, "X-Loopdesk-Key"),
            (KeyError::InTarget, "rotate"),
            (KeyError::Misplaced(header), "X-Loopdesk-Key"),
        ] {
            assert!(wrong.hint().contains(fix), "{wrong:?}");
        }
        assert!(KeyError::InTarget.to_string().contains("leaked"));
    }
}
