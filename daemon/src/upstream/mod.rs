//! Stage 5: talks to Zendesk.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};

use crate::body::Body;
use crate::config::{Account, Origin};
use crate::refusal::Refusal;

/// One account's way to Zendesk: pooled connections over TLS.
#[derive(Clone, Debug)]
pub struct Upstream;

impl Upstream {
    /// A way to the account's origins.
    ///
    /// # Errors
    /// Where a certificate file can't be used.
    pub fn new(_account: &Account) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    /// Sends a script's request.
    ///
    /// # Errors
    /// Where no answer came.
    #[expect(clippy::unused_async, reason = "signature only")]
    pub async fn send(
        &self,
        _outgoing: &mut Outgoing,
        _authorization: Option<&HeaderValue>,
    ) -> Result<Response<Body>, Failure> {
        Err(Failure)
    }

    /// One small request of the daemon's own.
    ///
    /// # Errors
    /// Where no answer came.
    #[expect(clippy::unused_async, reason = "signature only")]
    pub async fn call(
        &self,
        _request: Request<Bytes>,
        _deadline: Duration,
    ) -> Result<Response<Bytes>, Failure> {
        Err(Failure)
    }
}

/// A script's request, ready to be sent once or more often.
#[derive(Debug)]
pub struct Outgoing {
    request: Request<Body>,
    origin: Origin,
}

impl Outgoing {
    /// A request on its way to `origin`.
    pub fn new(request: Request<Body>, origin: Origin, _credential: Credential) -> Self {
        Self { request, origin }
    }

    /// Where it goes.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its method.
    pub fn method(&self) -> &Method {
        self.request.method()
    }

    /// Whether it can be counted on, before it is sent, to be sendable a second time.
    pub fn is_replayable(&self) -> bool {
        false
    }

    /// Whether everything that was sent of it is still at hand.
    pub fn can_send_again(&self) -> bool {
        false
    }
}

/// Whose credential a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The account's session.
    Injected,
    /// The script's own: products with credentials of their own.
    Own,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub struct Failure;

impl Failure {
    /// Whether Zendesk may have acted on the request.
    pub fn may_have_acted(&self) -> bool {
        true
    }

    /// What the script is told.
    pub fn refusal(&self, origin: &Origin) -> Refusal {
        Refusal::Upstream {
            origin: origin.to_string(),
            why: self.to_string(),
        }
    }
}

/// Why an account has no way to Zendesk.
#[derive(Debug, thiserror::Error)]
#[error("no way")]
pub struct ConfigError;
