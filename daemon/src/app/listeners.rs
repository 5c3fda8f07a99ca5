//! The listeners that the configuration asks for, opened and closed as it changes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{Request, Response};
use loopdesk_protocol::{Kind, Problem, status};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::pipeline::Pipeline;
use crate::body::Body;
use crate::config::{AccountName, Config};
use crate::error_response::ErrorResponse;
use crate::facts::ConnFacts;
use crate::listener::{Handler, HttpServer, bind};
use crate::peer::Peers;
use crate::supervise::descriptors::Room;
use crate::supervise::runtime_dir::SocketName;
use crate::supervise::sockets::Inherited;

/// Everything that listens for scripts.
#[derive(Debug)]
pub(super) struct Listeners {
    server: HttpServer<Pipeline>,
    /// Why TCP clients are refused, if the system can't tell who they are.
    blind: Option<Problem>,
    tracker: TaskTracker,
    proxy_socket: PathBuf,
    inherited: Arc<Inherited>,
    open: BTreeMap<ListenerKey, OpenListener>,
    told: watch::Sender<Vec<status::Listener>>,
}

/// An open listener.
#[derive(Debug)]
struct OpenListener {
    stop: CancellationToken,
    /// Ends once the socket is closed.
    accepting: JoinHandle<()>,
    /// The name of a unix socket.
    name: Option<SocketName>,
}

impl Listeners {
    /// Nothing is open yet. Sockets in `inherited` aren't bound again.
    pub(super) fn new(
        pipeline: Arc<Pipeline>,
        proxy_socket: PathBuf,
        inherited: Arc<Inherited>,
        tracker: TaskTracker,
        room: Room,
    ) -> Self {
        let peers = Peers::new();
        let blind = peers.look_at_self().err().map(|why| {
            tracing::warn!(why, "can't tell whose TCP connections are");
            Problem::new(
                Kind::Daemon,
                format!("{why}, so every client except on `proxy.sock` needs a local key"),
            )
        });
        Self {
            server: HttpServer::new(pipeline, peers, tracker.clone(), room),
            blind,
            tracker,
            proxy_socket,
            inherited,
            open: BTreeMap::new(),
            told: watch::Sender::new(Vec::new()),
        }
    }

    /// The open listeners, for `status`.
    pub(super) fn status(&self) -> watch::Receiver<Vec<status::Listener>> {
        self.told.subscribe()
    }

    /// Opens what `config` asks for and closes the rest; what is open already and still wanted
    /// stays open. Retries what couldn't be opened before.
    ///
    /// # Errors
    /// The first listener that couldn't be opened; the others are open.
    pub(super) async fn open(&mut self, config: &Config) -> Result<(), Problem> {
        let mut wanted = configured(config);
        let is_wanted = |key: &ListenerKey| wanted.iter().any(|(wanted, _)| wanted == key);
        let given = self.inherited.addresses();
        let unconfigured = given.filter(|address| !is_wanted(&ListenerKey::Port(*address)));
        let unconfigured: Vec<_> = unconfigured
            .map(|a| (ListenerKey::Unconfigured(a), None))
            .collect();
        wanted.extend(unconfigured);
        let is_wanted = |key: &ListenerKey| wanted.iter().any(|(wanted, _)| wanted == key);
        let socket = self.proxy_socket.clone();
        self.close_but(|key, open| is_wanted(key) && open.is_found_at(&socket))
            .await;
        let mut failed = None;
        let mut told = Vec::new();
        for (key, account) in wanted {
            let problem = match self.open_one(&key, account.as_ref()) {
                Ok(true) => self.concern(&key),
                // A machine without that address needs no listener there.
                Ok(false) => continue,
                Err(problem) => Some(problem),
            };
            told.push(status::Listener {
                address: key.address(&self.proxy_socket),
                account: account.map(|name| name.to_string()),
                answers: None,
                open: self.open.contains_key(&key),
                problem: problem.clone(),
            });
            failed = failed.or(problem.filter(|_| !self.open.contains_key(&key)));
        }
        self.told.send_replace(told);
        failed.map_or(Ok(()), Err)
    }

    /// Closes all listeners except those for which `stays` is true. When this returns, their
    /// addresses can be bound again.
    async fn close_but(&mut self, stays: impl Fn(&ListenerKey, &OpenListener) -> bool) {
        let closing = self.open.extract_if(.., |key, open| !stays(key, open));
        let closing: Vec<_> = closing.collect();
        for (_, open) in &closing {
            open.stop.cancel();
        }
        for (_, open) in closing {
            if open.accepting.await.is_err() {
                tracing::error!("a listener's task panicked");
            }
            if let Some(name) = &open.name {
                leave(&self.inherited, name);
            }
        }
    }

    /// Whether scripts can reach the daemon at `proxy_socket`.
    pub(super) fn has_socket_at(&self, proxy_socket: &Path) -> bool {
        let open = self.open.get(&ListenerKey::Socket);
        open.is_some_and(|open| open.is_found_at(proxy_socket))
    }

    /// From the next [`Listeners::open`] on, the unix socket is at `proxy_socket`.
    pub(super) fn move_socket_to(&mut self, proxy_socket: PathBuf) {
        self.proxy_socket = proxy_socket;
    }

    /// Whether any request is in flight.
    pub(super) fn is_busy(&self) -> bool {
        self.server.is_busy()
    }

    /// What is wrong with a listener although it is open.
    fn concern(&self, key: &ListenerKey) -> Option<Problem> {
        let mismatch = |what: String| {
            Some(Problem::new(Kind::Daemon, what).hint("run `loopdesk service install`"))
        };
        match key {
            ListenerKey::Socket => None,
            ListenerKey::Unconfigured(address) => mismatch(format!(
                "the supervisor listens on {address}, which isn't configured"
            )),
            ListenerKey::Port(_) if self.blind.is_some() => self.blind.clone(),
            ListenerKey::Port(address)
                if !self.inherited.is_empty() && !self.inherited.has(*address) =>
            {
                mismatch(format!(
                    "the supervisor doesn't listen on {address}: the daemon does so itself, and \
                     scripts that connect while it restarts fail"
                ))
            }
            ListenerKey::Port(_) => None,
        }
    }

    /// Stops accepting; open connections finish in good order.
    pub(super) fn close(&mut self) {
        for (_, open) in std::mem::take(&mut self.open) {
            open.stop.cancel();
            if let Some(name) = &open.name {
                leave(&self.inherited, name);
            }
        }
    }

    /// Opens the listener. Returns whether it is open now: it isn't if this machine has no such
    /// address. `account` is the only account served there, if any.
    fn open_one(
        &mut self,
        key: &ListenerKey,
        account: Option<&AccountName>,
    ) -> Result<bool, Problem> {
        if self.open.contains_key(key) {
            return Ok(true);
        }
        let stop = CancellationToken::new();
        let server = self.server.clone();
        let mut name = None;
        let accepting = match key {
            ListenerKey::Socket => {
                let (listener, bound) = unix(&self.inherited, &self.proxy_socket)?;
                name = Some(bound);
                self.tracker
                    .spawn(server.serve_unix(listener, stop.clone()))
            }
            ListenerKey::Port(address) => {
                let given = self.inherited.tcp(*address).map_err(|e| lost(&e))?;
                let listener = match given {
                    Some(listener) => listener,
                    None => match bind::tcp(*address, account)? {
                        Some(listener) => listener,
                        None => return Ok(false),
                    },
                };
                self.tracker.spawn(server.serve_tcp(listener, stop.clone()))
            }
            ListenerKey::Unconfigured(address) => {
                let Some(listener) = self.inherited.tcp(*address).map_err(|e| lost(&e))? else {
                    return Ok(false);
                };
                let why = ErrorResponse::UnconfiguredPort(address.port());
                self.tracker
                    .spawn(server.reject(listener, why, stop.clone()))
            }
        };
        let open = OpenListener {
            stop,
            accepting,
            name,
        };
        self.open.insert(key.clone(), open);
        Ok(true)
    }
}

impl OpenListener {
    /// For a unix socket, whether its name is at `path`; true for all others.
    fn is_found_at(&self, path: &Path) -> bool {
        self.name.as_ref().is_none_or(|name| name.is_at(path))
    }
}

impl Handler for Pipeline {
    async fn handle(&self, connection: &ConnFacts, request: Request<Body>) -> Response<Body> {
        self.serve(connection, request).await
    }
}

/// A place to listen. It may change accounts while it is open; routing looks that up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ListenerKey {
    Port(SocketAddr),
    Socket,
    /// The supervisor holds it, and the configuration doesn't name it. Clients there need an answer
    /// rather than an endless wait.
    Unconfigured(SocketAddr),
}

impl ListenerKey {
    fn address(&self, proxy_socket: &Path) -> String {
        match self {
            Self::Port(address) | Self::Unconfigured(address) => address.to_string(),
            Self::Socket => proxy_socket.display().to_string(),
        }
    }
}

/// The supervisor's unix socket at `path`, or one of our own.
pub(super) fn unix(
    inherited: &Inherited,
    path: &Path,
) -> Result<(UnixListener, SocketName), Problem> {
    let given = inherited.unix(path).map_err(|e| lost(&e))?;
    let listener = given.map_or_else(|| bind::unix(path), Ok)?;
    let name = SocketName::of(path).map_err(|error| {
        let message = format!(
            "`{}` was removed right after it was created: {error}",
            path.display()
        );
        Problem::new(Kind::Daemon, message)
    })?;
    Ok((listener, name))
}

/// Removes the name of a socket that no longer has a listener: the next start would take it for a
/// crash. The supervisor's sockets keep their names, and the next daemon finds clients waiting
/// there.
pub(super) fn leave(inherited: &Inherited, name: &SocketName) {
    if !inherited.has_unix(name.path()) {
        name.remove();
    }
}

/// The problem for a supervisor's socket that can't be used.
fn lost(error: &std::io::Error) -> Problem {
    Problem::new(
        Kind::Daemon,
        format!("one of the supervisor's sockets can't be used: {error}"),
    )
    .hint("run `loopdesk service restart`")
}

/// How many sockets `config` asks for.
pub(super) fn count(config: &Config) -> usize {
    configured(config).len()
}

/// The listeners that `config` asks for, each with the account that owns it.
fn configured(config: &Config) -> Vec<(ListenerKey, Option<AccountName>)> {
    let common = config
        .listen
        .iter()
        .map(|a| (ListenerKey::Port(a.get()), None));
    let own = config.accounts.values().flat_map(|account| {
        let name = account.name.clone();
        account.port.into_iter().flat_map(move |port| {
            [
                SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
            ]
            .map(|address| (ListenerKey::Port(address), Some(name.clone())))
        })
    });
    common
        .chain(own)
        .chain([(ListenerKey::Socket, None)])
        .collect()
}
