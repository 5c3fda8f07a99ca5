//! Why Zendesk didn't answer, and whether the request may be sent again.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use http::Method;
use hyper_util::client::legacy;

use super::connect::{self, ViaProxyError};
use super::connection::CutReason;
use super::egress::ProxyError;
use super::error_chain::{find, is_unknown_issuer, root};
use super::limits::CONNECT_MAX;
use crate::body::BodyError;
use crate::config::Origin;
use crate::error_response::ErrorResponse;

/// Why Zendesk didn't answer. `Display` is a fragment without secrets.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The system trusts no certificate authority.
    #[error("the system's certificate authorities can't be loaded: {0}")]
    Roots(#[source] rustls::Error),
    /// The request has no target that HTTP can express.
    #[error("the request's path can't be sent")]
    Target,
    /// No connection: a name that doesn't resolve, no route, or a refusal.
    #[error("no connection{}: {}", behind(&**.0), root(&**.0))]
    Connect(#[source] BodyError),
    /// The proxy doesn't connect us to Zendesk.
    #[error("{0}")]
    Proxy(ProxyError),
    /// A server answers, but can't prove to be Zendesk.
    #[error("no trusted connection{}: {}{}", behind(&**.0), root(&**.0), opened_tls(&**.0))]
    Tls(#[source] BodyError),
    /// No connection, or no answer, in time.
    #[error("{what} took longer than {} s", .after.as_secs())]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        after: Duration,
        /// Whether the request was already in flight.
        sent: bool,
    },
    /// HTTP/2 reports that the request wasn't processed, or not a byte of it was written.
    #[error("the request was turned away unread: {}", root(&**.0))]
    Unprocessed(#[source] BodyError),
    /// The connection broke after bytes were sent.
    #[error("the connection broke before an answer: {}", root(&**.0))]
    Lost(#[source] BodyError),
    /// The answer isn't HTTP.
    #[error("the answer can't be read: {}", root(&**.0))]
    Malformed(#[source] BodyError),
    /// The answer to one of our own requests is larger than any known one.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The script's own body broke off, or was refused while it was being sent.
    #[error("{0}")]
    Script(ErrorResponse),
}

impl UpstreamError {
    /// Whether Zendesk may have acted on the request.
    pub fn may_have_acted(&self) -> bool {
        match self {
            Self::Roots(_)
            | Self::Target
            | Self::Connect(_)
            | Self::Proxy(_)
            | Self::Tls(_)
            | Self::Unprocessed(_) => false,
            Self::TimedOut { sent, .. } => *sent,
            Self::Lost(_) | Self::Malformed(_) | Self::TooLarge(_) | Self::Script(_) => true,
        }
    }

    /// The error response for the script.
    pub fn refusal(&self, origin: &Origin) -> ErrorResponse {
        match self {
            Self::TimedOut { what, after, .. } => ErrorResponse::TooSlow {
                what: format!("{what} of {origin}"),
                after: *after,
            },
            Self::Proxy(proxy_error) if proxy_error.is_too_slow() => ErrorResponse::TooSlow {
                what: format!("a connection to {origin} through {}", proxy_error.whom()),
                after: CONNECT_MAX,
            },
            Self::Proxy(proxy_error) => ErrorResponse::Proxy {
                origin: origin.to_string(),
                why: proxy_error.to_string(),
            },
            Self::Script(refusal) => refusal.clone(),
            Self::Target => ErrorResponse::BadRequest(self.to_string()),
            Self::Roots(_)
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Unprocessed(_)
            | Self::Lost(_)
            | Self::Malformed(_)
            | Self::TooLarge(_) => self.no_answer(origin),
        }
    }

    /// The words that `status` uses, where they say more than the library's.
    fn no_answer(&self, origin: &Origin) -> ErrorResponse {
        let condition = self.condition(origin);
        let is_dated = condition.as_ref().is_some_and(|condition| {
            matches!(
                condition.code.as_deref(),
                Some("certificate-expired" | "certificate-not-yet-valid")
            )
        });
        let (said, fixes) = condition.map_or_else(Default::default, |c| (c.message, c.hints));
        let why = if is_dated { said } else { self.to_string() };
        let fix = fixes.into_iter().find(|fix| !why.contains(fix.as_str()));
        ErrorResponse::Upstream {
            origin: origin.to_string(),
            why,
            fix: fix.unwrap_or_else(|| "check the network".to_owned()),
        }
    }

    /// Whether any request may be sent once more, provided its body can be.
    pub(super) fn is_unread(&self) -> bool {
        matches!(self, Self::Unprocessed(_))
    }

    /// Whether a request with `method` may be sent once more, provided its body can be.
    pub(super) fn allows_another(&self, method: &Method) -> bool {
        self.is_unread() || (matches!(self, Self::Lost(_)) && is_safe(method))
    }

    /// Whether the connection was lost because this machine's address changed.
    pub(super) fn has_moved(&self) -> bool {
        matches!(self, Self::Lost(error) if find::<CutReason>(&**error) == Some(&CutReason::Moved))
    }

    /// Whether nothing was sent because there seems to be no network at the moment. A refused
    /// connection doesn't count: something there refused it.
    pub(super) fn has_no_network(&self) -> bool {
        let kind = |error: &BodyError| find::<io::Error>(&**error).map(io::Error::kind);
        match self {
            Self::Connect(error) => kind(error) != Some(io::ErrorKind::ConnectionRefused),
            Self::Proxy(proxy_error) => proxy_error.is_out_of_reach(),
            Self::Roots(_)
            | Self::Target
            | Self::Tls(_)
            | Self::TimedOut { .. }
            | Self::Unprocessed(_)
            | Self::Lost(_)
            | Self::Malformed(_)
            | Self::TooLarge(_)
            | Self::Script(_) => false,
        }
    }

    /// Interprets an error of the client's.
    pub(super) fn of_exchange(error: legacy::Error) -> Self {
        if error.is_connect() {
            return Self::of_connect(error);
        }
        // hyper calls a request canceled if it hands it back unwritten.
        let unprocessed = find::<h2::Error>(&error).is_some_and(was_not_processed)
            || find::<hyper::Error>(&error).is_some_and(hyper::Error::is_canceled);
        let malformed = find::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse);
        match (unprocessed, malformed) {
            (true, _) => Self::Unprocessed(error.into()),
            (_, true) => Self::Malformed(error.into()),
            _ => Self::Lost(error.into()),
        }
    }

    fn of_connect(error: legacy::Error) -> Self {
        if let Some(proxy_error) = find::<ProxyError>(&error) {
            return Self::Proxy(proxy_error.clone());
        }
        if find::<connect::ConnectTimeout>(&error).is_some() {
            return Self::TimedOut {
                what: "a connection",
                after: CONNECT_MAX,
                sent: false,
            };
        }
        if find::<rustls::Error>(&error).is_some() {
            return Self::Tls(error.into());
        }
        Self::Connect(error.into())
    }
}

/// Whether repeating a request with `method` does no harm (S7).
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// RFC 9113 section 8.7: REFUSED_STREAM, and streams above the last one that a GOAWAY names. h2
/// ends only the latter with the peer's GOAWAY; those below continue or end with an I/O error.
fn was_not_processed(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// ` through the proxy at …`, if there was a proxy.
fn behind(error: &(dyn StdError + 'static)) -> String {
    let behind = find::<ViaProxyError>(error);
    behind.map_or_else(String::new, |behind| format!(" {behind}"))
}

/// What a certificate from an untrusted authority may mean.
fn opened_tls(error: &(dyn StdError + 'static)) -> &'static str {
    if find::<rustls::Error>(error).is_some_and(is_unknown_issuer) {
        "; if your company inspects TLS, set `extra-ca-file` of the account to the certificate of \
         its authority"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<(UpstreamError, bool, bool, bool)> {
        let error = || -> BodyError { "cause".into() };
        let timed = |sent| UpstreamError::TimedOut {
            what: "an answer",
            after: Duration::from_secs(1),
            sent,
        };
        // The failure; whether it may have acted; whether another GET, another POST is allowed.
        vec![
            (UpstreamError::Connect(error()), false, false, false),
            (UpstreamError::Tls(error()), false, false, false),
            (timed(false), false, false, false),
            (timed(true), true, false, false),
            (UpstreamError::Unprocessed(error()), false, true, true),
            (UpstreamError::Lost(error()), true, true, false),
            (UpstreamError::Malformed(error()), true, false, false),
            (
                UpstreamError::Script(ErrorResponse::of_body(&error())),
                true,
                false,
                false,
            ),
        ]
    }

    #[test]
    fn s7_after_bytes_were_sent_only_safe_methods_are_tried_again() {
        for (failure, acted, get, post) in all() {
            assert_eq!(failure.may_have_acted(), acted, "{failure}");
            assert_eq!(failure.allows_another(&Method::GET), get, "{failure}");
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert_eq!(failure.allows_another(&method), post, "{failure}");
            }
        }
    }

    #[test]
    fn s4_each_failure_has_its_status() {
        let origin: Origin = "https://acme.zendesk.com".parse().unwrap();
        for (failure, ..) in all() {
            let status = failure.refusal(&origin).status().as_u16();
            let expected = if matches!(failure, UpstreamError::TimedOut { .. }) {
                504
            } else if matches!(failure, UpstreamError::Script(_)) {
                400
            } else {
                502
            };
            assert_eq!(status, expected, "{failure}");
        }
    }
}
