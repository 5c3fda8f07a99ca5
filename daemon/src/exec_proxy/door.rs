//! Where the command's programs connect: a proxy for them alone.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{CONTENT_TYPE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use loopdesk_protocol::SecretText;
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use super::hop::Hop;
use super::inspect::Inspector;
use super::target::{HTTPS, Target, Targets};
use super::{forward, tunnel};
use crate::body::Body;
use crate::config::Origin;
use crate::facts::{ConnFacts, Local};
use crate::keys::Trace;
use crate::listener::{AcceptBackoff, HEADER_TIMEOUT, Handler};
use crate::peer::{self, Gone, Peer, Peers};
use crate::telemetry;
use crate::upstream::{WayOut, WayOutError};

/// Serves the command's programs.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) targets: Targets,
    pub(super) inspector: Inspector,
    pub(super) way_out: WayOut,
    /// The value of `Proxy-Authorization`, without its scheme.
    pub(super) login: SecretText,
    pub(super) peers: Peers,
    /// How many connections there may be.
    pub(super) places: usize,
}

/// The `Proxy-Authorization` of `USER` with this password.
pub(super) fn login(password: &str) -> SecretText {
    SecretText::new(BASE64_STANDARD.encode(format!("{USER}:{password}")))
}

/// The user in the proxy's URL.
pub(super) const USER: &str = "loopdesk";

impl Door {
    /// Accepts connections until `stop`.
    pub(super) async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(self.places));
        let door = Arc::new(self);
        let mut backoff = AcceptBackoff::default();
        loop {
            let accept = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = stop.cancelled() => return,
                accepted = accept => accepted,
            };
            match accepted {
                Ok((stream, remote)) => {
                    let connection = Arc::clone(&door).connection(stream, remote, stop.clone());
                    tokio::spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) => backoff.met(&error, "the command").await,
            }
        }
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        remote: SocketAddr,
        stop: CancellationToken,
    ) {
        match self.is_own(&stream, remote).await {
            Ok(true) => {}
            // Nothing is said to others: they have no business here.
            Ok(false) | Err(Gone) => return,
        }
        let ended = stop.child_token();
        let session = Arc::new(ProxySession {
            door: self,
            stop,
            ended: ended.clone(),
            hop: Mutex::new(None),
        });
        let service = service_fn(|request: Request<Incoming>| {
            let session = Arc::clone(&session);
            async move { Ok::<_, Infallible>(session.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .half_close(true)
            .preserve_header_case(true)
            .max_headers(HEADER_LINES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let done = tokio::select! {
            done = connection.as_mut() => done,
            () = ended.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = done {
            tracing::debug!(%error, "a connection of the command broke");
        }
    }

    /// Judges a peer as the daemon does, but refuses unknown peers too, since no key can vouch for them
    /// here.
    async fn is_own(&self, stream: &TcpStream, remote: SocketAddr) -> Result<bool, Gone> {
        let addr = stream.local_addr().map_err(|_| Gone)?;
        stream.set_nodelay(true).map_err(|_| Gone)?;
        let seen = self.peers.of_tcp(stream, addr, remote)?;
        if seen.peer != Peer::Own {
            telemetry::refused(seen.peer.whom(), "exec-proxy");
            return Ok(false);
        }
        if !seen.is_held {
            peer::confirm(stream).await?;
        }
        Ok(true)
    }

    fn knows(&self, request: &Request<Incoming>) -> bool {
        let given = request.headers().get(PROXY_AUTHORIZATION);
        let given = given.and_then(|given| {
            let (scheme, login) = given.as_bytes().split_at_checked(BASIC.len())?;
            scheme
                .eq_ignore_ascii_case(BASIC)
                .then_some(login.trim_ascii())
        });
        given.is_some_and(|given| given.ct_eq(self.login.expose().as_bytes()).into())
    }
}

/// One connection of a program.
struct ProxySession {
    door: Arc<Door>,
    /// Cancelled when the command has ended.
    stop: CancellationToken,
    /// Cancelled when this connection has to end.
    ended: CancellationToken,
    /// For requests that name a whole URL of the account.
    hop: Mutex<Option<(Origin, Arc<Hop>)>>,
}

impl ProxySession {
    async fn answer(self: Arc<Self>, mut request: Request<Incoming>) -> Response<Body> {
        if !self.door.knows(&request) {
            let mut response = said(StatusCode::PROXY_AUTHENTICATION_REQUIRED, WANTS_LOGIN);
            let basic = HeaderValue::from_static(r#"Basic realm="loopdesk exec""#);
            response.headers_mut().insert(PROXY_AUTHENTICATE, basic);
            return response;
        }
        request.headers_mut().remove(PROXY_AUTHORIZATION);
        let Some(authority) = request.uri().authority().cloned() else {
            return said(StatusCode::BAD_REQUEST, NO_PROXY);
        };
        if request.method() == Method::CONNECT {
            return match self.door.targets.of(&authority, HTTPS) {
                Some(Target::Account(origin)) => self.inspect(request, origin),
                Some(Target::Other { host, port }) => self.tunnel(request, &host, port).await,
                None => said(StatusCode::BAD_REQUEST, NO_TARGET),
            };
        }
        let is_https = request.uri().scheme() == Some(&Scheme::HTTPS);
        let port = if is_https { HTTPS } else { HTTP };
        match self.door.targets.of(&authority, port) {
            Some(Target::Account(origin)) if is_https => self.pass(request, origin).await,
            // Without TLS, an origin of the account is like any other: Zendesk leads from there to https.
            Some(Target::Account(origin)) => {
                let port = origin.port().unwrap_or(HTTPS);
                self.forward(request, origin.host(), port).await
            }
            Some(Target::Other { host, port }) => self.forward(request, &host, port).await,
            None => said(StatusCode::BAD_REQUEST, NO_TARGET),
        }
    }

    /// Ends TLS here, once the answer has been sent.
    fn inspect(self: Arc<Self>, request: Request<Incoming>, origin: Origin) -> Response<Body> {
        tokio::spawn(async move {
            match hyper::upgrade::on(request).await {
                Ok(stream) => {
                    let (inspector, stop) = (&self.door.inspector, self.stop.clone());
                    inspector.serve(TokioIo::new(stream), origin, stop).await;
                }
                Err(error) => tracing::debug!(%error, "a program didn't use its tunnel"),
            }
        });
        Response::new(Body::empty())
    }

    async fn tunnel(&self, request: Request<Incoming>, host: &str, port: u16) -> Response<Body> {
        let other = match self.door.way_out.connect(host, port).await {
            Ok(other) => other,
            Err(error) => return not_reached(&error),
        };
        let stop = self.stop.clone();
        tokio::spawn(async move {
            let passed = async {
                let stream = hyper::upgrade::on(request).await;
                let stream = stream.map_err(std::io::Error::other)?;
                tunnel::pass(TokioIo::new(stream), other).await
            };
            tokio::select! {
                passed = passed => if let Err(error) = passed {
                    tracing::debug!(%error, "a tunnel broke");
                },
                () = stop.cancelled() => {}
            }
        });
        Response::new(Body::empty())
    }

    async fn forward(&self, request: Request<Incoming>, host: &str, port: u16) -> Response<Body> {
        let request = request.map(Body::from);
        let sent = forward::send(&self.door.way_out, request, host, port).await;
        sent.unwrap_or_else(|error| not_reached(&error))
    }

    /// As older axios asks for an `https` URL.
    async fn pass(&self, request: Request<Incoming>, origin: Origin) -> Response<Body> {
        let hop = {
            let mut known = self.hop.lock().await;
            match &*known {
                Some((of, hop)) if *of == origin => Arc::clone(hop),
                _ => {
                    let hop = self.door.inspector.hop(origin.clone(), self.ended.clone());
                    let hop = Arc::new(hop);
                    *known = Some((origin, Arc::clone(&hop)));
                    hop
                }
            }
        };
        let facts = ConnFacts::new(Local::Unix, Peer::Own, Trace::Nothing);
        hop.handle(&facts, request.map(Body::from)).await
    }
}

fn not_reached(error: &WayOutError) -> Response<Body> {
    tracing::info!(%error, "a program didn't get out");
    let status = match error {
        WayOutError::Refused(_) => StatusCode::FORBIDDEN,
        WayOutError::Proxy(_) | WayOutError::Unreachable(_) => StatusCode::BAD_GATEWAY,
    };
    said(status, &error.to_string())
}

fn said(status: StatusCode, why: &str) -> Response<Body> {
    let mut response = Response::new(Body::full(format!("loopdesk exec: {why}\n")));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

const BASIC: &[u8] = b"basic ";

const WANTS_LOGIN: &str = "the user and password in HTTPS_PROXY are needed";
const NO_PROXY: &str = "this is a proxy for one command, not a server";
const NO_TARGET: &str = "the request names no host that can be reached";

/// The port of `http` (RFC 9110 section 4.2.1).
const HTTP: u16 = 80;

/// As the daemon's own.
const HEADER_LINES: usize = 256;
