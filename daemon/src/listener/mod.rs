//! Stage 1: accept connections and read requests.
//!
//! HTTP/1.0 and 1.1 on loopback TCP and on a unix socket. The peer is looked up once per
//! connection, right after it was accepted, while the system still knows it. If the peer has
//! already left, nothing is read.

mod accept_backoff;
pub mod bind;
mod body_progress;
mod conn;
mod connection_limit;
mod departed;
mod exchange;
mod framing_probe;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod holder;
mod lingering_close;
mod reject;
mod request_line;
mod shares;
mod streams;
mod timeouts;

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use http::{Request, Response};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::Body;
use crate::error_response::ErrorResponse;
use crate::facts::{ConnFacts, Local};
use crate::failpoint;
use crate::peer::{self, Gone, Peers, SeenPeer};
use crate::supervise::descriptors::Room;
use crate::telemetry::Whom;
pub(crate) use accept_backoff::AcceptBackoff;
use connection_limit::ConnectionLimit;
use departed::Departed;
use reject::Rejector;
pub(crate) use streams::{HEADER_TIMEOUT, StreamServer};

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn handle(
        &self,
        connection: &ConnFacts,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// Accepts connections and serves each in a task of its own.
#[derive(Debug)]
pub struct HttpServer<H> {
    handler: Arc<H>,
    peers: Arc<Peers>,
    limit: ConnectionLimit,
    rejector: Rejector,
    departed: Departed,
    tracker: TaskTracker,
}

impl<H> Clone for HttpServer<H> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            peers: Arc::clone(&self.peers),
            limit: self.limit.clone(),
            rejector: self.rejector.clone(),
            departed: self.departed.clone(),
            tracker: self.tracker.clone(),
        }
    }
}

impl<H: Handler> HttpServer<H> {
    /// A server whose connections run on `tracker`. Clones share one limit on connections, which
    /// comes from `room`.
    pub fn new(handler: Arc<H>, peers: Peers, tracker: TaskTracker, room: Room) -> Self {
        Self {
            handler,
            peers: Arc::new(peers),
            limit: ConnectionLimit::new(room.connections),
            rejector: Rejector::new(room.rejections),
            departed: Departed::default(),
            tracker,
        }
    }

    /// Whether any request is in flight.
    pub fn is_busy(&self) -> bool {
        self.limit.is_busy()
    }

    /// Accepts connections from `listener` until `stop`, only to say why this port isn't served.
    pub async fn reject(self, listener: TcpListener, why: ErrorResponse, stop: CancellationToken) {
        let mut backoff = AcceptBackoff::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let why = why.clone();
                    self.rejector
                        .reject(stream, Whom::Unknown, why, &self.tracker);
                }
                Err(error) => backoff.met(&error, SCRIPTS).await,
            }
        }
    }

    /// Serves `listener` until `stop`, then lets its connections finish.
    pub async fn serve_tcp(self, listener: TcpListener, stop: CancellationToken) {
        self.accept(stop, &mut || listener.accept(), |(stream, remote)| {
            // These calls fail only on a connection that is already closed.
            let addr = stream.local_addr().map_err(|_| Gone)?;
            // Answers are written in one piece; waiting for more would only add delay.
            stream.set_nodelay(true).map_err(|_| Gone)?;
            let seen = self.peers.of_tcp(&stream, addr, remote)?;
            Ok((stream, Local::Tcp { addr }, seen))
        })
        .await;
    }

    /// Like [`HttpServer::serve_tcp`], for a unix socket.
    pub async fn serve_unix(self, listener: UnixListener, stop: CancellationToken) {
        self.accept(stop, &mut || listener.accept(), |(stream, _)| {
            let seen = self.peers.of_unix(&stream)?;
            Ok((stream, Local::Unix, seen))
        })
        .await;
    }

    async fn accept<A, S, F>(
        &self,
        stop: CancellationToken,
        next: &mut impl FnMut() -> F,
        look: impl Fn(A) -> Result<(S, Local, SeenPeer), Gone>,
    ) where
        F: Future<Output = io::Result<A>>,
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + AsFd + Unpin + Send + Sync + 'static,
    {
        let mut backoff = AcceptBackoff::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                accepted = next() => accepted,
            };
            failpoint::reach(failpoint::ACCEPTED);
            match accepted.map(&look) {
                Ok(Err(Gone)) => self.departed.note(),
                Ok(Ok((stream, local, seen))) => {
                    if let Some(why) = seen.peer.refusal() {
                        let whom = seen.peer.whom();
                        self.rejector.reject(stream, whom, why, &self.tracker);
                        continue;
                    }
                    let permit = tokio::select! {
                        () = stop.cancelled() => return,
                        permit = self.limit.take() => permit,
                    };
                    let facts = ConnFacts::new(local, seen.peer, seen.trace);
                    let (handler, stop) = (Arc::clone(&self.handler), stop.clone());
                    let departed = self.departed.clone();
                    let rejector = self.rejector.clone();
                    self.tracker.spawn(async move {
                        if !seen.is_held && peer::confirm(&stream).await == Err(Gone) {
                            departed.note();
                            return;
                        }
                        conn::serve(stream, facts, handler, stop, permit, rejector, conn::LIMITS)
                            .await;
                    });
                }
                Err(error) if is_of_one_connection(&error) => {
                    self.departed.note();
                    tracing::debug!(%error, "a connection closed before it was accepted");
                }
                Err(error) => backoff.met(&error, SCRIPTS).await,
            }
        }
    }
}

/// Errors of accept(2) that concern only that connection, not the next one.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, NotConnected};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | NotConnected
    )
}

/// Whose connections these are, for the log.
const SCRIPTS: &str = "scripts";
