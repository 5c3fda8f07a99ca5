//! What the manager reports about the service.

use std::net::SocketAddr;
use std::path::PathBuf;

use loopdesk_protocol::Problem;
use loopdesk_protocol::version::Version;
use serde::Serialize;

/// The service, as its manager reports it.
#[derive(Debug)]
pub(crate) struct ServiceReport {
    pub(crate) state: ServiceState,
    /// For whom it is installed; `None` if it isn't.
    pub(crate) scope: Option<InstallScope>,
    /// Whether it starts at login.
    pub(crate) starts_at_login: bool,
    /// The manager's files.
    pub(crate) files: Vec<PathBuf>,
    /// The TCP addresses it listens on.
    pub(crate) listens: Vec<SocketAddr>,
    /// What is wrong.
    pub(crate) problems: Vec<Problem>,
}

/// The state of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ServiceState {
    NotInstalled,
    Stopped,
    /// The sockets are open; the first connection starts the daemon.
    Waiting,
    Starting,
    Running,
    Failed,
}

/// For whom a service is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InstallScope {
    /// By `loopdesk service install`.
    User,
    /// By the administrator, for all users.
    Machine,
}

impl ServiceState {
    /// Whether the manager has the sockets open.
    pub(crate) fn holds_sockets(self) -> bool {
        matches!(self, Self::Waiting | Self::Starting | Self::Running)
    }
}

/// The running daemon.
#[derive(Debug, Serialize)]
pub(crate) struct ServiceDaemon {
    pub(crate) version: String,
    pub(crate) pid: u32,
}

impl From<Version> for ServiceDaemon {
    fn from(version: Version) -> Self {
        Self {
            version: version.version,
            pid: version.pid,
        }
    }
}
