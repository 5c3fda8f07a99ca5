//! Where the browser comes back to: on loopback, while a login is pending, and for it alone.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loopdesk_protocol::{Kind, Problem};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connections;
use super::pending::PendingCallback;
use crate::config::{AccountName, RedirectUri};
use crate::peer::Peers;

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
    open: Mutex<Vec<CallbackListener>>,
    peers: Arc<Peers>,
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            open: Mutex::default(),
            peers: Arc::default(),
        }
    }
}

/// A callback that is, or was, served.
#[derive(Debug)]
struct CallbackListener {
    account: AccountName,
    life: Life,
    sockets: Vec<JoinHandle<()>>,
}

/// How long a callback is served. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct Life {
    /// Its login is over.
    pub(in crate::session) over: CancellationToken,
    /// Nobody is let in any more.
    pub(in crate::session) end: CancellationToken,
}

impl Callbacks {
    /// Listens for `account`, at the first redirect URI whose port is free. What lingers ends
    /// before, and so does an earlier callback of this account.
    pub(in crate::session) async fn bind(
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
            .hint(format!(
                "or run `loopdesk login {account} --no-browser`, which needs no port"
            ))
            .hint("or register a further redirect URI at Zendesk and add it to `redirect-uris`"))
    }

    /// Ends all of them; there will be no others. Pages that are on their way still arrive.
    pub(in crate::session) async fn close(&self) {
        self.0.turn.close();
        self.end(|_| true).await;
    }

    /// Returns when the sockets of these are closed.
    async fn end(&self, these: impl Fn(&CallbackListener) -> bool) {
        let ending: Vec<_> = self.open().extract_if(.., |one| these(one)).collect();
        for callback in &ending {
            callback.life.end.cancel();
        }
        for socket in ending.into_iter().flat_map(|callback| callback.sockets) {
            // A task that was lost has closed its socket too.
            drop(socket.await);
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<CallbackListener>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A callback's sockets.
#[derive(Debug)]
pub(in crate::session) struct Listening {
    callbacks: Callbacks,
    account: AccountName,
    uri: RedirectUri,
    sockets: Vec<TcpListener>,
    /// The next login must find this one, not a port that is taken.
    _turn: OwnedSemaphorePermit,
}

impl Listening {
    pub(in crate::session) fn uri(&self) -> &RedirectUri {
        &self.uri
    }

    /// Where it listens.
    pub(in crate::session) fn address(&self) -> SocketAddr {
        self.uri.address()
    }

    /// Serves the browser until the result is dropped, or has lingered.
    pub(in crate::session) fn serve(self, desk: &PendingCallback, tracker: &TaskTracker) -> Server {
        let life = Life::default();
        let sockets = self.sockets.into_iter().map(|socket| {
            let peers = Arc::clone(&self.callbacks.0.peers);
            let (desk, life) = (desk.clone(), life.clone());
            tracker.spawn(connections::accept(
                socket,
                peers,
                desk,
                life,
                tracker.clone(),
            ))
        });
        let callback = CallbackListener {
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
pub(in crate::session) struct Server {
    life: Life,
    lingers: bool,
}

impl Server {
    /// Stays for a while after it is dropped: the last page is still to be fetched.
    pub(in crate::session) fn linger(&mut self) {
        self.lingers = true;
    }

    /// Returns when the browser can't come back any more.
    pub(in crate::session) async fn ended(&self) {
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
pub(in crate::session) fn stopping() -> Problem {
    Problem::new(Kind::Daemon, "loopdesk is shutting down; try again")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::connections::LINGER;
    use super::*;

    struct Bench {
        callbacks: Callbacks,
        desk: PendingCallback,
        tracker: TaskTracker,
        uris: [RedirectUri; 1],
    }

    impl Bench {
        fn new() -> Self {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let uri = format!("http://{}/callback", free.local_addr().unwrap());
            Self {
                callbacks: Callbacks::default(),
                desk: PendingCallback::default(),
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
