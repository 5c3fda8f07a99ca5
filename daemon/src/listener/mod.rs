//! Stage 1: bytes arrive.
//!
//! HTTP/1.0 and 1.1 on loopback TCP and on a unix socket. Who is at the other end is looked up once
//! per connection, right after it was accepted, while the system still knows.

mod arrival;
pub mod bind;
mod conn;
mod exchange;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod holder;
mod linger;
mod patience;
mod request_line;
mod shares;
mod slots;
mod stepwise;
mod strangers;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::peer::Peers;
use crate::admission::{ConnFacts, Local};
use crate::body::Body;
use crate::config::AccountName;
use crate::refusal::Refusal;
use slots::Slots;
use strangers::Strangers;

/// Whoever answers requests.
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
pub struct Server<H> {
    handler: Arc<H>,
    peers: Arc<Peers>,
    slots: Slots,
    strangers: Strangers,
    tracker: TaskTracker,
}

impl<H> Clone for Server<H> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            peers: Arc::clone(&self.peers),
            slots: self.slots.clone(),
            strangers: self.strangers.clone(),
            tracker: self.tracker.clone(),
        }
    }
}

impl<H: Handler> Server<H> {
    /// A server whose connections are kept by `tracker`. Clones share one cap on connections.
    pub fn new(handler: Arc<H>, peers: Peers, tracker: TaskTracker) -> Self {
        Self {
            handler,
            peers: Arc::new(peers),
            slots: Slots::new(CONNECTIONS),
            strangers: Strangers::new(),
            tracker,
        }
    }

    /// Whether any request is in flight.
    pub fn is_busy(&self) -> bool {
        self.slots.is_busy()
    }

    /// Accepts connections from `listener` until `stop` only to say why nobody is served there.
    pub async fn turn_away(self, listener: TcpListener, why: Refusal, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    self.strangers.turn_away(stream, why.clone(), &self.tracker);
                }
                Err(_) => tokio::time::sleep(ACCEPT_BACKOFF).await,
            }
        }
    }

    /// Serves `listener` until `stop`, then lets its connections end in good order.
    pub async fn serve_tcp(
        self,
        listener: TcpListener,
        account: Option<AccountName>,
        stop: CancellationToken,
    ) {
        self.accept(stop, &mut || listener.accept(), |(stream, remote)| {
            let facts = self.facts_of_tcp(&stream, remote, account.clone())?;
            Ok((stream, facts))
        })
        .await;
    }

    /// As [`Server::serve_tcp`], for a unix socket.
    pub async fn serve_unix(self, listener: UnixListener, stop: CancellationToken) {
        self.accept(stop, &mut || listener.accept(), |(stream, _)| {
            let facts = self.facts_of_unix(&stream);
            Ok((stream, facts))
        })
        .await;
    }

    fn facts_of_tcp(
        &self,
        stream: &TcpStream,
        remote: SocketAddr,
        account: Option<AccountName>,
    ) -> io::Result<ConnFacts> {
        let addr = stream.local_addr()?;
        // Answers are written whole; waiting for more would only add delay.
        stream.set_nodelay(true)?;
        let (peer, trace) = self.peers.of_tcp_traced(addr, remote);
        Ok(ConnFacts::new(Local::Tcp { addr, account }, peer, trace))
    }

    fn facts_of_unix(&self, stream: &UnixStream) -> ConnFacts {
        let trace = self.peers.trace_of_unix(stream);
        ConnFacts::new(Local::Unix, self.peers.of_unix(stream), trace)
    }

    async fn accept<A, S, F>(
        &self,
        stop: CancellationToken,
        next: &mut impl FnMut() -> F,
        prepare: impl Fn(A) -> io::Result<(S, ConnFacts)>,
    ) where
        F: Future<Output = io::Result<A>>,
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = next() => accepted,
            };
            match accepted.and_then(&prepare) {
                Ok((stream, facts)) => {
                    if let Some(why) = facts.peer.refusal() {
                        self.strangers.turn_away(stream, why, &self.tracker);
                        continue;
                    }
                    let slot = tokio::select! {
                        () = stop.cancelled() => return,
                        slot = self.slots.take() => slot,
                    };
                    let (handler, stop) = (Arc::clone(&self.handler), stop.clone());
                    let strangers = self.strangers.clone();
                    self.tracker
                        .spawn(conn::serve(stream, facts, handler, stop, slot, strangers));
                }
                Err(error) if is_of_one_connection(&error) => {
                    tracing::debug!(%error, "a connection was gone before it was accepted");
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }
}

/// Errors of accept(2) that say something about that connection and nothing about the next.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, NotConnected};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | NotConnected
    )
}

/// After EMFILE and the like: long enough not to spin, short enough not to be felt.
pub const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Far more than a person's scripts open, and far under the usual limit of descriptors.
const CONNECTIONS: usize = 512;
