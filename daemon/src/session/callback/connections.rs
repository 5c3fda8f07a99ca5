//! Connections to a login's callback server.
//!
//! Connections that are known to come from another user are rejected, whatever they send. A peer
//! that the system can't identify may be the person's browser in a container or in Windows. Every
//! request must have the login's state, which only the authorize URL contains. Any other request
//! gets a 404, and the login goes on waiting (RFC 8252 section 8; W8).

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
use super::pending::{CallbackResult, LinkUse, PendingCallback};
use super::server::ServerLifetime;
use crate::peer::{self, Gone, Peer, Peers, SeenPeer};

/// Serves the connections to `socket` until `lifetime` ends.
pub(in crate::session) async fn accept(
    socket: TcpListener,
    peers: Arc<Peers>,
    pending: PendingCallback,
    lifetime: ServerLifetime,
    tracker: TaskTracker,
) {
    let lingered = async {
        lifetime.login_over.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    let own = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let other_users = Arc::new(Semaphore::new(OTHER_USERS_MAX));
    let mut is_logged = false;
    let serving = async {
        loop {
            match socket.accept().await {
                Ok((stream, remote)) => {
                    let Ok(seen) = look(&peers, &stream, remote) else {
                        continue;
                    };
                    let (permits, pending) = match seen.peer {
                        Peer::Own | Peer::Unknown => (&own, Some(pending.clone())),
                        Peer::Other(uid) => {
                            // Once per login, or the other user could flood the log.
                            if !std::mem::replace(&mut is_logged, true) {
                                tracing::warn!(
                                    uid,
                                    "rejected another user's connection to a login"
                                );
                            }
                            (&other_users, None)
                        }
                    };
                    // Over the limit, the connection is closed; a browser tries again.
                    if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
                        let lifetime = lifetime.clone();
                        tracker.spawn(async move {
                            if seen.is_held || peer::confirm(&stream).await == Ok(()) {
                                serve(stream, pending, lifetime).await;
                            }
                            drop(permit);
                        });
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "the login callback can't accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = serving => {}
        () = lifetime.shutdown.cancelled() => {}
        () = lingered => lifetime.shutdown.cancel(),
    }
}

fn look(peers: &Peers, stream: &TcpStream, remote: SocketAddr) -> Result<SeenPeer, Gone> {
    let local = stream.local_addr().map_err(|_| Gone)?;
    peers.of_tcp(stream, local, remote)
}

/// Serves one connection. Without `pending`, every request gets the same rejection.
async fn serve(stream: TcpStream, pending: Option<PendingCallback>, lifetime: ServerLifetime) {
    let is_other_user = pending.is_none();
    let service = service_fn(move |request| {
        let pending = pending.clone();
        async move {
            let answer = match pending {
                Some(pending) => answer(pending, request).await,
                None => Page::other_user().into_response(),
            };
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let last_page_timeout = async {
        lifetime.login_over.cancelled().await;
        tokio::time::sleep(LAST_PAGE_TIMEOUT).await;
    };
    let other_user_timeout = async {
        match is_other_user {
            true => tokio::time::sleep(OTHER_USERS_TIMEOUT).await,
            false => std::future::pending().await,
        }
    };
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = other_user_timeout => return,
        () = lifetime.shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection => served,
                () = last_page_timeout => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a browser's connection failed");
    }
}

async fn answer(pending: PendingCallback, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if *request.method() != Method::GET {
        return Page::method().into_response();
    }
    let (path, query) = (request.uri().path(), request.uri().query());
    let page = match pending.use_link(path) {
        Some(LinkUse::First(url)) => return page::redirect(&url),
        Some(LinkUse::Again) => Page::link_used(),
        None => match pending.deliver(path, query.unwrap_or_default()) {
            CallbackResult::Accepted(page) => page.await.unwrap_or_else(|_| Page::lost()),
            CallbackResult::Used => Page::used(),
            CallbackResult::Malformed(_) => Page::malformed(),
            CallbackResult::NotOurs | CallbackResult::NoLogin => Page::not_ours(),
        },
    };
    page.into_response()
}

/// A browser opens a handful of connections, some of them in advance.
const CONNECTIONS_MAX: usize = 16;
/// A separate limit, so that other users get an explanation without taking up the person's
/// connections.
const OTHER_USERS_MAX: usize = 4;
/// Enough to read a page of a few kilobytes.
const OTHER_USERS_TIMEOUT: Duration = Duration::from_secs(1);
/// A browser sends its request immediately.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Codes may be long, and so may the cookies of localhost.
const HEAD_MAX: usize = 64 * 1024;
/// The usual reason is a lack of file descriptors, which passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time to fetch the last page, and to tell a repeated callback that it is one.
pub(in crate::session) const LINGER: Duration = Duration::from_secs(5);
/// A page has a few kilobytes. A slower client must not delay the daemon's shutdown.
const LAST_PAGE_TIMEOUT: Duration = Duration::from_secs(1);
