//! Connections to Zendesk: TLS, HTTP/2 or HTTP/1.1 by ALPN, and the pool that keeps them open.
//! `egress` decides whether they go through a proxy.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use tokio::time::Instant;
use tower_service::Service;

use super::connection::SILENCE_MAX;
use super::connections::{Connections, TrackingConnector};
use super::egress::{Dialer, Egress, ProxyError};
use super::limits::CONNECT_MAX;
use super::resolve::Resolver;
use crate::body::{Body, BodyError};
use crate::keys::KeyId;

/// Pooled connections of one account.
pub(super) type PooledClient = legacy::Client<Connector, Body>;
/// Opens one connection.
pub(super) type Connector = TimedConnector<HttpsConnector<Dialer>>;

/// The pools of one account.
///
/// A server takes about a hundred concurrent requests on one HTTP/2 connection, and a pool keeps
/// one such connection. Each limited key therefore has its own pool: its slow requests delay
/// neither the user's own scripts nor those of another key.
#[derive(Debug)]
pub(super) struct Clients {
    any: PooledClient,
    limited: Mutex<BTreeMap<KeyId, Limited>>,
    connector: Connector,
}

/// The pool of one limited key.
#[derive(Debug)]
struct Limited {
    client: PooledClient,
    used: Instant,
}

impl Clients {
    fn new(connector: Connector) -> Self {
        Self {
            any: pool().build(connector.clone()),
            limited: Mutex::default(),
            connector,
        }
    }

    /// The pool for requests with the limited key `key`, or for all other requests if there is no
    /// key.
    pub(super) fn of(&self, key: Option<KeyId>) -> PooledClient {
        let Some(key) = key else {
            return self.any.clone();
        };
        let mut pools = self.limited.lock().unwrap_or_else(PoisonError::into_inner);
        if pools.len() >= LIMITED_MAX && !pools.contains_key(&key) {
            let longest = pools.iter().min_by_key(|(_, pool)| pool.used);
            if let Some(key) = longest.map(|(key, _)| *key) {
                // Requests in flight hold on to the parts of the pool that they need.
                pools.remove(&key);
            }
        }
        let pool = pools.entry(key).or_insert_with(|| Limited {
            client: pool().build(self.connector.clone()),
            used: Instant::now(),
        });
        pool.used = Instant::now();
        pool.client.clone()
    }
}

/// How many limited keys keep their connections open between requests.
const LIMITED_MAX: usize = 32;

/// Pools of connections to servers that `verifier` trusts, routed as `egress` says. Each connection
/// is registered with `connections`.
///
/// # Errors
/// If rustls supports none of the requested protocol versions; they are compiled in.
pub(super) fn clients(
    verifier: Arc<dyn ServerCertVerifier>,
    resolver: Resolver,
    egress: Egress,
    connections: &Connections,
) -> Result<Clients, rustls::Error> {
    let tls = tls(verifier)?;
    let dialer = Dialer::new(
        egress.clone(),
        tcp(resolver, connections),
        tcp(GaiResolver::new(), connections),
        tls.clone(),
    );
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_all_versions()
        .wrap_connector(dialer);
    Ok(Clients::new(TimedConnector {
        connector: Arc::new(connector),
        egress,
    }))
}

/// How requests are written, and how long connections are kept open.
pub(super) fn pool() -> legacy::Builder {
    let mut pool = legacy::Client::builder(TokioExecutor::new());
    pool.timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .http1_preserve_header_case(true)
        .http1_title_case_headers(false)
        .http1_max_headers(HEADER_LINES)
        .http2_max_header_list_size(HEADER_LIST)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .http2_keep_alive_while_idle(true);
    pool
}

/// Gives up on a connection, TLS included, that isn't established after [`CONNECT_MAX`], and names
/// the proxy that a failed connection went through.
#[derive(Clone, Debug)]
pub(super) struct TimedConnector<C> {
    /// The pool clones its connector for each request.
    connector: Arc<C>,
    egress: Egress,
}

impl<C> Service<Uri> for TimedConnector<C>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Error: Into<BodyError> + Send,
    C::Future: Send + 'static,
    C::Response: Send,
{
    type Response = C::Response;
    type Error = BodyError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BodyError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let proxy = self.egress.proxy(&target).ok().flatten();
        let egress = self.egress.clone();
        let mut connector = C::clone(&self.connector);
        Box::pin(async move {
            let connecting = async {
                poll_fn(|cx| connector.poll_ready(cx)).await?;
                connector.call(target).await
            };
            let connected = tokio::time::timeout(CONNECT_MAX, connecting).await;
            let Some(proxy) = proxy else {
                return match connected {
                    Ok(connected) => connected.map_err(Into::into),
                    Err(_) => Err(ConnectTimeout.into()),
                };
            };
            let failed = match connected {
                Ok(Ok(connected)) => {
                    egress.note(None);
                    return Ok(connected);
                }
                Ok(Err(error)) => error.into(),
                Err(_) => ProxyError::too_slow(&proxy).into(),
            };
            match failed.downcast::<ProxyError>() {
                Ok(proxy_error) => {
                    egress.note(Some(&proxy_error));
                    Err(proxy_error)
                }
                Err(source) => Err(ViaProxyError {
                    proxy: proxy.to_string(),
                    source,
                }
                .into()),
            }
        })
    }
}

/// A connection that failed beyond a proxy, after the proxy had done its part.
#[derive(Debug, thiserror::Error)]
#[error("through the proxy at {proxy}")]
pub(super) struct ViaProxyError {
    /// `host:port`.
    pub(super) proxy: String,
    source: BodyError,
}

/// No connection was established within [`CONNECT_MAX`].
#[derive(Debug, thiserror::Error)]
#[error("no connection after {} s", CONNECT_MAX.as_secs())]
pub(super) struct ConnectTimeout;

pub(super) fn tls(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(super::roots::provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // A resumed session presents no certificate, so it would keep working after the certificate had
    // expired or its authority was no longer trusted. In TLS 1.3 resumption doesn't save a round
    // trip either.
    config.resumption = Resumption::disabled();
    Ok(config)
}

pub(super) fn tcp<R>(resolver: R, connections: &Connections) -> TrackingConnector<R> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_MAX));
    tcp.set_happy_eyeballs_timeout(Some(HAPPY_EYEBALLS));
    connections.knows(tcp)
}

/// RFC 8305 section 5 recommends 250 ms before trying the other address family.
const HAPPY_EYEBALLS: Duration = Duration::from_millis(250);

/// As many as a script may send. hyper's default of 100 is too low for answers with many cookies
/// and policies.
const HEADER_LINES: usize = 256;

/// Bytes of a head in HTTP/2, where each line counts 32 bytes extra (RFC 9113 section 6.5.2):
/// enough for the number of lines above in any answer we know of. hyper's default is 16 KiB.
const HEADER_LIST: u32 = 128 << 10;

/// Longer than the pauses in interactive work or between cron jobs, shorter than the idle time-outs
/// of the servers and NATs on the way (Cloudflare: 400 s; home routers: from 120 s).
const POOL_IDLE: Duration = Duration::from_secs(90);

/// How much of one answer Zendesk may send before the script has read any: 25 MB/s at 40 ms.
///
/// Fixed rather than hyper's adaptive window, which has one size for streams and for the
/// connection: a single script that stops reading would use up the connection's window and block
/// all others.
const STREAM_WINDOW: u32 = 1 << 20;

/// Enough that every connection of the listener can belong to a script that has stopped reading.
/// h2's limit for floods of small frames also grows with this.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 512;

/// Idle connections are pinged too, for at most [`POOL_IDLE`]: a connection that dies while idle
/// leaves the pool even if `connections` hasn't noticed, and routers on the way keep their state
/// for it.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// No shorter: a POST may be in flight, and without loopdesk the client would have waited for it.
const KEEP_ALIVE_TIMEOUT: Duration = SILENCE_MAX;
