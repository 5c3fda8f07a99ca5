//! Stage 5: talks to Zendesk.
//!
//! `request` strips a head and injects the token last, `replay` lets a body be sent twice,
//! `connect` has the connections, `egress` the proxies that they go through, `failure` says what a
//! lost one allows, `reach` remembers it for `status`.

mod connect;
pub mod egress;
mod failure;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod outgoing;
mod reach;
mod replay;
mod request;
mod resolve;
mod roots;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::body::Body;
use crate::conditions::Conditions;
use crate::config::{Account, Origin};
use crate::failpoint;

pub use failure::Failure;
pub use outgoing::{Credential, Outgoing};
pub use replay::Budget;
pub(crate) use replay::{REQUEST_MAX, Share};
pub use roots::ConfigError;

use egress::Egress;
use reach::Reach;
use resolve::Resolver;
use roots::Extra;

/// One account's way to Zendesk: pooled connections over TLS.
#[derive(Clone, Debug)]
pub struct Upstream(Arc<Way>);

impl Upstream {
    /// A way to the account's origins, out of this network as `egress` says. Opens nothing yet. What
    /// keeps requests from them is one of `conditions` until one succeeds.
    ///
    /// # Errors
    /// Where the account's certificate file can't be used.
    pub fn new(
        account: &Account,
        egress: Egress,
        conditions: &Conditions,
    ) -> Result<Self, ConfigError> {
        let extra = account
            .extra_ca_file
            .as_deref()
            .map(|file| Extra::new(file, conditions.slot_of(&account.name)).map(Arc::new))
            .transpose()?;
        Ok(Self(Arc::new(Way {
            extra,
            resolver: Resolver::new(account),
            reach: Reach::new(account, conditions),
            egress,
            clients: OnceCell::new(),
        })))
    }

    /// Whether the last request to the API was answered, or there has been none.
    pub fn is_open(&self) -> bool {
        self.0.reach.is_open()
    }

    /// Sends a script's request, and sends it once more where it can't have acted, or could do no
    /// harm by acting twice. `authorization` is injected unless the request carries a credential
    /// of its own.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn send(
        &self,
        outgoing: &mut Outgoing,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response<Body>, Failure> {
        let gone = self.send_untold(outgoing, authorization).await;
        let is_meant = |origin: &Origin| origin == outgoing.origin();
        self.0.reach.note(is_meant, &gone);
        gone
    }

    async fn send_untold(
        &self,
        outgoing: &mut Outgoing,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response<Body>, Failure> {
        let client = self.0.clients().await?.of(outgoing.is_limited());
        match exchange(client, outgoing, authorization).await {
            Err(failure)
                if failure.allows_another(outgoing.method()) && outgoing.can_send_again() =>
            {
                tracing::debug!(%failure, method = %outgoing.method(), "sending once more");
                exchange(client, outgoing, authorization).await
            }
            verdict => verdict,
        }
    }

    /// One small request of the daemon's own, to an absolute `https` URI. Follows no redirect,
    /// tries only once, and takes at most [`ANSWER_MAX`] bytes.
    ///
    /// # Errors
    /// Where no whole answer came within `deadline`.
    pub async fn call(
        &self,
        request: Request<Bytes>,
        deadline: Duration,
    ) -> Result<Response<Bytes>, Failure> {
        let is_token = request.uri().path() == "/oauth/tokens";
        let asked = request.uri().authority().map(ToString::to_string);
        let exchange = async {
            let client = self.0.clients().await?.of(false);
            let response = client
                .request(request.map(Body::full))
                .await
                .map_err(Failure::of_exchange)?;
            if is_token {
                failpoint::reach(failpoint::HEAD_READ);
            }
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await;
            let body = body.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Failure::TooLarge(ANSWER_MAX)
                } else {
                    Failure::Lost(error)
                }
            })?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        let timed_out = |_| Failure::TimedOut {
            what: "an answer",
            after: deadline,
            sent: true,
        };
        let gone = tokio::time::timeout(deadline, exchange)
            .await
            .map_err(timed_out)
            .flatten();
        let is_meant = |origin: &Origin| Some(origin.authority()) == asked;
        self.0.reach.note(is_meant, &gone);
        gone
    }
}

/// The longest answer to a request of our own. A user's record with its custom fields is the
/// longest that we ask for.
pub const ANSWER_MAX: usize = 64 << 10;

#[derive(Debug)]
struct Way {
    extra: Option<Arc<Extra>>,
    resolver: Resolver,
    reach: Reach,
    egress: Egress,
    /// Made at first use: the system's certificates cost a start more than all the rest.
    clients: OnceCell<connect::Clients>,
}

impl Way {
    async fn clients(&self) -> Result<&connect::Clients, Failure> {
        let make = || async {
            let (extra, resolver) = (self.extra.clone(), self.resolver.clone());
            let egress = self.egress.clone();
            tokio::task::spawn_blocking(|| {
                roots::verifier(extra)
                    .and_then(|verifier| connect::clients(verifier, resolver, egress))
            })
            .await
            .unwrap_or_else(|e| Err(rustls::Error::General(e.to_string())))
            .map_err(Failure::Roots)
        };
        self.clients.get_or_try_init(make).await
    }
}

/// One request, one response head.
async fn exchange(
    client: &connect::Client,
    outgoing: &Outgoing,
    authorization: Option<&HeaderValue>,
) -> Result<Response<Body>, Failure> {
    let request = outgoing.attempt(authorization).ok_or(Failure::Target)?;
    let sent = Instant::now();
    let mut response = std::pin::pin!(client.request(request));
    let verdict = loop {
        // A long upload is no slow answer: the clock starts anew with each piece of the body, and
        // stands still while the script has none.
        let touched = outgoing.body().map_or(sent, |body| body.touched());
        match tokio::time::timeout_at(touched + HEAD_MAX, &mut response).await {
            Ok(verdict) => break verdict,
            Err(_) if outgoing.body().is_some_and(|body| body.touched() > touched) => {}
            Err(_) => {
                return Err(Failure::TimedOut {
                    what: "an answer",
                    after: HEAD_MAX,
                    sent: true,
                });
            }
        }
    };
    match verdict {
        Ok(response) => Ok(response.map(Body::from)),
        Err(error) => Err(match outgoing.body().and_then(|body| body.failed()) {
            Some(refusal) => Failure::Script(refusal),
            None => Failure::of_exchange(error),
        }),
    }
}

/// How long an answer's head may take after the last byte of the request. Cloudflare, in front of
/// Zendesk, gives up after 100 s and says so with a 524, which the script should rather see.
const HEAD_MAX: Duration = Duration::from_secs(180);
