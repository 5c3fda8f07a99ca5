//! What a manager says of the service.

use std::net::SocketAddr;
use std::path::PathBuf;

use loopdesk_protocol::Problem;
use loopdesk_protocol::version::Version;
use serde::Serialize;

/// The service as its manager sees it.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) state: State,
    /// For whom it is installed; none if it isn't.
    pub(super) scope: Option<Scope>,
    /// Whether it comes up by itself.
    pub(super) starts_at_login: bool,
    /// The manager's files.
    pub(super) files: Vec<PathBuf>,
    /// Where it listens on TCP, as far as it does.
    pub(super) listens: Vec<SocketAddr>,
    /// What isn't well.
    pub(super) problems: Vec<Problem>,
}

/// What the service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    NotInstalled,
    Stopped,
    /// The sockets are there; the first connection starts the daemon.
    Waiting,
    Starting,
    Running,
    Failed,
}

/// For whom a service is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Scope {
    /// By `loopdesk service install`.
    User,
    /// By the machine's administrator, for everybody.
    Machine,
}

impl State {
    /// Whether the manager has the sockets open.
    pub(super) fn holds_sockets(self) -> bool {
        matches!(self, Self::Waiting | Self::Starting | Self::Running)
    }
}

/// The daemon that answers.
#[derive(Debug, Serialize)]
pub(super) struct Daemon {
    pub(super) version: String,
    pub(super) pid: u32,
}

impl From<Version> for Daemon {
    fn from(version: Version) -> Self {
        Self {
            version: version.version,
            pid: version.pid,
        }
    }
}
