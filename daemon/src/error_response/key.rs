//! Refusals about local keys: one is needed, or the one that was sent is wrong or doesn't allow
//! this.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::code::ErrorCode;
use crate::keys::KeyError;

/// Why a request is refused that has a local key, or should have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyErrorResponse {
    /// The account requires a key.
    Needed(String),
    /// `allow-hosts` is set: a TCP client may be a forwarder, which lets its callers choose the
    /// `Host`.
    NeededOverTcp,
    /// The system doesn't tell who owns the connection; only a key does.
    NeededOfStrangers,
    /// The key that was sent doesn't work.
    Invalid(KeyError),
    /// The run of `loopdesk exec` that had these rights is over, or its key is gone.
    TicketOver,
    /// The key belongs to one account, and the request names another.
    OfAnotherAccount {
        /// The key's name.
        key: String,
        /// The account that the key belongs to.
        account: String,
        /// The account that the request names.
        named: String,
    },
    /// The key doesn't allow this request.
    Denied {
        /// The key's name.
        key: String,
        /// The scopes, any one of which would do.
        needs: Vec<String>,
        /// Why, as a sentence without its full stop.
        why: String,
    },
}

impl KeyErrorResponse {
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            Self::Needed(_) | Self::NeededOverTcp => ErrorCode::KeyNeeded,
            Self::NeededOfStrangers => ErrorCode::UnknownPeer,
            Self::Invalid(KeyError::Unknown) => ErrorCode::KeyWrong,
            Self::Invalid(KeyError::Expired { .. }) => ErrorCode::KeyExpired,
            Self::Invalid(KeyError::Unreadable { .. }) => ErrorCode::KeyUnreadable,
            Self::Invalid(KeyError::Closed(_)) => ErrorCode::KeysUnusable,
            Self::Invalid(KeyError::Two | KeyError::InTarget | KeyError::Misplaced(_)) => {
                ErrorCode::KeyMisplaced
            }
            Self::TicketOver => ErrorCode::TicketOver,
            Self::OfAnotherAccount { .. } => ErrorCode::KeyOfAnotherAccount,
            Self::Denied { .. } => ErrorCode::KeyDenied,
        }
    }

    pub(super) fn description(&self) -> String {
        match self {
            Self::Needed(account) => format!(
                "account `{account}` requires a local key: run `loopdesk key create NAME \
                 --account {account} --scope SCOPE` and send the key as the password, or as \
                 Bearer token"
            ),
            Self::NeededOverTcp => "`allow-hosts` is set in the configuration, so every program \
                that connects by TCP needs a local key, whatever Host it sends: run `loopdesk key \
                create NAME --scope SCOPE` and send the key as the password, or as Bearer token, or \
                use the socket `proxy.sock`"
                .to_owned(),
            Self::NeededOfStrangers => "the system doesn't tell which user opened this \
                connection: send a local key (`loopdesk key create NAME --scope SCOPE`), or use \
                the socket `proxy.sock`"
                .to_owned(),
            Self::Invalid(why) => format!("{why}: {}", why.hint()),
            Self::TicketOver => "the run of `loopdesk exec` that this request belongs to is over, or \
                its key was revoked: run `loopdesk key list`, then the command again"
                .to_owned(),
            Self::OfAnotherAccount {
                key,
                account,
                named,
            } => format!(
                "the local key `{key}` is for account `{account}`, and the request names account \
                 `{named}`: use the address of `{account}`, or run `loopdesk key create NAME \
                 --account {named} --scope SCOPE`"
            ),
            Self::Denied { key, needs, why } => {
                let missing = match &needs[..] {
                    [] => String::new(),
                    [one] => format!("You are missing the following required scopes: {one}. "),
                    [first, rest @ ..] => format!(
                        "You are missing the following required scopes: {first} (or {}). ",
                        rest.join(", or ")
                    ),
                };
                format!(
                    "{missing}The local key `{key}` doesn't allow this: {why}; `loopdesk explain \
                     METHOD PATH --key {key}` tells more"
                )
            }
        }
    }

    /// How to authenticate (RFC 9110 section 11.6.1), and what is missing (RFC 6750 section 3).
    pub(super) fn challenge(&self, headers: &mut HeaderMap) {
        let bearer = match self {
            Self::Needed(_)
            | Self::NeededOverTcp
            | Self::Invalid(KeyError::Two | KeyError::InTarget | KeyError::Misplaced(_)) => {
                r#"Bearer realm="loopdesk""#.to_owned()
            }
            Self::Invalid(
                KeyError::Unknown | KeyError::Expired { .. } | KeyError::Unreadable { .. },
            ) => r#"Bearer realm="loopdesk", error="invalid_token""#.to_owned(),
            Self::Denied { needs, .. } => {
                let scope = needs
                    .first()
                    .map_or_else(String::new, |s| format!(", scope=\"{s}\""));
                format!(r#"Bearer realm="loopdesk", error="insufficient_scope"{scope}"#)
            }
            Self::Invalid(KeyError::Closed(_))
            | Self::NeededOfStrangers
            | Self::TicketOver
            | Self::OfAnotherAccount { .. } => return,
        };
        if self.code().status() == StatusCode::UNAUTHORIZED {
            let basic = HeaderValue::from_static(r#"Basic realm="loopdesk", charset="UTF-8""#);
            headers.append(WWW_AUTHENTICATE, basic);
        }
        if let Ok(bearer) = HeaderValue::from_str(&bearer) {
            headers.append(WWW_AUTHENTICATE, bearer);
        }
    }
}
