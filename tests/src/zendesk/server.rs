//! Listening, TLS, and one connection from start to end.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connections::Connection;
use super::exchange::{Broken, exchange};
use super::record::Host;
use super::response_body::ResponseBody;
use super::shared::Shared;

/// The listener of one of the two hosts, which can be closed and reopened on the same port.
#[derive(Debug)]
pub(super) struct Listening {
    wish: watch::Sender<bool>,
    is_open: watch::Receiver<bool>,
}

impl Listening {
    /// Serves the connections of `listener`, until the simulation stops.
    pub(super) fn start(
        shared: &Arc<Shared>,
        host: Host,
        listener: TcpListener,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (wish, wished) = watch::channel(true);
        let (state, is_open) = watch::channel(true);
        let door = Door {
            shared: Arc::clone(shared),
            host,
            address,
            wished,
            state,
        };
        let stop = shared.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = door.attend(listener) => {}
            }
        });
        Ok(Self { wish, is_open })
    }

    /// Opens or closes it, and returns when that is done.
    pub(super) async fn set_open(&self, open: bool) {
        self.wish.send_replace(open);
        let mut is_open = self.is_open.clone();
        drop(is_open.wait_for(|now| *now == open).await);
    }
}

/// Binds a loopback port; 0 for a free one.
pub(super) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("can't listen on {address}: {error}"))
    })
}

struct Door {
    shared: Arc<Shared>,
    host: Host,
    address: SocketAddr,
    wished: watch::Receiver<bool>,
    state: watch::Sender<bool>,
}

impl Door {
    async fn attend(mut self, mut listener: TcpListener) {
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((stream, peer)) = accepted {
                        self.welcome(stream, peer);
                    }
                }
                changed = self.wished.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if *self.wished.borrow_and_update() {
                        continue;
                    }
                    drop(listener);
                    listener = match self.stay_closed().await {
                        Some(listener) => listener,
                        None => return,
                    };
                }
            }
        }
    }

    /// Reserves the port with a socket that is bound and doesn't listen, so that connections are
    /// refused and no other test gets the port.
    async fn stay_closed(&mut self) -> Option<TcpListener> {
        let socket = loop {
            let socket = TcpSocket::new_v4().ok()?;
            socket.set_reuseaddr(true).ok()?;
            if socket.bind(self.address).is_ok() {
                break socket;
            }
            tokio::time::sleep(REBIND_PAUSE).await;
        };
        self.state.send_replace(false);
        self.wished.wait_for(|open| *open).await.ok()?;
        let listener = socket.listen(BACKLOG).ok()?;
        self.state.send_replace(true);
        Some(listener)
    }

    fn welcome(&self, stream: TcpStream, peer: SocketAddr) {
        let shared = Arc::clone(&self.shared);
        let acceptor = shared.identity.acceptor();
        // Registered here and not in the task, so that a reset of all connections includes every
        // one accepted before it.
        let open = shared.connections.add(self.host, &stream, peer);
        tokio::spawn(async move {
            let connection = open.connection.clone();
            tokio::select! {
                () = connection.was_reset() => {}
                () = shared.stop.cancelled() => {}
                () = talk(&shared, &connection, stream, &acceptor) => {}
            }
            drop(open);
        });
    }
}

/// One connection, from the TLS handshake to its end.
async fn talk(
    shared: &Arc<Shared>,
    connection: &Connection,
    stream: TcpStream,
    acceptor: &TlsAcceptor,
) {
    // Responses in pieces would wait for each other's acknowledgement.
    drop(stream.set_nodelay(true));
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let Some(stream) = shared.connections.hand_over(connection.host(), stream) else {
        return;
    };
    // How a connection ends is the client's business, and the records show it.
    drop(if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        talk_http2(shared, connection, stream).await
    } else {
        talk_http1(shared, connection, stream).await
    });
}

async fn talk_http1(
    shared: &Arc<Shared>,
    connection: &Connection,
    stream: TlsStream<TcpStream>,
) -> hyper::Result<()> {
    let service = service_fn(|request| attend(shared, connection, request));
    let mut talk = pin!(
        http1::Builder::new()
            .half_close(true)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        ended = talk.as_mut() => return ended,
        () = connection.is_to_drain() => talk.as_mut().graceful_shutdown(),
    }
    talk.await
}

async fn talk_http2(
    shared: &Arc<Shared>,
    connection: &Connection,
    stream: TlsStream<TcpStream>,
) -> hyper::Result<()> {
    let (shared, connection_of_task) = (Arc::clone(shared), connection.clone());
    let service = service_fn(move |request| attend(&shared, &connection_of_task, request));
    let mut talk = pin!(
        http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(1 << 20)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        ended = talk.as_mut() => return ended,
        () = connection.is_to_drain() => talk.as_mut().graceful_shutdown(),
    }
    talk.await
}

/// Serves a request in its own task: Zendesk finishes what it has begun when the client hangs up,
/// which drops hyper's future.
fn attend(
    shared: &Arc<Shared>,
    connection: &Connection,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ResponseBody>, Box<dyn Error + Send + Sync>>> + use<> {
    let (shared, connection) = (Arc::clone(shared), connection.clone());
    let stop = shared.stop.clone();
    let reset = connection.clone();
    let task = tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => Err(Broken::Reset),
            answer = exchange(&shared, &connection, request) => answer,
        }
    });
    async move {
        match task.await? {
            Ok(answer) => Ok(answer),
            Err(Broken::Reset) => {
                // The connection's own task ends it. hyper would first end the stream with a frame,
                // which a lost network never sends.
                if reset.is_reset() {
                    std::future::pending::<()>().await;
                }
                Err(Broken::Reset.into())
            }
            // hyper looks for exactly this type to find the reason to send.
            Err(Broken::RefusedStream) => Err(h2::Error::from(h2::Reason::REFUSED_STREAM).into()),
        }
    }
}

/// How long to wait until the kernel releases a port that was just closed.
const REBIND_PAUSE: Duration = Duration::from_millis(5);
/// As many as std's own listeners have.
const BACKLOG: u32 = 128;
/// More than a client should ever send: header rules are tested with long lists.
const MAX_HEADERS: usize = 400;
