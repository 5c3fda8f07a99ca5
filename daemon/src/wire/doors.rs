//! The listeners that the configuration asks for, opened and closed as it changes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{Request, Response};
use loopdesk_protocol::{Kind, Problem, status};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::flow::Flow;
use crate::admission::ConnFacts;
use crate::body::Body;
use crate::config::{AccountName, Config};
use crate::listener::{Handler, Server, bind};
use crate::peer::Peers;
use crate::refusal::Refusal;
use crate::supervise::sockets::Inherited;

/// Everything that listens for scripts.
#[derive(Debug)]
pub(super) struct Doors {
    server: Server<Flow>,
    /// Why TCP clients are refused, where the system doesn't tell who they are.
    blind: Option<Problem>,
    tracker: TaskTracker,
    proxy_socket: PathBuf,
    inherited: Arc<Inherited>,
    open: BTreeMap<Door, CancellationToken>,
    told: watch::Sender<Vec<status::Listener>>,
}

impl Doors {
    /// Nothing is open yet. What `inherited` holds isn't bound again.
    pub(super) fn new(
        flow: Arc<Flow>,
        proxy_socket: PathBuf,
        inherited: Arc<Inherited>,
        tracker: TaskTracker,
    ) -> Self {
        let peers = Peers::new();
        let blind = peers.look_at_self().err().map(|why| {
            tracing::warn!(why, "TCP clients can't be told from other users'");
            Problem::new(
                Kind::Daemon,
                format!("{why}: every client needs a local key here, but at `proxy.sock`"),
            )
        });
        Self {
            server: Server::new(flow, peers, tracker.clone()),
            blind,
            tracker,
            proxy_socket,
            inherited,
            open: BTreeMap::new(),
            told: watch::Sender::new(Vec::new()),
        }
    }

    /// What is open, for the status.
    pub(super) fn listeners(&self) -> watch::Receiver<Vec<status::Listener>> {
        self.told.subscribe()
    }

    /// Opens what `config` asks for and closes what it doesn't; what it still asks for stays.
    ///
    /// # Errors
    /// The first door that can't be opened; the others are.
    pub(super) fn open(&mut self, config: &Config) -> Result<(), Problem> {
        let mut wanted = doors(config);
        let useless = self.inherited.addresses().filter(|address| {
            let is_it = |door: &Door| matches!(door, Door::Port(wanted, _) if wanted == address);
            !wanted.iter().any(is_it)
        });
        let useless: Vec<_> = useless.map(Door::Useless).collect();
        wanted.extend(useless);
        self.open.retain(|door, stop| {
            let stays = wanted.contains(door);
            if !stays {
                stop.cancel();
            }
            stays
        });
        let mut failed = None;
        let mut told = Vec::new();
        for door in wanted {
            let problem = match self.open_one(&door) {
                Ok(true) => self.concern(&door),
                // A machine without that address needs no listener there.
                Ok(false) => continue,
                Err(problem) => Some(problem),
            };
            told.push(status::Listener {
                address: door.address(&self.proxy_socket),
                account: door.account(),
                answers: None,
                open: self.open.contains_key(&door),
                problem: problem.clone(),
            });
            failed = failed.or(problem.filter(|_| !self.open.contains_key(&door)));
        }
        self.told.send_replace(told);
        failed.map_or(Ok(()), Err)
    }

    /// Whether any request is in flight.
    pub(super) fn is_busy(&self) -> bool {
        self.server.is_busy()
    }

    /// What is wrong with a door although it is open.
    fn concern(&self, door: &Door) -> Option<Problem> {
        let mismatch =
            |what: String| Some(Problem::new(Kind::Daemon, what).hint("loopdesk service install"));
        match door {
            Door::Socket => None,
            Door::Useless(address) => mismatch(format!(
                "the supervisor listens on {address}, and the configuration has no use for it"
            )),
            Door::Port(..) if self.blind.is_some() => self.blind.clone(),
            Door::Port(address, _)
                if !self.inherited.is_empty() && !self.inherited.has(*address) =>
            {
                mismatch(format!(
                    "the supervisor doesn't listen on {address}: the daemon does so itself, and \
                     scripts that call while it restarts fail"
                ))
            }
            Door::Port(..) => None,
        }
    }

    /// Accepts nobody any more; connections end in good order.
    pub(super) fn close(&mut self) {
        for (_, stop) in std::mem::take(&mut self.open) {
            stop.cancel();
        }
        // The next daemon finds callers waiting there.
        if self.inherited.has_unix(&self.proxy_socket) {
            return;
        }
        // A name without a listener would look like a crash to the next start.
        if let Err(error) = std::fs::remove_file(&self.proxy_socket) {
            tracing::debug!(%error, "the socket's name stays");
        }
    }

    /// Whether the door is open now; it isn't where the machine has no such address.
    fn open_one(&mut self, door: &Door) -> Result<bool, Problem> {
        if self.open.contains_key(door) {
            return Ok(true);
        }
        let stop = CancellationToken::new();
        let server = self.server.clone();
        match door {
            Door::Socket => {
                let listener = unix(&self.inherited, &self.proxy_socket)?;
                self.tracker
                    .spawn(server.serve_unix(listener, stop.clone()));
            }
            Door::Port(address, account) => {
                let given = self.inherited.tcp(*address).map_err(|e| lost(&e))?;
                let listener = match given {
                    Some(listener) => listener,
                    None => match bind::tcp(*address, account.as_ref())? {
                        Some(listener) => listener,
                        None => return Ok(false),
                    },
                };
                let account = account.clone();
                self.tracker
                    .spawn(server.serve_tcp(listener, account, stop.clone()));
            }
            Door::Useless(address) => {
                let Some(listener) = self.inherited.tcp(*address).map_err(|e| lost(&e))? else {
                    return Ok(false);
                };
                let why = Refusal::UnconfiguredPort(address.port());
                self.tracker
                    .spawn(server.turn_away(listener, why, stop.clone()));
            }
        }
        self.open.insert(door.clone(), stop);
        Ok(true)
    }
}

impl Handler for Flow {
    async fn handle(&self, connection: &ConnFacts, request: Request<Body>) -> Response<Body> {
        self.serve(connection, request).await
    }
}

/// One place where scripts can come in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Door {
    Port(SocketAddr, Option<AccountName>),
    Socket,
    /// The supervisor holds it, and the configuration doesn't name it. Whoever calls there must not
    /// wait for ever.
    Useless(SocketAddr),
}

impl Door {
    fn address(&self, proxy_socket: &Path) -> String {
        match self {
            Self::Port(address, _) | Self::Useless(address) => address.to_string(),
            Self::Socket => proxy_socket.display().to_string(),
        }
    }

    fn account(&self) -> Option<String> {
        match self {
            Self::Port(_, account) => account.as_ref().map(ToString::to_string),
            Self::Socket | Self::Useless(_) => None,
        }
    }
}

/// The supervisor's unix socket at `path`, or one of our own.
pub(super) fn unix(inherited: &Inherited, path: &Path) -> Result<UnixListener, Problem> {
    let given = inherited.unix(path).map_err(|e| lost(&e))?;
    given.map_or_else(|| bind::unix(path), Ok)
}

/// What keeps a socket of the supervisor's from being used.
fn lost(error: &std::io::Error) -> Problem {
    Problem::new(
        Kind::Daemon,
        format!("a socket of the supervisor's can't be used: {error}"),
    )
    .hint("loopdesk service restart")
}

fn doors(config: &Config) -> Vec<Door> {
    let common = config.listen.iter().map(|a| Door::Port(a.get(), None));
    let own = config.accounts.values().flat_map(|account| {
        let name = account.name.clone();
        account.port.into_iter().flat_map(move |port| {
            [
                SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
            ]
            .map(|address| Door::Port(address, Some(name.clone())))
        })
    });
    common.chain(own).chain([Door::Socket]).collect()
}
