//! Matches an address that the browser came back to with the login that waits for it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;

use super::page::Page;
use crate::telemetry::Sent;

/// An account's login that waits for its callback, if any. The browser delivers the callback, or
/// the person pastes it. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct PendingCallback(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Open(Open),
    /// No login can begin any more.
    Closed,
}

#[derive(Debug)]
struct Open {
    path: String,
    state: SecretString,
    /// Taken by the first matching callback.
    waiting: Option<oneshot::Sender<LoginCallback>>,
    link: Option<OneTimeLink>,
}

/// An address on this machine that redirects a browser to Zendesk's page, once.
///
/// Every user of the machine can see a browser's command line. The authorize URL there would reveal
/// the login's state to them.
#[derive(Debug)]
pub(in crate::session) struct OneTimeLink {
    path: SecretString,
    /// The authorize URL, until it has been used.
    url: Option<String>,
}

impl OneTimeLink {
    /// A new link to the authorize URL `url`.
    ///
    /// # Errors
    /// If the system provides no random bytes.
    pub(in crate::session) fn to(url: &str) -> Result<Self, getrandom::Error> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce)?;
        let nonce = URL_SAFE_NO_PAD.encode(nonce);
        Ok(Self {
            path: format!("/go/{nonce}").into(),
            url: Some(url.to_owned()),
        })
    }

    /// The link's address, where the login listens.
    pub(in crate::session) fn address(&self, at: SocketAddr) -> String {
        format!("http://{at}{}", self.path.expose_secret())
    }
}

/// A request for a [`OneTimeLink`].
#[derive(Debug, PartialEq, Eq)]
pub(in crate::session) enum LinkUse {
    /// The first request, which is redirected to this URL.
    First(String),
    /// A later request.
    Again,
}

/// What happened to an address.
#[derive(Debug)]
pub(in crate::session) enum CallbackResult {
    /// The login waited for it. The page follows when the login is over.
    Accepted(oneshot::Receiver<Page>),
    /// This login has received its callback before.
    Used,
    /// It doesn't belong to this login.
    NotOurs,
    /// It may belong to this login but is malformed, and why.
    Malformed(&'static str),
    /// No login is waiting.
    NoLogin,
}

/// The callback of a login, and where to send the page that shows the result.
#[derive(Debug)]
pub(in crate::session) struct LoginCallback {
    pub(in crate::session) response: AuthorizationResponse,
    pub(in crate::session) page: oneshot::Sender<Page>,
}

/// What the browser brings back from Zendesk.
#[derive(Debug)]
pub(in crate::session) enum AuthorizationResponse {
    Code(SecretString),
    /// The person chose Deny.
    Denied,
    /// An error. Its text comes from the address, so it isn't trusted.
    Error {
        error: Sent,
        description: Option<Sent>,
    },
}

impl PendingCallback {
    /// Registers a login and returns its callback when it arrives. A login that was waiting gets
    /// nothing.
    pub(in crate::session) fn open(
        &self,
        path: &str,
        state: SecretString,
        link: Option<OneTimeLink>,
    ) -> oneshot::Receiver<LoginCallback> {
        let (waiting, callback) = oneshot::channel();
        let mut current = self.lock();
        if !matches!(*current, State::Closed) {
            *current = State::Open(Open {
                path: path.to_owned(),
                state,
                waiting: Some(waiting),
                link,
            });
        }
        callback
    }

    /// Drops the login that waits, and every later one.
    pub(in crate::session) fn close(&self) {
        *self.lock() = State::Closed;
    }

    /// Whether no login can begin any more.
    pub(in crate::session) fn is_closed(&self) -> bool {
        matches!(*self.lock(), State::Closed)
    }

    /// Uses the one-time link, if this is its path.
    pub(in crate::session) fn use_link(&self, path: &str) -> Option<LinkUse> {
        let mut current = self.lock();
        let State::Open(open) = &mut *current else {
            return None;
        };
        let link = open.link.as_mut()?;
        let expected = link.path.expose_secret().as_bytes();
        if !bool::from(path.as_bytes().ct_eq(expected)) {
            return None;
        }
        Some(link.url.take().map_or(LinkUse::Again, LinkUse::First))
    }

    /// Takes an address as a person pastes it: the whole URL, or only the path and query.
    pub(in crate::session) fn paste(&self, address: &str) -> CallbackResult {
        let address = address.trim();
        let target = match address.split_once("://") {
            // The path follows the authority.
            Some((_, rest)) => rest.find('/').map_or("", |slash| &rest[slash..]),
            None => address,
        };
        let target = target.split('#').next().unwrap_or_default();
        match target.split_once('?') {
            Some((path, query)) => self.deliver(path, query),
            None => CallbackResult::Malformed("it has no `?` followed by a code"),
        }
    }

    /// Takes an address by its path and query.
    pub(in crate::session) fn deliver(&self, path: &str, query: &str) -> CallbackResult {
        let mut current = self.lock();
        let State::Open(open) = &mut *current else {
            return CallbackResult::NoLogin;
        };
        if path != open.path {
            return CallbackResult::NotOurs;
        }
        let parameters = match Parameters::read(query) {
            Ok(parameters) => parameters,
            Err(why) => return CallbackResult::Malformed(why),
        };
        let state = parameters.state.unwrap_or_default();
        let expected = open.state.expose_secret().as_bytes();
        if !bool::from(state.as_bytes().ct_eq(expected)) {
            return CallbackResult::NotOurs;
        }
        let response = match (parameters.code, parameters.error) {
            (_, Some(error)) if error == "access_denied" => AuthorizationResponse::Denied,
            (_, Some(error)) => AuthorizationResponse::Error {
                error: Sent::line(&error),
                description: parameters.description.as_deref().map(Sent::line),
            },
            (Some(code), None) if !code.is_empty() => AuthorizationResponse::Code(code.into()),
            (_, None) => return CallbackResult::Malformed("it has no `code`"),
        };
        let Some(waiting) = open.waiting.take() else {
            return CallbackResult::Used;
        };
        let (page, shown) = oneshot::channel();
        match waiting.send(LoginCallback { response, page }) {
            Ok(()) => CallbackResult::Accepted(shown),
            Err(_) => CallbackResult::NoLogin,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Parameters {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    description: Option<String>,
}

impl Parameters {
    fn read(query: &str) -> Result<Self, &'static str> {
        let mut parameters = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let field = match name.as_ref() {
                "state" => &mut parameters.state,
                "code" => &mut parameters.code,
                "error" => &mut parameters.error,
                "error_description" => &mut parameters.description,
                _ => continue,
            };
            // RFC 6749 section 3.1: parameters must not be included more than once.
            if field.replace(value.into_owned()).is_some() {
                return Err("it has a parameter twice");
            }
        }
        Ok(parameters)
    }
}

/// 128 bits can't be guessed while a login waits.
const NONCE: usize = 16;
