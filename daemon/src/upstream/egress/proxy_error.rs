//! Why a proxy doesn't connect us to Zendesk, and who can do what about it. Nothing was sent to
//! Zendesk in any of these cases.

use std::error::Error as StdError;

use http::StatusCode;
use loopdesk_protocol::proxy::{ProxyUrlError, Scheme};
use loopdesk_protocol::{Problem, conditions};

use super::{Proxy, again};
use crate::telemetry::Foreign;
use crate::upstream::error_chain::{find, is_unknown_issuer, root};
use crate::upstream::limits::CONNECT_MAX;

/// No connection through the proxy. `Display` says what to do about it and contains no secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}; {}", self.what(), self.fix())]
pub struct ProxyError {
    /// The variable that names the proxy.
    variable: &'static str,
    /// `host:port`, and the protocol; `None` if the variable can't be parsed.
    proxy: Option<(Scheme, String)>,
    reason: ProxyFault,
}

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum ProxyFault {
    /// The variable doesn't name a proxy.
    Unusable(ProxyUrlError),
    /// No connection to the proxy.
    Unreachable(Foreign),
    /// TLS with the proxy has failed.
    Untrusted { why: Foreign, is_unknown: bool },
    /// The proxy requires a user and a password.
    WantsLogin,
    /// The proxy rejects the ones that we have.
    WrongLogin,
    /// The proxy requires an authentication scheme that we don't support.
    OtherLogin(String),
    /// The proxy refuses.
    Refused {
        target: String,
        status: StatusCode,
        words: String,
    },
    /// The same for SOCKS.
    Socks { target: String, words: String },
    /// The proxy is a loopdesk.
    Loopdesk,
    /// The answer isn't HTTP.
    NoHttp(Foreign),
    /// The answer isn't SOCKS5.
    NoSocks,
    /// The proxy closed the connection instead of answering.
    HungUp,
    /// The connection broke.
    Broke(Foreign),
    /// No connection to Zendesk, TLS included, in time.
    TooSlow,
}

impl ProxyError {
    pub(super) fn new(proxy: &Proxy, reason: ProxyFault) -> Self {
        Self {
            variable: proxy.variable,
            proxy: Some((proxy.url.scheme(), proxy.url.authority())),
            reason,
        }
    }

    /// The variable can't be used.
    pub(super) fn unusable(variable: &'static str, why: &ProxyUrlError) -> Self {
        Self {
            variable,
            proxy: None,
            reason: ProxyFault::Unusable(why.clone()),
        }
    }

    /// There is no connection to the proxy.
    pub(super) fn unreachable(proxy: &Proxy, error: &(dyn StdError + 'static)) -> Self {
        let reason = match find::<rustls::Error>(error) {
            Some(tls) => ProxyFault::Untrusted {
                why: Foreign::root(tls),
                is_unknown: is_unknown_issuer(tls),
            },
            None => ProxyFault::Unreachable(root(error)),
        };
        Self::new(proxy, reason)
    }

    /// No connection was established through the proxy in time.
    pub(in crate::upstream) fn too_slow(proxy: &Proxy) -> Self {
        Self::new(proxy, ProxyFault::TooSlow)
    }

    /// Whether it is only a time-out.
    pub(in crate::upstream) fn is_too_slow(&self) -> bool {
        matches!(self.reason, ProxyFault::TooSlow)
    }

    /// Whether the proxy itself can't be reached.
    pub(in crate::upstream) fn is_out_of_reach(&self) -> bool {
        matches!(self.reason, ProxyFault::Unreachable(_))
    }

    /// The party that timed out or failed.
    pub(in crate::upstream) fn whom(&self) -> String {
        match &self.proxy {
            Some((_, place)) => format!("the proxy at {place}"),
            None => self.variable.to_owned(),
        }
    }

    /// The problem that `status` shows.
    pub(in crate::upstream) fn condition(&self) -> Problem {
        let (what, fix) = (self.what(), self.fix());
        match &self.reason {
            ProxyFault::Unusable(_) => conditions::proxy_unusable(what, fix),
            ProxyFault::Unreachable(_) => conditions::proxy_unreachable(what, fix),
            ProxyFault::Untrusted { .. } => conditions::proxy_untrusted(what, fix),
            ProxyFault::WantsLogin | ProxyFault::WrongLogin | ProxyFault::OtherLogin(_) => {
                conditions::proxy_login(what, fix)
            }
            ProxyFault::Refused { .. } | ProxyFault::Socks { .. } => {
                conditions::proxy_refuses(what, fix)
            }
            ProxyFault::Loopdesk
            | ProxyFault::NoHttp(_)
            | ProxyFault::NoSocks
            | ProxyFault::HungUp
            | ProxyFault::Broke(_) => conditions::proxy_broken(what, fix),
            ProxyFault::TooSlow => conditions::proxy_timed_out(what, fix),
        }
    }

    /// What happened, and to what.
    pub(super) fn what(&self) -> String {
        let whom = self.whom();
        match &self.reason {
            ProxyFault::Unusable(why) => format!("{whom} {why}"),
            ProxyFault::Unreachable(why) => format!("{whom} can't be reached: {why}"),
            ProxyFault::Untrusted { why, .. } => format!("no trusted connection to {whom}: {why}"),
            ProxyFault::WantsLogin => format!("{whom} requires a user and a password"),
            ProxyFault::WrongLogin => {
                format!("{whom} rejects the user and password in {}", self.variable)
            }
            ProxyFault::OtherLogin(schemes) => {
                format!(
                    "{whom} requires {schemes} authentication, and loopdesk only supports Basic"
                )
            }
            ProxyFault::Refused {
                target,
                status,
                words,
            } => {
                let words = if words.is_empty() {
                    ""
                } else {
                    &format!(" {words}")
                };
                format!(
                    "{whom} won't connect to {target}: {}{words}",
                    status.as_str()
                )
            }
            ProxyFault::Socks { target, words } => {
                format!("{whom} won't connect to {target}: {words}")
            }
            ProxyFault::Loopdesk => format!("{whom} is a loopdesk, which isn't a proxy"),
            ProxyFault::NoHttp(why) => format!("{whom} doesn't speak HTTP: {why}"),
            ProxyFault::NoSocks => format!("{whom} doesn't speak SOCKS5"),
            ProxyFault::HungUp => format!("{whom} hung up before it answered"),
            ProxyFault::Broke(why) => format!("the connection to {whom} broke: {why}"),
            ProxyFault::TooSlow => {
                format!("{whom} didn't connect within {} s", CONNECT_MAX.as_secs())
            }
        }
    }

    /// Who can do what about it.
    pub(super) fn fix(&self) -> String {
        let Self {
            variable, proxy, ..
        } = self;
        let (scheme, place) = match proxy {
            Some((scheme, place)) => (scheme.name(), place.as_str()),
            None => ("http", "HOST:PORT"),
        };
        match &self.reason {
            ProxyFault::Unusable(_) | ProxyFault::Loopdesk => {
                format!("correct {variable} or unset it, then {}", again())
            }
            ProxyFault::WantsLogin => format!(
                "set {variable} to {scheme}://USER:PASSWORD@{place}, then {}",
                again()
            ),
            ProxyFault::WrongLogin => format!(
                "correct {variable}, with special characters as %XX, then {}",
                again()
            ),
            ProxyFault::OtherLogin(_) => format!(
                "run a proxy that logs in there, such as px or cntlm, set {variable} to it, then {}",
                again()
            ),
            ProxyFault::Untrusted {
                is_unknown: true, ..
            } => "set `extra-ca-file` of the account to its authority's certificate".to_owned(),
            ProxyFault::NoHttp(_) | ProxyFault::NoSocks | ProxyFault::Untrusted { .. } => format!(
                "check that {variable} begins with the proxy's scheme: http://, https:// or \
                 socks5h://"
            ),
            ProxyFault::Refused { status, .. } if status.is_client_error() => {
                "ask the proxy's administrator to allow it".to_owned()
            }
            ProxyFault::Refused { .. }
            | ProxyFault::Socks { .. }
            | ProxyFault::Unreachable(_)
            | ProxyFault::HungUp
            | ProxyFault::Broke(_)
            | ProxyFault::TooSlow => {
                format!("check that {variable} is right and the network is up")
            }
        }
    }
}

impl ProxyFault {
    /// Interprets an error of hyper's that occurred before the proxy answered.
    pub(super) fn of_exchange(error: &hyper::Error) -> Self {
        if error.is_parse() {
            Self::NoHttp(root(error))
        } else if error.is_incomplete_message() || error.is_canceled() {
            Self::HungUp
        } else {
            Self::Broke(root(error))
        }
    }
}
