//! What a manager says of the service.

use std::net::SocketAddr;
use std::path::PathBuf;

use loopdesk_protocol::Problem;
use loopdesk_protocol::version::Version;
use serde::Serialize;

/// The service as its manager sees it.
#[derive(Debug)]
pub(crate) struct ServiceReport {
    pub(crate) state: ServiceState,
    /// For whom it is installed; none if it isn't.
    pub(crate) scope: Option<InstallScope>,
    /// Whether it comes up by itself.
    pub(crate) starts_at_login: bool,
    /// The manager's files.
    pub(crate) files: Vec<PathBuf>,
    /// Where it listens on TCP, as far as it does.
    pub(crate) listens: Vec<SocketAddr>,
    /// What isn't well.
    pub(crate) problems: Vec<Problem>,
}

/// What the service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ServiceState {
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
pub(crate) enum InstallScope {
    /// By `loopdesk service install`.
    User,
    /// By the machine's administrator, for everybody.
    Machine,
}

impl ServiceState {
    /// Whether the manager has the sockets open.
    pub(crate) fn holds_sockets(self) -> bool {
        matches!(self, Self::Waiting | Self::Starting | Self::Running)
    }
}

/// The daemon that answers.
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
