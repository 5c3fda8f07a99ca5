//! Whoever comes to a login's callback.
//!
//! Known other users are turned away, whatever they know: what the system doesn't tell may be the
//! person's browser in a container or in Windows. Whoever asks must know the login's state, which only
//! the authorize URL has. Anybody else gets a 404, and the login goes on waiting (RFC 8252 section 8;
//! W8).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::page::{self, Page};
use super::pending::{CallbackResult, Entered, PendingCallback};
use super::server::Life;
use crate::peer::{self, Gone, Peer, Peers, SeenPeer};

/// Serves whoever comes to `socket`, until `life` ends.
pub(in crate::session) async fn accept(
    socket: TcpListener,
    peers: Arc<Peers>,
    desk: PendingCallback,
    life: Life,
    tracker: TaskTracker,
) {
    let lingered = async {
        life.over.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    let own = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let others = Arc::new(Semaphore::new(OTHERS_MAX));
    let mut is_told = false;
    let serving = async {
        loop {
            match socket.accept().await {
                Ok((stream, remote)) => {
                    let Ok(seen) = look(&peers, &stream, remote) else {
                        continue;
                    };
                    let (places, desk) = match seen.peer {
                        Peer::Own | Peer::Unknown => (&own, Some(desk.clone())),
                        Peer::Other(uid) => {
                            // Once a login: a line for each would be theirs to write.
                            if !std::mem::replace(&mut is_told, true) {
                                tracing::warn!(uid, "turned another user away from a login");
                            }
                            (&others, None)
                        }
                    };
                    // One too many is closed; a browser tries again.
                    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
                        let life = life.clone();
                        tracker.spawn(async move {
                            if seen.is_held || peer::confirm(&stream).await == Ok(()) {
                                serve(stream, desk, life).await;
                            }
                            drop(place);
                        });
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "the login callback can't accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = serving => {}
        () = life.end.cancelled() => {}
        () = lingered => life.end.cancel(),
    }
}

fn look(peers: &Peers, stream: &TcpStream, remote: SocketAddr) -> Result<SeenPeer, Gone> {
    let local = stream.local_addr().map_err(|_| Gone)?;
    peers.of_tcp(stream, local, remote)
}

/// Serves one connection. Without a desk, there is one answer for it.
async fn serve(stream: TcpStream, desk: Option<PendingCallback>, life: Life) {
    let is_others = desk.is_none();
    let service = service_fn(move |request| {
        let desk = desk.clone();
        async move {
            let answer = match desk {
                Some(desk) => answer(desk, request).await,
                None => Page::others().into_response(),
            };
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .keep_alive(false)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let last_words = async {
        life.over.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    let enough = async {
        match is_others {
            true => tokio::time::sleep(OTHERS_PATIENCE).await,
            false => std::future::pending().await,
        }
    };
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = enough => return,
        () = life.end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection => served,
                () = last_words => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a browser's connection broke");
    }
}

async fn answer(desk: PendingCallback, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if *request.method() != Method::GET {
        return Page::method().into_response();
    }
    let (path, query) = (request.uri().path(), request.uri().query());
    let page = match desk.enter(path) {
        Some(Entered::First(url)) => return page::redirect(&url),
        Some(Entered::Again) => Page::entered(),
        None => match desk.offer(path, query.unwrap_or_default()) {
            CallbackResult::Accepted(page) => page.await.unwrap_or_else(|_| Page::lost()),
            CallbackResult::Used => Page::used(),
            CallbackResult::Malformed(_) => Page::malformed(),
            CallbackResult::NotOurs | CallbackResult::NoLogin => Page::not_ours(),
        },
    };
    page.into_response()
}

/// A browser opens a handful, some of them in advance.
const CONNECTIONS_MAX: usize = 16;
/// Other users are told why in places of their own.
const OTHERS_MAX: usize = 4;
/// For a page of a few kilobytes.
const OTHERS_PATIENCE: Duration = Duration::from_secs(1);
/// A browser sends its request at once.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Codes may be long, cookies for localhost too.
const HEAD_MAX: usize = 64 * 1024;
/// For want of file descriptors: they come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For the last page to be read, and for a second callback to be told that it is one.
pub(in crate::session) const LINGER: Duration = Duration::from_secs(5);
/// A page is a few kilobytes; who is slower than this must not hold up the daemon's end.
const LAST_WORDS: Duration = Duration::from_secs(1);
