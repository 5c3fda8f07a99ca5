//! Stage 5: talks to Zendesk.
//!
//! `request` strips a head and injects the token last, `replay` lets a body be sent twice,
//! `connect` opens the connections, `egress` chooses their proxy, `connections` follows what the
//! network does to them; `exchange` waits for an answer, `failure` says what a lost one allows,
//! `tries` whether to do it, and `reach` remembers the outcome for `status`.

mod connect;
mod connection;
mod connections;
pub mod egress;
mod error;
mod error_chain;
mod exchange;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod limits;
mod looks;
mod outgoing;
mod reach;
mod replay;
mod request;
mod resolve;
mod roots;
mod silence;
#[cfg(test)]
mod tests;
mod tries;
mod way_out;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::body::Body;
use crate::conditions::Conditions;
use crate::config::{Account, Origin};
use crate::failpoint;
use crate::network::Network;

pub use error::UpstreamError;
pub use outgoing::{Credential, Outgoing};
pub use roots::ConfigError;
pub(crate) use roots::provider as crypto_provider;
pub use way_out::{WayOut, WayOutError};

use connections::Connections;
use egress::Egress;
use exchange::{PendingRequest, exchange};
use reach::Reach;
use resolve::Resolver;
use roots::ExtraRoots;
use tries::Tries;

/// One account's way to Zendesk: pooled connections over TLS.
#[derive(Clone, Debug)]
pub struct Upstream(Arc<UpstreamInner>);

impl Upstream {
    /// The connections to the account's origins, through `network` and as `egress` says. Opens
    /// nothing yet. If requests can't reach the origins, that is one of `conditions` until one
    /// succeeds.
    ///
    /// # Errors
    /// If the account's certificate file can't be used.
    pub fn new(
        account: &Account,
        egress: Egress,
        network: Network,
        conditions: &Conditions,
    ) -> Result<Self, ConfigError> {
        let extra = account
            .extra_ca_file
            .as_deref()
            .map(|file| ExtraRoots::new(file, conditions.slot_of(&account.name)).map(Arc::new))
            .transpose()?;
        Ok(Self(Arc::new(UpstreamInner {
            extra,
            resolver: Resolver::new(account),
            reach: Reach::new(account, conditions),
            egress,
            connections: Connections::new(network),
            pools: OnceCell::new(),
        })))
    }

    /// Whether the last request to the API was answered, or there hasn't been one.
    pub fn is_open(&self) -> bool {
        self.0.reach.is_open()
    }

    /// Sends a script's request, and sends it once more if it can't have acted or acting twice does
    /// no harm. `authorization` is injected unless the request carries a credential of its own.
    ///
    /// # Errors
    /// If no answer came.
    pub async fn send(
        &self,
        outgoing: &mut Outgoing,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response<Body>, UpstreamError> {
        let gone = self.send_untold(outgoing, authorization).await;
        let is_meant = |origin: &Origin| origin == outgoing.origin();
        self.0.reach.note(is_meant, &gone);
        gone
    }

    async fn send_untold(
        &self,
        outgoing: &mut Outgoing,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response<Body>, UpstreamError> {
        let way = &self.0;
        let client = way.clients().await?.of(outgoing.limited_key());
        let mut tries = Tries::new(way.connections.network());
        loop {
            let pending = PendingRequest {
                method: outgoing.method(),
                request: &|| outgoing.attempt(authorization),
                body: outgoing.body(),
            };
            let verdict = exchange(&client, &way.connections, &pending).await;
            let Err(failure) = &verdict else {
                return verdict;
            };
            let again = outgoing.can_send_again() && tries.allow(failure, outgoing.method()).await;
            if !again {
                return verdict;
            }
            tracing::debug!(%failure, method = %outgoing.method(), "sending once more");
        }
    }

    /// One small request of the daemon's own, to an absolute `https` URI. Follows no redirects,
    /// repeats nothing that may have acted, and takes at most [`ANSWER_MAX`] bytes.
    ///
    /// # Errors
    /// If no complete answer came within `deadline`.
    pub async fn call(
        &self,
        request: Request<Bytes>,
        deadline: Duration,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let is_token = request.uri().path() == "/oauth/tokens";
        let asked = request.uri().authority().cloned();
        let exchange = async {
            let response = self.answer(&request, is_token).await?;
            if is_token {
                failpoint::reach(failpoint::HEAD_READ);
            }
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await;
            let body = body.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    UpstreamError::TooLarge(ANSWER_MAX)
                } else {
                    UpstreamError::Lost(error)
                }
            })?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        let timed_out = |_| UpstreamError::TimedOut {
            what: "an answer",
            after: deadline,
            sent: true,
        };
        let gone = tokio::time::timeout(deadline, exchange)
            .await
            .map_err(timed_out)
            .flatten();
        let is_meant = |origin: &Origin| asked.as_ref() == Some(origin.authority());
        self.0.reach.note(is_meant, &gone);
        gone
    }

    /// The head of the answer to a request of our own.
    async fn answer(
        &self,
        request: &Request<Bytes>,
        is_token: bool,
    ) -> Result<Response<Body>, UpstreamError> {
        let way = &self.0;
        let client = way.clients().await?.of(None);
        if is_token && let Some(then) = Instant::now().checked_sub(FRESH) {
            // The request can't be repeated, and a lost answer may cost the session.
            way.connections.retire_unheard_since(then);
        }
        let mut tries = Tries::once(way.connections.network());
        let pending = PendingRequest {
            method: request.method(),
            request: &|| Some(request.clone().map(Body::full)),
            body: None,
        };
        loop {
            let verdict = exchange(&client, &way.connections, &pending).await;
            match &verdict {
                Err(failure) if tries.allow(failure, request.method()).await => {}
                Ok(_) | Err(_) => return verdict,
            }
        }
    }
}

/// A connection that received something within this time is alive; an older one is replaced before
/// a token request, which is rare and costs a handshake.
const FRESH: Duration = Duration::from_secs(5);

/// The longest answer to a request of our own: a user's record with its custom fields.
pub const ANSWER_MAX: usize = 64 << 10;

#[derive(Debug)]
struct UpstreamInner {
    extra: Option<Arc<ExtraRoots>>,
    resolver: Resolver,
    reach: Reach,
    egress: Egress,
    connections: Connections,
    /// Created at first use: loading the system's certificates takes longer than the rest of the
    /// start.
    pools: OnceCell<Pools>,
}

#[derive(Debug)]
struct Pools {
    clients: connect::Clients,
    /// Retires connections when the network changes.
    _following: AbortOnDropHandle<()>,
}

impl UpstreamInner {
    async fn clients(&self) -> Result<&connect::Clients, UpstreamError> {
        let make = || async {
            let (extra, resolver) = (self.extra.clone(), self.resolver.clone());
            let (egress, connections) = (self.egress.clone(), self.connections.clone());
            let clients = tokio::task::spawn_blocking(move || {
                roots::verifier(extra)
                    .and_then(|verifier| connect::clients(verifier, resolver, egress, &connections))
            })
            .await
            .unwrap_or_else(|e| Err(rustls::Error::General(e.to_string())))
            .map_err(UpstreamError::Roots)?;
            let following = tokio::spawn(self.connections.clone().follow());
            Ok(Pools {
                clients,
                _following: AbortOnDropHandle::new(following),
            })
        };
        let pools = self.pools.get_or_try_init(make).await?;
        Ok(&pools.clients)
    }
}
