//! Connections to Zendesk: TLS, HTTP/2 or HTTP/1.1 by ALPN, and the pool that keeps them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use tower_service::Service;

use super::resolve::Resolver;
use crate::body::{Body, Error};

/// Pooled connections of one account.
pub(super) type Client = legacy::Client<Connector, Body>;
/// Opens one connection. An egress proxy will stand between the two.
pub(super) type Connector = Deadline<HttpsConnector<HttpConnector<Resolver>>>;

/// A pool of connections to servers that `verifier` believes.
///
/// # Errors
/// Where rustls knows no protocol version; the choice is compiled in.
pub(super) fn client(
    verifier: Arc<dyn ServerCertVerifier>,
    resolver: Resolver,
) -> Result<Client, rustls::Error> {
    Ok(pool().build(Deadline(connector(tls(verifier)?, resolver))))
}

/// How requests are written, and how long connections are kept.
pub(super) fn pool() -> legacy::Builder {
    let mut pool = legacy::Client::builder(TokioExecutor::new());
    pool.timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .http1_preserve_header_case(true)
        .http1_title_case_headers(false)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .http2_keep_alive_while_idle(true);
    pool
}

/// Gives up on a connection that isn't there, TLS included, after [`CONNECT_MAX`].
#[derive(Clone, Debug)]
pub(super) struct Deadline<C>(C);

impl<C> Service<Uri> for Deadline<C>
where
    C: Service<Uri>,
    C::Error: Into<Error>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.0.call(target);
        Box::pin(async move {
            match tokio::time::timeout(CONNECT_MAX, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(TooSlow.into()),
            }
        })
    }
}

/// There was no connection after [`CONNECT_MAX`].
#[derive(Debug, thiserror::Error)]
#[error("no connection after {} s", CONNECT_MAX.as_secs())]
pub(super) struct TooSlow;

/// The longest wait for a connection: three SYNs (at 0, 1 and 3 s) and a handshake over a bad
/// mobile link fit, and a script's own time-out is rarely shorter.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(10);

fn tls(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, rustls::Error> {
    Ok(
        ClientConfig::builder_with_provider(super::roots::provider())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth(),
    )
}

fn connector(tls: ClientConfig, resolver: Resolver) -> HttpsConnector<HttpConnector<Resolver>> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_MAX));
    tcp.set_happy_eyeballs_timeout(Some(HAPPY_EYEBALLS));
    HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_all_versions()
        .wrap_connector(tcp)
}

/// RFC 8305 section 5 recommends 250 ms before the other address family is tried.
const HAPPY_EYEBALLS: Duration = Duration::from_millis(250);

/// Longer than the pauses in a person's or a cron job's work, shorter than the idle time-outs of
/// the servers and NATs on the way (Cloudflare: 400 s; home routers: from 120 s).
const POOL_IDLE: Duration = Duration::from_secs(90);

/// What Zendesk may send of one answer before the script has read any: 25 MB/s at 40 ms.
///
/// Fixed, and not hyper's adaptive window, which is one size for a stream and for the connection:
/// a single script that reads nothing would use up the connection's, and stop all others.
const STREAM_WINDOW: u32 = 1 << 20;

/// Room for as many scripts that read nothing as the listener has connections for. h2 also takes
/// an answer in many small frames for a flood, by a measure that grows with this.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 512;

/// With the time-out below: a connection that died while the machine slept or changed networks is
/// gone from the pool within 25 s. Idle connections are asked too, for at most [`POOL_IDLE`].
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// Longer than any round trip on a link that can still be used.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
