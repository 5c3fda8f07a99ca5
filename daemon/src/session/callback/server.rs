//! The callback server: on loopback, only during a login, and only for that login.

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

/// The open callback servers of all accounts. Clones share them.
///
/// A server outlives its login for a while, but never blocks anything: the next login that needs
/// its port, or the shutdown of the daemon, ends it immediately.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct Callbacks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Held from the search for a port until it is served; closed with the daemon.
    bind_permit: Arc<Semaphore>,
    open: Mutex<Vec<CallbackListener>>,
    peers: Arc<Peers>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            bind_permit: Arc::new(Semaphore::new(1)),
            open: Mutex::default(),
            peers: Arc::default(),
        }
    }
}

/// A callback server that is, or was, running.
#[derive(Debug)]
struct CallbackListener {
    account: AccountName,
    lifetime: ServerLifetime,
    sockets: Vec<JoinHandle<()>>,
}

/// How long a callback server runs. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct ServerLifetime {
    /// The login is over.
    pub(in crate::session) login_over: CancellationToken,
    /// Connections are no longer accepted.
    pub(in crate::session) shutdown: CancellationToken,
}

impl Callbacks {
    /// Listens for `account`, at the first redirect URI with a free port. Before that, ends servers
    /// whose login is over, and this account's earlier one.
    ///
    /// # Errors
    /// If no port is free, or the daemon is shutting down.
    pub(in crate::session) async fn bind(
        &self,
        account: &AccountName,
        uris: &[RedirectUri],
    ) -> Result<Listening, Problem> {
        let permit = Arc::clone(&self.0.bind_permit).acquire_owned().await;
        let permit = permit.map_err(|_| stopping())?;
        self.end(|callback| {
            callback.lifetime.login_over.is_cancelled() || callback.account == *account
        })
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
                // Some browsers try IPv6 first.
                let other = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), uri.address().port());
                sockets.extend(TcpListener::bind(other).await.ok());
            }
            return Ok(Listening {
                callbacks: self.clone(),
                account: account.clone(),
                uri: uri.clone(),
                sockets,
                _permit: permit,
            });
        }
        let message = format!(
            "no port is free for the browser's return from Zendesk: {}",
            tried.join(", ")
        );
        Err(Problem::new(Kind::Login, message)
            .hint("finish or stop the other login, or the program that listens there")
            .hint(format!(
                "or run `loopdesk login {account} --no-browser`, which doesn't need a port"
            ))
            .hint("or register another redirect URI at Zendesk and add it to `redirect-uris`"))
    }

    /// Ends all servers and prevents new ones. Pages in flight still arrive.
    pub(in crate::session) async fn close(&self) {
        self.0.bind_permit.close();
        self.end(|_| true).await;
    }

    /// Ends these servers. Returns when their sockets are closed.
    async fn end(&self, these: impl Fn(&CallbackListener) -> bool) {
        let ending: Vec<_> = self.open().extract_if(.., |one| these(one)).collect();
        for callback in &ending {
            callback.lifetime.shutdown.cancel();
        }
        for socket in ending.into_iter().flat_map(|callback| callback.sockets) {
            // A task that panicked has closed its socket too.
            drop(socket.await);
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<CallbackListener>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A callback server's sockets, not served yet.
#[derive(Debug)]
pub(in crate::session) struct Listening {
    callbacks: Callbacks,
    account: AccountName,
    uri: RedirectUri,
    sockets: Vec<TcpListener>,
    /// Until this server is registered, another login must not search for a port: it would find
    /// this one taken, but no server to end.
    _permit: OwnedSemaphorePermit,
}

impl Listening {
    /// The redirect URI.
    pub(in crate::session) fn uri(&self) -> &RedirectUri {
        &self.uri
    }

    /// The address it listens at.
    pub(in crate::session) fn address(&self) -> SocketAddr {
        self.uri.address()
    }

    /// Serves the browser until the result is dropped, plus the linger time if that was asked for.
    pub(in crate::session) fn serve(
        self,
        pending: &PendingCallback,
        tracker: &TaskTracker,
    ) -> CallbackServer {
        let lifetime = ServerLifetime::default();
        let sockets = self.sockets.into_iter().map(|socket| {
            let peers = Arc::clone(&self.callbacks.0.peers);
            let (pending, lifetime) = (pending.clone(), lifetime.clone());
            tracker.spawn(connections::accept(
                socket,
                peers,
                pending,
                lifetime,
                tracker.clone(),
            ))
        });
        let callback = CallbackListener {
            account: self.account,
            lifetime: lifetime.clone(),
            sockets: sockets.collect(),
        };
        let mut open = self.callbacks.open();
        open.push(callback);
        if self.callbacks.0.bind_permit.is_closed() {
            // Closed by now, perhaps before this server was registered.
            lifetime.shutdown.cancel();
        }
        CallbackServer {
            lifetime,
            lingers: false,
        }
    }
}

/// A running callback server. Dropping it ends it.
#[derive(Debug)]
pub(in crate::session) struct CallbackServer {
    lifetime: ServerLifetime,
    lingers: bool,
}

impl CallbackServer {
    /// Keeps it running for a while after it is dropped, until the browser has fetched the last
    /// page.
    pub(in crate::session) fn linger(&mut self) {
        self.lingers = true;
    }

    /// Returns when the server no longer accepts connections.
    pub(in crate::session) async fn ended(&self) {
        self.lifetime.shutdown.cancelled().await;
    }
}

impl Drop for CallbackServer {
    fn drop(&mut self) {
        self.lifetime.login_over.cancel();
        if !self.lingers {
            self.lifetime.shutdown.cancel();
        }
    }
}

/// The error of logins during a shutdown.
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
        pending: PendingCallback,
        tracker: TaskTracker,
        uris: [RedirectUri; 1],
    }

    impl Bench {
        fn new() -> Self {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let uri = format!("http://{}/callback", free.local_addr().unwrap());
            Self {
                callbacks: Callbacks::default(),
                pending: PendingCallback::default(),
                tracker: TaskTracker::new(),
                uris: [uri.parse().unwrap()],
            }
        }

        async fn login(&self, account: &str) -> Result<CallbackServer, Problem> {
            let account = account.parse().unwrap();
            let listening = self.callbacks.bind(&account, &self.uris).await?;
            Ok(listening.serve(&self.pending, &self.tracker))
        }

        async fn finish(&self, mut server: CallbackServer) {
            server.linger();
            drop(server);
            // Lets the linger time begin.
            tokio::task::yield_now().await;
        }
    }

    // The clock is paused and skips ahead whenever everything waits: elapsed time is waiting time.

    #[tokio::test(start_paused = true)]
    async fn a_finished_login_lingers_but_yields_its_port_immediately() {
        let bench = Bench::new();
        let began = Instant::now();
        for account in ["acme", "acme", "other"] {
            let server = bench.login(account).await.unwrap();
            bench.finish(server).await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);

        bench.tracker.close();
        bench.tracker.wait().await;
        assert_eq!(began.elapsed(), LINGER, "the last one lingers");
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_doesn_t_wait_for_callbacks_and_prevents_new_ones() {
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
    async fn an_account_s_second_login_ends_only_its_own_first_one() {
        let bench = Bench::new();
        let first = bench.login("acme").await.unwrap();
        let second = bench.login("acme").await.unwrap();
        first.ended().await;
        let refused = bench.login("other").await.unwrap_err();
        assert!(refused.message.contains("no port is free"), "{refused}");
        assert!(!second.lifetime.shutdown.is_cancelled());
        drop(second);
        bench.login("other").await.unwrap();
    }
}
