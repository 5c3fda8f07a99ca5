//! The answers that loopdesk makes itself, and the one place that gives them a status.
//!
//! Whatever a refusal repeats of its request is [`Sent`], and whatever it tells of others' texts
//! became [`Foreign`](crate::telemetry::Foreign) where they came in. Nothing is redacted here, so
//! that no answer depends on a live secret (D7).
//!
//! Scripts get Zendesk's own error shape, `{"error", "description"}`, so that their clients can
//! read it; `X-Loopdesk-Error` tells it from Zendesk's answers. There is never a `Retry-After`:
//! node-zendesk takes any answer with that header for a rate limit.

mod code;
mod head;
mod key;

use std::fmt;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};

use crate::body::{Body, BodyError};
use crate::config::AccountName;
use crate::telemetry::Sent;

use code::ErrorCode;

pub use code::ERROR_CODES;
pub use head::HeadError;
pub use key::KeyErrorResponse;

/// Why a request was not served by Zendesk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorResponse {
    /// The request's head breaks RFC 9112, or could be read two ways.
    BadRequest(String),
    /// The request's head can't be read.
    Head(HeadError),
    /// The connection was closed in favour of another one before there was an answer.
    GaveWay,
    /// Zendesk's answer broke off before any of it was passed on.
    BrokenAnswer,
    /// The request's target is a whole URL, as for a forward proxy.
    AbsoluteForm,
    /// CONNECT, TRACE and the like.
    Method(Sent),
    /// WebSocket and other protocols that aren't HTTP/1.1.
    Upgrade,
    /// `Host` isn't one of our names.
    UnknownHost {
        /// What the request sent, if anything.
        host: Option<Sent>,
        /// What would have been right.
        expected: String,
    },
    /// A web page sent the request, not a program; the header that shows it.
    WebPage(&'static str),
    /// Somebody opened the address of one of Zendesk's pages here.
    Opened {
        /// The header that shows it.
        header: &'static str,
        /// The account that `Host` names.
        account: Option<AccountName>,
        /// Path and query.
        target: String,
    },
    /// The request comes from another user of this machine.
    OtherUser,
    /// A local key is needed, or the one that was sent can't be used.
    Key(KeyErrorResponse),
    /// The local key was created for a Zendesk user other than the one who is logged in.
    KeySuspended {
        /// The account.
        account: String,
        /// Who is logged in.
        person: String,
    },
    /// The route creates, shows or revokes credentials.
    RefusedRoute(Sent),
    /// There is no such account.
    UnknownAccount {
        /// The name in the request.
        name: AccountName,
        /// The accounts that exist.
        known: Vec<String>,
    },
    /// There are several accounts, and the request names none.
    NoAccountNamed(Vec<String>),
    /// The port belongs to one account, and `Host` names another.
    TwoAccountsNamed {
        /// The account that owns the port.
        port: String,
        /// The account that `Host` names.
        host: String,
        /// How each account is addressed.
        known: Vec<String>,
    },
    /// No account is configured at all.
    NoAccounts,
    /// Not logged in.
    SignedOut(String),
    /// The session has ended.
    Ended {
        /// The account.
        account: String,
        /// Why, as a sentence without its full stop.
        why: String,
    },
    /// The session exists but can't be used now.
    Unavailable {
        /// The account.
        account: String,
        /// Why, as a sentence without its full stop.
        why: String,
        /// The command or action that helps.
        fix: String,
    },
    /// No connection to Zendesk, or it broke before an answer.
    Upstream {
        /// The origin that was asked.
        origin: String,
        /// What happened.
        why: String,
        /// What helps.
        fix: String,
    },
    /// The proxy that leads out of this network doesn't let us reach Zendesk.
    Proxy {
        /// The origin that was meant.
        origin: String,
        /// What happened, and what helps.
        why: String,
    },
    /// Zendesk, or the session, took too long.
    TooSlow {
        /// What we waited for.
        what: String,
        /// For how long.
        after: Duration,
    },
    /// The daemon behind a program under `loopdesk exec` isn't there.
    NoDaemon,
    /// A connection of a program under `loopdesk exec` is for one host, and a request on it for another.
    OtherHost {
        /// What the request sent, if anything.
        host: Option<Sent>,
        /// The origin that the connection is for.
        origin: String,
    },
    /// The configuration switches `loopdesk exec` off.
    ExecOff,
    /// A program under `loopdesk exec` means an origin that isn't the account's any more.
    ForeignOrigin {
        /// The account.
        account: String,
        /// The origin.
        origin: String,
    },
    /// The supervisor holds a port that isn't in the configuration.
    UnconfiguredPort(u16),
    /// The daemon is shutting down.
    Stopping,
}

impl ErrorResponse {
    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        self.kind().status()
    }

    /// The stable name of this kind of refusal, sent in `X-Loopdesk-Error`.
    pub fn code(&self) -> &'static str {
        self.kind().name()
    }

    fn kind(&self) -> ErrorCode {
        match self {
            Self::BadRequest(_) => ErrorCode::BadRequest,
            Self::Head(why) => why.code(),
            Self::GaveWay => ErrorCode::GaveWay,
            Self::BrokenAnswer => ErrorCode::BrokenAnswer,
            Self::AbsoluteForm => ErrorCode::AbsoluteForm,
            Self::Method(_) => ErrorCode::MethodRefused,
            Self::Upgrade => ErrorCode::UpgradeRefused,
            Self::UnknownHost { .. } => ErrorCode::UnknownHost,
            Self::WebPage(_) | Self::Opened { .. } => ErrorCode::WebPageRefused,
            Self::OtherUser => ErrorCode::OtherUser,
            Self::Key(why) => why.code(),
            Self::KeySuspended { .. } => ErrorCode::KeySuspended,
            Self::RefusedRoute(_) => ErrorCode::RouteRefused,
            Self::UnknownAccount { .. } => ErrorCode::UnknownAccount,
            Self::NoAccountNamed(_) => ErrorCode::NoAccountNamed,
            Self::TwoAccountsNamed { .. } => ErrorCode::TwoAccountsNamed,
            Self::NoAccounts => ErrorCode::NoAccounts,
            Self::SignedOut(_) => ErrorCode::SignedOut,
            Self::Ended { .. } => ErrorCode::SessionEnded,
            Self::Unavailable { .. } => ErrorCode::SessionUnavailable,
            Self::Upstream { .. } | Self::Proxy { .. } => ErrorCode::NoUpstream,
            Self::TooSlow { .. } => ErrorCode::TooSlow,
            Self::NoDaemon => ErrorCode::NoDaemon,
            Self::OtherHost { .. } => ErrorCode::UnknownHost,
            Self::ExecOff => ErrorCode::ExecOff,
            Self::ForeignOrigin { .. } => ErrorCode::ForeignOrigin,
            Self::UnconfiguredPort(_) => ErrorCode::UnconfiguredPort,
            Self::Stopping => ErrorCode::Stopping,
        }
    }

    /// What happened, to what, and what fixes it.
    pub fn description(&self) -> String {
        match self {
            Self::BadRequest(why) => why.clone(),
            Self::Head(why) => why.description(),
            Self::GaveWay => "all connections are in use, and this one was closed for \
                another: send and read without long pauses, and send fewer requests at once"
                .to_owned(),
            Self::BrokenAnswer => "Zendesk's answer broke off before its first byte could be \
                passed on: try again; the daemon's log says why, and `loopdesk guide \
                troubleshooting` where it is"
                .to_owned(),
            Self::AbsoluteForm => {
                "the request names a whole URL, as it would to a proxy: loopdesk \
                isn't an HTTP_PROXY; unset that variable for localhost and use loopdesk's address \
                as the base URL"
                    .to_owned()
            }
            Self::Method(method) => format!("`{method}` is not passed on to Zendesk"),
            Self::Upgrade => {
                "loopdesk speaks HTTP/1.1 only; Zendesk's API has no WebSocket".to_owned()
            }
            Self::UnknownHost {
                host: Some(host),
                expected,
            } => format!("`{host}` is not an address of this daemon: use {expected}"),
            Self::UnknownHost {
                host: None,
                expected,
            } => {
                format!("the request has no Host header: use {expected}")
            }
            Self::WebPage(header) | Self::Opened { header, .. } => format!(
                "the request comes from a web page, as its header `{header}` shows, and loopdesk \
                 serves programs only: a program must leave that header out"
            ),
            Self::OtherUser => "this daemon serves the user who started it only; start your own: \
                run `loopdesk login`"
                .to_owned(),
            Self::Key(why) => why.description(),
            Self::KeySuspended { account, person } => format!(
                "the local key was created for a Zendesk user other than {person}, who is now \
                 logged in to account `{account}`: if it may act for {person}, run `loopdesk key \
                 confirm {account}`"
            ),
            Self::RefusedRoute(path) => format!(
                "`{path}` creates or shows credentials, which scripts may not do: add it to \
                 `open-routes` in the configuration if they must"
            ),
            Self::UnknownAccount { name, known } => {
                format!("there is no account `{name}`: {}", these(known))
            }
            Self::NoAccountNamed(known) => format!(
                "several accounts exist and the request names none: set `default-account`, or use \
                 an account's own address ({})",
                known.join(", ")
            ),
            Self::TwoAccountsNamed { port, host, known } => format!(
                "the request names two accounts, `{port}` by its port and `{host}` by its Host: \
                 use an account's own address ({})",
                known.join(", ")
            ),
            Self::NoAccounts => "no account is configured: run `loopdesk account add`".to_owned(),
            Self::SignedOut(account) => {
                format!("not logged in to account `{account}`: run `loopdesk login {account}`")
            }
            Self::Ended { account, why } => format!(
                "the session of account `{account}` is over: {why}; run `loopdesk login {account}`"
            ),
            Self::Unavailable { account, why, fix } => {
                format!("the session of account `{account}` can't be used now: {why}; {fix}")
            }
            Self::Upstream { origin, why, fix } => {
                format!("no answer from {origin}: {why}; {fix}, then run `loopdesk status`")
            }
            Self::Proxy { origin, why } => format!("can't reach {origin}: {why}"),
            Self::TooSlow { what, after } => format!(
                "{what} took longer than {} s; try again, or run `loopdesk status`",
                after.as_secs()
            ),
            Self::NoDaemon => "loopdesk isn't running any more: run `loopdesk wait`, which starts \
                it, then try again"
                .to_owned(),
            Self::OtherHost {
                host: Some(host),
                origin,
            } => format!("the connection is for {origin}, and the request on it for `{host}`"),
            Self::OtherHost { host: None, origin } => {
                format!("the connection is for {origin}, and the request on it names no host")
            }
            Self::ExecOff => "`loopdesk exec` is switched off: the configuration has \
                `exec = false`; `loopdesk config show` names the file that says so"
                .to_owned(),
            Self::ForeignOrigin { account, origin } => format!(
                "{origin} isn't an origin of account `{account}`: if the configuration has changed, \
                 run `loopdesk exec` again"
            ),
            Self::UnconfiguredPort(port) => {
                format!("port {port} is no longer configured: run `loopdesk service install`")
            }
            Self::Stopping => "loopdesk is shutting down; try again".to_owned(),
        }
    }

    /// The refusal for a request body that ended with `error`. A stage that rejects a body while
    /// streaming it ends the body with a refusal.
    pub fn of_body(error: &BodyError) -> Self {
        match error.downcast_ref::<Self>() {
            Some(refusal) => refusal.clone(),
            None => Self::BadRequest(format!("the request's body broke off: {error}")),
        }
    }

    /// The answer itself.
    pub fn into_response(self) -> Response<Body> {
        let body = serde_json::json!({
            "error": self.error(),
            "description": self.description(),
        });
        let mut response = Response::new(Body::full(body.to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(ERROR_HEADER, HeaderValue::from_static(self.code()));
        if let Self::Key(why) = &self {
            why.challenge(headers);
        }
        if matches!(
            self,
            Self::BadRequest(_) | Self::Head(_) | Self::GaveWay | Self::Stopping
        ) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The code in the spelling of Zendesk's own `error` fields: `RecordNotFound`.
    fn error(&self) -> String {
        let capital = |word: &str| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        };
        self.code().split('-').map(capital).collect()
    }
}

impl From<HeadError> for ErrorResponse {
    fn from(why: HeadError) -> Self {
        Self::Head(why)
    }
}

impl From<KeyErrorResponse> for ErrorResponse {
    fn from(why: KeyErrorResponse) -> Self {
        Self::Key(why)
    }
}

/// Tells loopdesk's answers from Zendesk's.
pub const ERROR_HEADER: HeaderName = HeaderName::from_static("x-loopdesk-error");

fn these(names: &[String]) -> String {
    if names.is_empty() {
        return "none is configured; run `loopdesk account add`".to_owned();
    }
    format!("the accounts are {}", names.join(", "))
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description())
    }
}

impl std::error::Error for ErrorResponse {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_our_errors_have_zendesks_shape_and_name_the_fix() {
        let response = ErrorResponse::SignedOut("acme".to_owned()).into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[ERROR_HEADER], "signed-out");
        assert!(!response.headers().contains_key("retry-after"));
        let refusal = ErrorResponse::SignedOut("acme".to_owned());
        assert_eq!(refusal.error(), "SignedOut");
        assert!(refusal.description().contains("`loopdesk login acme`"));
    }
}
