//! What to install, independent of the manager.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::address::Address;
use super::environment::ServiceEnvironment;
use crate::context::Context;

/// The service to install.
#[derive(Debug)]
pub(crate) struct ServiceSpec {
    /// The daemon's program.
    pub(crate) program: PathBuf,
    /// Where it listens.
    pub(crate) addresses: Vec<Address>,
    /// The environment variables it gets.
    pub(crate) environment: ServiceEnvironment,
    /// The file for those that are secret, 0600.
    pub(crate) secrets_file: PathBuf,
    /// The file with the credential for `vault = "credential"`.
    pub(crate) credential: Option<PathBuf>,
}

impl ServiceSpec {
    /// The addresses of one family, as text.
    pub(crate) fn listen(&self, is_v4: bool) -> Vec<String> {
        let of_family = |address: &&Address| address.socket.is_ipv4() == is_v4;
        let all = self.addresses.iter().filter(of_family);
        all.map(|address| address.socket.to_string()).collect()
    }

    pub(crate) fn sockets(&self) -> Vec<SocketAddr> {
        self.addresses
            .iter()
            .map(|address| address.socket)
            .collect()
    }
}

/// The file for the service's secret variables.
pub(crate) fn secrets_file(context: &Context) -> PathBuf {
    context.paths.state_dir().join("service.env")
}

/// One of the service's files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServiceFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) mode: u32,
}

impl ServiceFile {
    /// Readable by all, as managers require.
    pub(crate) fn public(path: PathBuf, text: String) -> Self {
        Self {
            path,
            text,
            mode: 0o644,
        }
    }

    /// Holds a secret.
    pub(crate) fn private(path: &Path, text: String) -> Self {
        Self {
            path: path.to_owned(),
            text,
            mode: 0o600,
        }
    }
}
