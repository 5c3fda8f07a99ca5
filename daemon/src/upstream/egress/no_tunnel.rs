//! Why a proxy gives no way to Zendesk, and who can do what about it. Nothing was sent to Zendesk in
//! any of these cases.

use std::error::Error as StdError;

use http::StatusCode;
use loopdesk_protocol::proxy::{Scheme, Unusable};
use loopdesk_protocol::{Problem, conditions};

use super::{Proxy, again};
use crate::telemetry::Foreign;
use crate::upstream::error_chain::{find, is_unknown_issuer, root};
use crate::upstream::limits::CONNECT_MAX;

/// There is no way through the proxy. `Display` says what to do about it, and holds no secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}; {}", self.what(), self.fix())]
pub struct NoTunnel {
    /// The variable that names the proxy.
    variable: &'static str,
    /// `host:port`, and how it is spoken to; none where the variable can't be read.
    proxy: Option<(Scheme, String)>,
    reason: Reason,
}

/// What has happened.
#[derive(Clone, Debug)]
pub(super) enum Reason {
    /// The variable names no proxy.
    Unusable(Unusable),
    /// No connection to the proxy.
    Unreachable(Foreign),
    /// TLS with the proxy has failed.
    Untrusted { why: Foreign, is_unknown: bool },
    /// It wants user and password.
    WantsLogin,
    /// It doesn't take the ones that we have.
    WrongLogin,
    /// It wants a login of a kind that isn't ours.
    OtherLogin(String),
    /// It says no.
    Refused {
        target: String,
        status: StatusCode,
        words: String,
    },
    /// The same in SOCKS.
    Socks { target: String, words: String },
    /// It is a loopdesk.
    Loopdesk,
    /// It answers no HTTP.
    NoHttp(Foreign),
    /// It answers no SOCKS5.
    NoSocks,
    /// The end of the connection in place of an answer.
    HungUp,
    /// The connection broke.
    Broke(Foreign),
    /// There was no connection to Zendesk, TLS included, in time.
    TooSlow,
}

impl NoTunnel {
    pub(super) fn new(proxy: &Proxy, reason: Reason) -> Self {
        Self {
            variable: proxy.variable,
            proxy: Some((proxy.url.scheme(), proxy.url.authority())),
            reason,
        }
    }

    /// The variable can't be used.
    pub(super) fn unusable(variable: &'static str, why: &Unusable) -> Self {
        Self {
            variable,
            proxy: None,
            reason: Reason::Unusable(why.clone()),
        }
    }

    /// There is no connection to the proxy.
    pub(super) fn unreachable(proxy: &Proxy, error: &(dyn StdError + 'static)) -> Self {
        let reason = match find::<rustls::Error>(error) {
            Some(tls) => Reason::Untrusted {
                why: Foreign::root(tls),
                is_unknown: is_unknown_issuer(tls),
            },
            None => Reason::Unreachable(root(error)),
        };
        Self::new(proxy, reason)
    }

    /// There was no connection through the proxy in time.
    pub(in crate::upstream) fn too_slow(proxy: &Proxy) -> Self {
        Self::new(proxy, Reason::TooSlow)
    }

    /// Whether it is a matter of time only.
    pub(in crate::upstream) fn is_too_slow(&self) -> bool {
        matches!(self.reason, Reason::TooSlow)
    }

    /// Whether there is no connection to the proxy at all.
    pub(in crate::upstream) fn is_out_of_reach(&self) -> bool {
        matches!(self.reason, Reason::Unreachable(_))
    }

    /// What was waited for, or has failed.
    pub(in crate::upstream) fn whom(&self) -> String {
        match &self.proxy {
            Some((_, place)) => format!("the proxy at {place}"),
            None => self.variable.to_owned(),
        }
    }

    /// What `status` says of it.
    pub(in crate::upstream) fn condition(&self) -> Problem {
        let (what, fix) = (self.what(), self.fix());
        match &self.reason {
            Reason::Unusable(_) => conditions::proxy_unusable(what, fix),
            Reason::Unreachable(_) => conditions::proxy_unreachable(what, fix),
            Reason::Untrusted { .. } => conditions::proxy_untrusted(what, fix),
            Reason::WantsLogin | Reason::WrongLogin | Reason::OtherLogin(_) => {
                conditions::proxy_login(what, fix)
            }
            Reason::Refused { .. } | Reason::Socks { .. } => conditions::proxy_refuses(what, fix),
            Reason::Loopdesk
            | Reason::NoHttp(_)
            | Reason::NoSocks
            | Reason::HungUp
            | Reason::Broke(_) => conditions::proxy_broken(what, fix),
            Reason::TooSlow => conditions::proxy_timed_out(what, fix),
        }
    }

    /// What has happened, to what.
    pub(super) fn what(&self) -> String {
        let whom = self.whom();
        match &self.reason {
            Reason::Unusable(why) => format!("{whom} {why}"),
            Reason::Unreachable(why) => format!("{whom} can't be reached: {why}"),
            Reason::Untrusted { why, .. } => format!("no trusted connection to {whom}: {why}"),
            Reason::WantsLogin => format!("{whom} wants a user and a password"),
            Reason::WrongLogin => {
                format!(
                    "{whom} doesn't take the user and password of {}",
                    self.variable
                )
            }
            Reason::OtherLogin(schemes) => {
                format!("{whom} wants a login by {schemes}, and loopdesk knows Basic only")
            }
            Reason::Refused {
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
                    "{whom} gives no way to {target}: {}{words}",
                    status.as_str()
                )
            }
            Reason::Socks { target, words } => format!("{whom} gives no way to {target}: {words}"),
            Reason::Loopdesk => format!("{whom} is a loopdesk, which is no proxy"),
            Reason::NoHttp(why) => format!("{whom} answers in no HTTP: {why}"),
            Reason::NoSocks => format!("{whom} answers in no SOCKS5"),
            Reason::HungUp => format!("{whom} hung up before it gave an answer"),
            Reason::Broke(why) => format!("the connection to {whom} broke: {why}"),
            Reason::TooSlow => {
                format!(
                    "{whom} gave no connection within {} s",
                    CONNECT_MAX.as_secs()
                )
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
            Reason::Unusable(_) | Reason::Loopdesk => {
                format!("correct {variable} or unset it, then {}", again())
            }
            Reason::WantsLogin => format!(
                "set {variable} to {scheme}://USER:PASSWORD@{place}, then {}",
                again()
            ),
            Reason::WrongLogin => format!(
                "correct {variable}, with special characters as %XX, then {}",
                again()
            ),
            Reason::OtherLogin(_) => format!(
                "run a proxy that logs in there, such as px or cntlm, set {variable} to it, then {}",
                again()
            ),
            Reason::Untrusted {
                is_unknown: true, ..
            } => "set `extra-ca-file` of the account to its authority's certificate".to_owned(),
            Reason::NoHttp(_) | Reason::NoSocks | Reason::Untrusted { .. } => format!(
                "see that {variable} begins with what it is: http://, https:// or socks5h://"
            ),
            Reason::Refused { status, .. } if status.is_client_error() => {
                "ask whoever runs it to allow that".to_owned()
            }
            Reason::Refused { .. }
            | Reason::Socks { .. }
            | Reason::Unreachable(_)
            | Reason::HungUp
            | Reason::Broke(_)
            | Reason::TooSlow => format!("see that {variable} is right and the network is there"),
        }
    }
}

impl Reason {
    /// What an error of hyper's means before the proxy has answered.
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
