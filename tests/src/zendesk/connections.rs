//! The open connections, so that a test can end them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::record::Host;
use super::shared::lock;

/// A connection that a test serves itself.
pub type Taken = TlsStream<TcpStream>;

/// All open connections.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Inner>);

impl Connections {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            next: AtomicUsize::new(0),
            open: Mutex::new(Vec::new()),
            count: watch::Sender::new(0),
            takers: Mutex::default(),
        }))
    }

    /// The next connection to the account's host, after its handshake, instead of serving it.
    pub(super) fn take_next(&self) -> oneshot::Receiver<Taken> {
        let (taker, taken) = oneshot::channel();
        lock(&self.0.takers).push_back(taker);
        taken
    }

    /// Passes a connection to a test that wants to serve it; returns it if there is none.
    pub(super) fn hand_over(&self, host: Host, mut stream: Taken) -> Option<Taken> {
        if host != Host::Account {
            return Some(stream);
        }
        // A test may have given up waiting.
        while let Some(taker) = self.next_taker() {
            match taker.send(stream) {
                Ok(()) => return None,
                Err(back) => stream = back,
            }
        }
        Some(stream)
    }

    fn next_taker(&self) -> Option<oneshot::Sender<Taken>> {
        lock(&self.0.takers).pop_front()
    }

    /// Registers a connection until the returned guard is dropped.
    pub(super) fn add(&self, host: Host, stream: &TcpStream, peer: SocketAddr) -> Open {
        let connection = Connection(Arc::new(One {
            id: self.0.next.fetch_add(1, Ordering::SeqCst),
            host,
            peer,
            socket: Mutex::new(stream.as_fd().try_clone_to_owned().ok()),
            reset: CancellationToken::new(),
            drain: CancellationToken::new(),
        }));
        self.change(|open| open.push(connection.clone()));
        Open {
            connection,
            all: self.clone(),
        }
    }

    pub(super) fn count(&self) -> usize {
        *self.0.count.borrow()
    }

    /// How many connections have been made so far.
    pub(super) fn made(&self) -> usize {
        self.0.next.load(Ordering::SeqCst)
    }

    /// Returns once no connection is open.
    pub(super) async fn none_open(&self) {
        let mut count = self.0.count.subscribe();
        drop(count.wait_for(|count| *count == 0).await);
    }

    pub(super) fn reset_all(&self) {
        for connection in lock(&self.0.open).iter() {
            connection.reset();
        }
    }

    pub(super) fn drain_all(&self) {
        for connection in lock(&self.0.open).iter() {
            connection.0.drain.cancel();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Connection>)) {
        let mut open = lock(&self.0.open);
        change(&mut open);
        self.0.count.send_replace(open.len());
    }
}

/// One connection. Clones refer to the same one.
#[derive(Clone, Debug)]
pub(super) struct Connection(Arc<One>);

impl Connection {
    pub(super) fn id(&self) -> usize {
        self.0.id
    }

    pub(super) fn host(&self) -> Host {
        self.0.host
    }

    /// Ends it with a TCP reset, like a lost network or a dying server, rather than an orderly
    /// close, in which TLS and HTTP/2 would exchange closing messages.
    pub(super) fn reset(&self) {
        if let Some(socket) = lock(&self.0.socket).take() {
            let reset = rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
            debug_assert!(reset.is_ok(), "no reset for {}", self.0.peer);
        }
        self.0.reset.cancel();
    }

    pub(super) fn is_reset(&self) -> bool {
        self.0.reset.is_cancelled()
    }

    pub(super) async fn was_reset(&self) {
        self.0.reset.cancelled().await;
    }

    pub(super) async fn is_to_drain(&self) {
        self.0.drain.cancelled().await;
    }
}

/// Keeps a connection registered.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) connection: Connection,
    all: Connections,
}

impl Drop for Open {
    fn drop(&mut self) {
        // The socket's duplicate must be dropped as well, or the connection remains open.
        drop(lock(&self.connection.0.socket).take());
        let id = self.connection.id();
        self.all.change(|open| open.retain(|open| open.id() != id));
    }
}

#[derive(Debug)]
struct Inner {
    next: AtomicUsize,
    open: Mutex<Vec<Connection>>,
    count: watch::Sender<usize>,
    /// The tests that wait for a connection to serve.
    takers: Mutex<VecDeque<oneshot::Sender<Taken>>>,
}

#[derive(Debug)]
struct One {
    id: usize,
    host: Host,
    peer: SocketAddr,
    /// A second handle of the socket: the first is inside TLS.
    socket: Mutex<Option<OwnedFd>>,
    reset: CancellationToken,
    drain: CancellationToken,
}
