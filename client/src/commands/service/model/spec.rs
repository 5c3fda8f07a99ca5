//! What the service is to be, for either manager.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::address::Address;
use super::environment::ServiceEnvironment;
use crate::context::Context;

/// The service as it is to be installed.
#[derive(Debug)]
pub(crate) struct ServiceSpec {
    /// The daemon's program.
    pub(crate) program: PathBuf,
    /// Where it listens.
    pub(crate) addresses: Vec<Address>,
    /// What it must know of this environment.
    pub(crate) environment: ServiceEnvironment,
    /// Holds what of that is secret, 0600.
    pub(crate) secrets_file: PathBuf,
    /// The file behind the credential that opens the vault, where the vault is one.
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

/// Where what the service must know and nobody else may read lies.
pub(crate) fn secrets_file(context: &Context) -> PathBuf {
    context.paths.state_dir().join("service.env")
}

/// A file that the service consists of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServiceFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) mode: u32,
}

impl ServiceFile {
    /// One that everybody may read, as managers want it.
    pub(crate) fn public(path: PathBuf, text: String) -> Self {
        Self {
            path,
            text,
            mode: 0o644,
        }
    }

    /// One that holds a secret.
    pub(crate) fn private(path: &Path, text: String) -> Self {
        Self {
            path: path.to_owned(),
            text,
            mode: 0o600,
        }
    }
}
