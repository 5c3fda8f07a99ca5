//! Which login an address that came back belongs to, and whether it is good.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;

use super::page::Page;
use crate::telemetry::Sent;

/// Where what comes back is handed in, by the browser or by the person. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct PendingCallback(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Open(Open),
    /// For good.
    Closed,
}

#[derive(Debug)]
struct Open {
    path: String,
    state: SecretString,
    /// Taken by the first to come.
    waiting: Option<oneshot::Sender<LoginCallback>>,
    entrance: Option<OneTimeLink>,
}

/// An address on this machine that leads a browser to Zendesk's page, once.
///
/// Every user of the machine can read what a browser is started with. The authorize URL there would
/// tell them the login's state.
#[derive(Debug)]
pub(in crate::session) struct OneTimeLink {
    path: SecretString,
    /// Until it has led somebody there.
    url: Option<String>,
}

impl OneTimeLink {
    /// A new one, to the authorize URL `url`.
    pub(in crate::session) fn to(url: &str) -> Result<Self, getrandom::Error> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce)?;
        let nonce = URL_SAFE_NO_PAD.encode(nonce);
        Ok(Self {
            path: format!("/go/{nonce}").into(),
            url: Some(url.to_owned()),
        })
    }

    /// Its address, at the place where the login listens.
    pub(in crate::session) fn address(&self, at: SocketAddr) -> String {
        format!("http://{at}{}", self.path.expose_secret())
    }
}

/// Who has come by the entrance.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::session) enum Entered {
    /// The first one, who is led to this URL.
    First(String),
    /// Somebody was there before.
    Again,
}

/// What became of something handed in.
#[derive(Debug)]
pub(in crate::session) enum CallbackResult {
    /// It is what the login waits for; the page comes when it is over.
    Accepted(oneshot::Receiver<Page>),
    /// It came before.
    Used,
    /// It is not of this login.
    NotOurs,
    /// It is of this login and makes no sense; why.
    Malformed(&'static str),
    /// No login waits.
    NoLogin,
}

/// What a login has waited for, and where to say how it went.
#[derive(Debug)]
pub(in crate::session) struct LoginCallback {
    pub(in crate::session) response: AuthorizationResponse,
    pub(in crate::session) page: oneshot::Sender<Page>,
}

/// What Zendesk sends the browser back with.
#[derive(Debug)]
pub(in crate::session) enum AuthorizationResponse {
    Code(SecretString),
    /// The person has not allowed it.
    Denied,
    /// In words that whoever opened the address may have written.
    Error {
        error: Sent,
        description: Option<Sent>,
    },
}

impl PendingCallback {
    /// Opens the desk for a login and returns what will arrive. A login that it was open for gets
    /// nothing any more.
    pub(in crate::session) fn open(
        &self,
        path: &str,
        state: SecretString,
        entrance: Option<OneTimeLink>,
    ) -> oneshot::Receiver<LoginCallback> {
        let (waiting, arrival) = oneshot::channel();
        let mut desk = self.lock();
        if !matches!(*desk, State::Closed) {
            *desk = State::Open(Open {
                path: path.to_owned(),
                state,
                waiting: Some(waiting),
                entrance,
            });
        }
        arrival
    }

    /// Sends away the login that waits, and every later one.
    pub(in crate::session) fn close(&self) {
        *self.lock() = State::Closed;
    }

    /// Whether it is closed for good.
    pub(in crate::session) fn is_closed(&self) -> bool {
        matches!(*self.lock(), State::Closed)
    }

    /// Takes the entrance, if this path is its.
    pub(in crate::session) fn enter(&self, path: &str) -> Option<Entered> {
        let mut desk = self.lock();
        let State::Open(open) = &mut *desk else {
            return None;
        };
        let entrance = open.entrance.as_mut()?;
        let expected = entrance.path.expose_secret().as_bytes();
        if !bool::from(path.as_bytes().ct_eq(expected)) {
            return None;
        }
        Some(entrance.url.take().map_or(Entered::Again, Entered::First))
    }

    /// Hands in an address as a person pastes it: whole, or from its path on.
    pub(in crate::session) fn paste(&self, address: &str) -> CallbackResult {
        let address = address.trim();
        let target = match address.split_once("://") {
            // Behind the authority comes the path.
            Some((_, rest)) => rest.find('/').map_or("", |slash| &rest[slash..]),
            None => address,
        };
        let target = target.split('#').next().unwrap_or_default();
        match target.split_once('?') {
            Some((path, query)) => self.offer(path, query),
            None => CallbackResult::Malformed("it has no `?` with a code behind it"),
        }
    }

    /// Hands in an address in parts.
    pub(in crate::session) fn offer(&self, path: &str, query: &str) -> CallbackResult {
        let mut desk = self.lock();
        let State::Open(open) = &mut *desk else {
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
            let slot = match name.as_ref() {
                "state" => &mut parameters.state,
                "code" => &mut parameters.code,
                "error" => &mut parameters.error,
                "error_description" => &mut parameters.description,
                _ => continue,
            };
            // RFC 6749 section 3.1: parameters must not be included more than once.
            if slot.replace(value.into_owned()).is_some() {
                return Err("it says something twice");
            }
        }
        Ok(parameters)
    }
}

/// Bytes that nobody guesses while a login waits.
const NONCE: usize = 16;
