//! The way out of a company's network: which proxy, if any, a connection to Zendesk uses.
//!
//! `HTTPS_PROXY` and its relatives are read once, at startup. Which of them apply depends on the
//! configuration: a proxy that is the daemon itself is ignored, with a warning. With an unusable
//! value every connection fails until the value is corrected: nothing leaves this machine without
//! the proxy that was meant (D6).

mod no_proxy;
mod proxy_error;
mod proxy_stream;
mod socks;
mod tunnel;

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use hyper_rustls::MaybeHttpsStream;
use loopdesk_protocol::proxy::{
    EXEMPTIONS, ProxyLogin, ProxyUrl, ProxyUrlError, Scheme, VARIABLES,
};
use loopdesk_protocol::{Problem, status};

use crate::clock::Clock;
use crate::config::{Config, Origin};
use crate::supervise::notify;
use crate::telemetry::redact::{self, Hidden};
use crate::upstream::connection::Stream;

pub use proxy_error::ProxyError;
pub(super) use proxy_stream::Dialer;
pub use proxy_stream::PlainProxy;

use no_proxy::NoProxy;

/// The proxy settings in the environment. Clones share them.
#[derive(Clone, Debug)]
pub struct Variables(Arc<ProxyVariables>);

#[derive(Debug)]
struct ProxyVariables {
    /// The variables that are set, in order of precedence.
    proxies: Vec<(&'static str, Result<Arc<Proxy>, ProxyUrlError>)>,
    no_proxy: Option<(&'static str, NoProxy)>,
    clock: Clock,
    /// How the last attempt failed, unless a later one succeeded.
    last: ArcSwapOption<status::LastError>,
}

impl Variables {
    /// Reads them from this environment. An empty variable counts as absent.
    pub fn read(env: impl Fn(&str) -> Option<OsString>, clock: Clock) -> Self {
        let set = |name: &&'static str| {
            let value = env(name).filter(|value| !value.is_empty())?;
            Some((*name, value))
        };
        let proxies = VARIABLES.iter().filter_map(set);
        let proxies = proxies.map(|(name, value)| {
            let proxy = value.to_str().ok_or(ProxyUrlError::NoText);
            let proxy = proxy.and_then(ProxyUrl::parse);
            (
                name,
                proxy.and_then(|url| Ok(Arc::new(Proxy::new(name, url)?))),
            )
        });
        let no_proxy = EXEMPTIONS.iter().find_map(set);
        Self(Arc::new(ProxyVariables {
            proxies: proxies.collect(),
            no_proxy: no_proxy
                .map(|(name, value)| (name, NoProxy::parse(&value.to_string_lossy()))),
            clock,
            last: ArcSwapOption::empty(),
        }))
    }

    /// The same for plain `http`, which has a variable of its own. curl's order again: the upper-case
    /// spelling doesn't count, since web servers set it from a request's head.
    pub fn read_plain(env: impl Fn(&str) -> Option<OsString>, clock: Clock) -> Self {
        let name = |name: &str| match name {
            "https_proxy" => Some("http_proxy"),
            "HTTPS_PROXY" => None,
            _ => VARIABLES
                .iter()
                .chain(&EXEMPTIONS)
                .copied()
                .find(|known| *known == name),
        };
        Self::read(|asked| env(name(asked)?), clock)
    }

    /// An environment without proxy settings.
    #[cfg(test)]
    pub(crate) fn none(clock: Clock) -> Self {
        Self::read(|_| None, clock)
    }
}

/// The routes to the Internet under one configuration. Clones share them.
#[derive(Clone, Debug)]
pub struct Egress {
    variables: Variables,
    /// How many of the variables are ignored because they name the daemon itself.
    own: usize,
}

impl Egress {
    /// Applies the variables to a daemon that listens as `config` says.
    pub fn new(variables: &Variables, config: &Config) -> Self {
        Self::beside(variables, |port| config.listens_on(port))
    }

    /// The same for another process beside a daemon that listens on these ports.
    pub fn beside(variables: &Variables, listens_on: impl Fn(u16) -> bool) -> Self {
        let is_own = |(_, proxy): &&(_, Result<Arc<Proxy>, _>)| {
            let proxy = proxy.as_ref();
            proxy.is_ok_and(|proxy| proxy.url.is_own(&listens_on))
        };
        let own = variables.0.proxies.iter().take_while(is_own).count();
        Self {
            variables: variables.clone(),
            own,
        }
    }

    /// Every connection goes directly to Zendesk.
    #[cfg(test)]
    pub(crate) fn direct() -> Self {
        Self {
            variables: Variables::none(Clock::system()),
            own: 0,
        }
    }

    /// The proxy for a connection to this `https` URI; `None` means a direct connection.
    ///
    /// # Errors
    /// If a proxy is configured but its address can't be parsed.
    pub(super) fn proxy(&self, target: &Uri) -> Result<Option<Arc<Proxy>>, ProxyError> {
        let host = target.host().unwrap_or_default();
        if self.is_exempt(host, target.port_u16().unwrap_or(HTTPS)) {
            return Ok(None);
        }
        match self.chosen() {
            None => Ok(None),
            Some((_, Ok(proxy))) => Ok(Some(Arc::clone(proxy))),
            Some((variable, Err(why))) => Err(ProxyError::unusable(variable, why)),
        }
    }

    /// Why no connection can be made at all, if a proxy is named that can't be used.
    pub fn problem(&self) -> Option<Problem> {
        let (variable, proxy) = self.chosen()?;
        let why = proxy.as_ref().err()?;
        Some(ProxyError::unusable(variable, why).condition())
    }

    /// What `status` reports. `origins` are those of the accounts.
    pub fn status<'a>(&self, origins: impl Iterator<Item = &'a Origin>) -> status::EgressStatus {
        let read = &self.variables.0;
        let (own, _) = read.proxies.split_at(self.own);
        let ignored = own.iter().map(|(variable, _)| status::Ignored {
            variable: (*variable).to_owned(),
            why: "it points at loopdesk itself, which isn't a proxy".to_owned(),
            fix: format!(
                "unset it, or set it to your network's proxy; then {}",
                again()
            ),
        });
        let chosen = self.chosen();
        let direct = origins.filter(|origin| {
            chosen.is_some() && self.is_exempt(origin.host(), origin.port().unwrap_or(HTTPS))
        });
        let mut direct: Vec<_> = direct.map(ToString::to_string).collect();
        direct.sort();
        direct.dedup();
        let proxy = chosen.and_then(|(_, proxy)| proxy.as_ref().ok());
        status::EgressStatus {
            proxy: proxy.map(|proxy| proxy.url.to_string()),
            variable: chosen.map(|(variable, _)| (*variable).to_owned()),
            has_login: proxy.is_some_and(|proxy| proxy.url.login().is_some()),
            no_proxy: read
                .no_proxy
                .as_ref()
                .map(|(variable, no_proxy)| status::NoProxyStatus {
                    variable: (*variable).to_owned(),
                    hosts: no_proxy.to_string(),
                }),
            direct,
            ignored: ignored.collect(),
            last_error: read.last.load().as_deref().cloned(),
            problem: self.problem(),
        }
    }

    /// Records how a connection through the proxy went.
    pub(super) fn note(&self, failure: Option<&ProxyError>) {
        let read = &self.variables.0;
        match failure {
            None if read.last.load().is_none() => {}
            None => read.last.store(None),
            Some(failure) => read.last.store(Some(Arc::new(status::LastError {
                at: read.clock.now(),
                message: failure.to_string(),
            }))),
        }
    }

    fn chosen(&self) -> Option<&(&'static str, Result<Arc<Proxy>, ProxyUrlError>)> {
        self.variables.0.proxies.get(self.own)
    }

    fn is_exempt(&self, host: &str, port: u16) -> bool {
        let no_proxy = self.variables.0.no_proxy.as_ref();
        no_proxy.is_some_and(|(_, no_proxy)| no_proxy.has(host, port))
    }
}

/// Whether connections use the same routes.
impl PartialEq for Egress {
    fn eq(&self, other: &Self) -> bool {
        self.own == other.own && Arc::ptr_eq(&self.variables.0, &other.variables.0)
    }
}

impl fmt::Display for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.chosen() {
            None => f.write_str("directly"),
            Some((variable, Ok(proxy))) => write!(f, "through {} ({variable})", proxy.url),
            Some((variable, Err(why))) => write!(f, "not at all: {variable} {why}"),
        }
    }
}

/// A proxy, and the variable that names it. `Debug` shows no password.
#[derive(Debug)]
pub(super) struct Proxy {
    variable: &'static str,
    url: ProxyUrl,
    /// The address to connect to; its scheme says whether to use TLS.
    address: Uri,
    /// `Basic` with user and password (RFC 7617).
    basic: Option<HeaderValue>,
    _hidden: Vec<Hidden>,
}

impl Proxy {
    fn new(variable: &'static str, url: ProxyUrl) -> Result<Self, ProxyUrlError> {
        let scheme = match url.scheme() {
            Scheme::Http | Scheme::Socks5 => http::uri::Scheme::HTTP,
            Scheme::Https => http::uri::Scheme::HTTPS,
        };
        let address = Uri::builder()
            .scheme(scheme)
            .authority(url.authority())
            .path_and_query("/")
            .build();
        let login = url.login();
        Ok(Self {
            variable,
            address: address.map_err(|_| ProxyUrlError::Host)?,
            basic: login.and_then(basic),
            _hidden: login.map(hide).unwrap_or_default(),
            url,
        })
    }
}

/// `host:port`.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url.authority())
    }
}

fn basic(login: &ProxyLogin) -> Option<HeaderValue> {
    let value = format!("Basic {}", BASE64_STANDARD.encode(login.joined()));
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The password alone, and together with the user name, so that a short one is found in Basic, too.
/// Some proxies take a token as the user name, without a password.
fn hide(login: &ProxyLogin) -> Vec<Hidden> {
    let alone = match login.password() {
        b"" => login.user(),
        password => password,
    };
    vec![
        redact::hide_bytes(alone),
        redact::hide_bytes(&login.joined()),
    ]
}

/// A connection to a proxy.
type ToProxy = MaybeHttpsStream<Stream>;

/// How to give a daemon other variables.
fn again() -> String {
    if notify::is_supervised() {
        "run `loopdesk service install`, which passes it on to the service".to_owned()
    } else {
        let pid = std::process::id();
        format!("stop loopdesk with `kill {pid}`: the next command starts it again")
    }
}

const HTTPS: u16 = 443;

#[cfg(test)]
mod tests;
