//! Where the browser comes back to: on loopback, while a login is pending, and for it alone.
//!
//! Whoever asks must know the login's state, which left this machine only in the authorize URL.
//! Anybody else gets a 404, and the login goes on waiting (RFC 8252 section 8; W8).

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use loopdesk_protocol::{Kind, Problem};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::desk::{Desk, Offer};
use super::page::Page;
use crate::config::{AccountName, RedirectUri};

/// The callbacks that are open, of all accounts. Clones share them.
///
/// A callback outlives its login for a while, but never stands in another's way: whoever needs
/// its port, or the end of the process, ends it at once.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct Callbacks(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    /// Held from the look for a port until it is served; closed with the daemon.
    turn: Arc<Semaphore>,
    open: Mutex<Vec<Callback>>,
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            open: Mutex::default(),
        }
    }
}

/// A callback that is, or was, served.
#[derive(Debug)]
struct Callback {
    account: AccountName,
    life: Life,
    sockets: Vec<JoinHandle<()>>,
}

/// How long a callback is served. Clones share it.
#[derive(Clone, Debug, Default)]
struct Life {
    /// Its login is over.
    over: CancellationToken,
    /// Nobody is let in any more.
    end: CancellationToken,
}

impl Callbacks {
    /// Listens for `account`, at the first redirect URI whose port is free. What lingers ends
    /// before, and so does an earlier callback of this account.
    pub(super) async fn bind(
        &self,
        account: &AccountName,
        uris: &[RedirectUri],
    ) -> Result<Listening, Problem> {
        let turn = Arc::clone(&self.0.turn).acquire_owned().await;
        let turn = turn.map_err(|_| stopping())?;
        self.end(|callback| callback.life.over.is_cancelled() || callback.account == *account)
            .await;
        let mut tried = Vec::new();
        for uri in uris {
            let socket = match TcpListener::bind(uri.address()).await {
                Ok(socket) => socket,
                Err(error) => {
                    tried.push(format!("{} ({error})", uri.address()));
                    continue;
                }
            };
            let mut sockets = vec![socket];
            if uri.as_str().starts_with("http://localhost:") {
                // Some browsers try the other family first.
                let other = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), uri.address().port());
                sockets.extend(TcpListener::bind(other).await.ok());
            }
            return Ok(Listening {
                callbacks: self.clone(),
                account: account.clone(),
                uri: uri.clone(),
                sockets,
                _turn: turn,
            });
        }
        let message = format!(
            "no port is free for the browser to come back to: {}",
            tried.join(", ")
        );
        Err(Problem::new(Kind::Login, message)
            .hint("finish or stop the other login, or what else listens there")
            .hint("or register a further redirect URI at Zendesk and add it to `redirect-uris`"))
    }

    /// Ends all of them; there will be no others. Pages that are on their way still arrive.
    pub(in crate::session) async fn close(&self) {
        self.0.turn.close();
        self.end(|_| true).await;
    }

    /// Returns when the sockets of these are closed.
    async fn end(&self, these: impl Fn(&Callback) -> bool) {
        let ending: Vec<_> = self.open().extract_if(.., |one| these(one)).collect();
        for callback in &ending {
            callback.life.end.cancel();
        }
        for socket in ending.into_iter().flat_map(|callback| callback.sockets) {
            // A task that was lost has closed its socket too.
            drop(socket.await);
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<Callback>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A callback's sockets.
#[derive(Debug)]
pub(super) struct Listening {
    callbacks: Callbacks,
    account: AccountName,
    uri: RedirectUri,
    sockets: Vec<TcpListener>,
    /// The next login must find this one, not a port that is taken.
    _turn: OwnedSemaphorePermit,
}

impl Listening {
    pub(super) fn redirect_uri(&self) -> &str {
        self.uri.as_str()
    }

    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    /// Serves the browser until the result is dropped, or has lingered.
    pub(super) fn serve(self, desk: &Desk, tracker: &TaskTracker) -> Server {
        let life = Life::default();
        let sockets = self.sockets.into_iter().map(|socket| {
            let accepting = accept(socket, desk.clone(), life.clone(), tracker.clone());
            tracker.spawn(accepting)
        });
        let callback = Callback {
            account: self.account,
            life: life.clone(),
            sockets: sockets.collect(),
        };
        let mut open = self.callbacks.open();
        open.push(callback);
        if self.callbacks.0.turn.is_closed() {
            // Closed meanwhile, perhaps before this one could be seen.
            life.end.cancel();
        }
        Server {
            life,
            lingers: false,
        }
    }
}

/// The running callback.
#[derive(Debug)]
pub(super) struct Server {
    life: Life,
    lingers: bool,
}

impl Server {
    /// Stays for a while after it is dropped: the last page is still to be fetched.
    pub(super) fn linger(&mut self) {
        self.lingers = true;
    }

    /// Returns when the browser can't come back any more.
    pub(super) async fn ended(&self) {
        self.life.end.cancelled().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.life.over.cancel();
        if !self.lingers {
            self.life.end.cancel();
        }
    }
}

/// Why no login goes on.
pub(super) fn stopping() -> Problem {
    Problem::new(Kind::Daemon, "loopdesk is shutting down; try again")
}

async fn accept(socket: TcpListener, desk: Desk, life: Life, tracker: TaskTracker) {
    let lingered = async {
        life.over.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let serving = async {
        loop {
            match socket.accept().await {
                Ok((stream, _)) => {
                    // One too many is closed; a browser tries again.
                    if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                        let connection = serve(stream, desk.clone(), life.clone());
                        tracker.spawn(async move {
                            connection.await;
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

async fn serve(stream: TcpStream, desk: Desk, life: Life) {
    let service = service_fn(move |request| answer(desk.clone(), request));
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
    let served = tokio::select! {
        served = connection.as_mut() => served,
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

async fn answer(
    desk: Desk,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if *request.method() != Method::GET {
        return Ok(Page::method().into_response());
    }
    let query = request.uri().query().unwrap_or_default();
    let page = match desk.offer(request.uri().path(), query) {
        Offer::Taken(page) => page.await.unwrap_or_else(|_| Page::lost()),
        Offer::Used => Page::used(),
        Offer::Malformed(_) => Page::malformed(),
        Offer::NotOurs | Offer::Nobody => Page::not_ours(),
    };
    Ok(page.into_response())
}

/// A browser opens a handful, some of them in advance.
const CONNECTIONS_MAX: usize = 16;
/// A browser sends its request at once.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Codes may be long, cookies for localhost too.
const HEAD_MAX: usize = 64 * 1024;
/// For want of file descriptors: they come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For the last page to be read, and for a second callback to be told that it is one.
const LINGER: Duration = Duration::from_secs(5);
/// A page is a few kilobytes; who is slower than this must not hold up the daemon's end.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    struct Bench {
        callbacks: Callbacks,
        desk: Desk,
        tracker: TaskTracker,
        uris: [RedirectUri; 1],
    }

    impl Bench {
        fn new() -> Self {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let uri = format!("http://{}/callback", free.local_addr().unwrap());
            Self {
                callbacks: Callbacks::default(),
                desk: Desk::default(),
                tracker: TaskTracker::new(),
                uris: [uri.parse().unwrap()],
            }
        }

        async fn login(&self, account: &str) -> Result<Server, Problem> {
            let account = account.parse().unwrap();
            let listening = self.callbacks.bind(&account, &self.uris).await?;
            Ok(listening.serve(&self.desk, &self.tracker))
        }

        async fn finish(&self, mut server: Server) {
            server.linger();
            drop(server);
            // So that the linger has begun.
            tokio::task::yield_now().await;
        }
    }

    // The clock stands still wherever nothing but time is waited for: a wait shows as its length.

    #[tokio::test(start_paused = true)]
    async fn a_finished_login_lingers_and_leaves_its_port_to_the_next_at_once() {
        let bench = Bench::new();
        let began = Instant::now();
        for account in ["acme", "acme", "other"] {
            let server = bench.login(account).await.unwrap();
            bench.finish(server).await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);

        bench.tracker.close();
        bench.tracker.wait().await;
        assert_eq!(began.elapsed(), LINGER, "the last one stays for a while");
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_waits_for_no_callback_and_lets_none_begin() {
        let bench = Bench::new();
        let began = Instant::now();
        let server = bench.login("acme").await.unwrap();
        bench.finish(server).await;
        bench.callbacks.close().await;
        bench.tracker.close();
        bench.tracker.wait().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(bench.login("acme").await.unwrap_err().kind, Kind::Daemon);
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_s_second_login_ends_its_first_and_no_other_account_s() {
        let bench = Bench::new();
        let first = bench.login("acme").await.unwrap();
        let second = bench.login("acme").await.unwrap();
        first.ended().await;
        let refused = bench.login("other").await.unwrap_err();
        assert!(refused.message.contains("no port is free"), "{refused}");
        assert!(!second.life.end.is_cancelled());
        drop(second);
        bench.login("other").await.unwrap();
    }
}
