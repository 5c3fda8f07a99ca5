//! Listening sockets that systemd or launchd bound before this process began.
//!
//! They outlive the process: while one daemon ends and the next one starts, connections wait in
//! their queues. Each is identified by its address, so the supervisor's names for them don't
//! matter.

#[cfg(target_os = "macos")]
mod launchd;
#[cfg(target_os = "linux")]
mod systemd;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use loopdesk_protocol::{Kind, Problem};
use rustix::net::{AddressFamily, SocketAddrAny, SocketType, getsockname, sockopt};

use super::runtime_dir::SocketName;
use crate::config::AccountName;

/// The sockets that this process was given, for as long as it lives.
#[derive(Debug, Default)]
pub struct Inherited {
    tcp: BTreeMap<SocketAddr, TcpListener>,
    unix: BTreeMap<PathBuf, (UnixListener, SocketName)>,
}

impl Inherited {
    /// Takes the sockets over. `accounts` are those that may have a port of their own. Call this
    /// once per process.
    ///
    /// # Errors
    /// A problem of kind `daemon` if there are sockets that can't be used.
    pub fn take<'a>(accounts: impl Iterator<Item = &'a AccountName>) -> Result<Self, Problem> {
        let problem = |error: io::Error| {
            Problem::new(
                Kind::Daemon,
                format!("the supervisor's sockets can't be used: {error}"),
            )
            .hint("run `loopdesk service install`")
        };
        #[cfg(target_os = "linux")]
        let given = {
            // systemd's names aren't used.
            let _names = accounts;
            systemd::take().map_err(problem)?
        };
        #[cfg(target_os = "macos")]
        let given = launchd::take(accounts).map_err(problem)?;
        let mut inherited = Self::default();
        for socket in given {
            inherited.add(socket).map_err(problem)?;
        }
        Ok(inherited)
    }

    /// Whether there are none, so that the daemon binds its own.
    pub fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.unix.is_empty()
    }

    /// The TCP addresses among them.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.tcp.keys().copied()
    }

    /// Whether one is bound to `address`.
    pub fn has(&self, address: SocketAddr) -> bool {
        self.tcp.contains_key(&address)
    }

    /// Whether one is bound to `path`, and clients still find it there.
    pub fn has_unix(&self, path: &Path) -> bool {
        self.named(path).is_some()
    }

    /// The socket bound to `address`, if there is one; it can be requested more than once.
    ///
    /// # Errors
    /// If its descriptor can't be duplicated or registered.
    pub fn tcp(&self, address: SocketAddr) -> io::Result<Option<tokio::net::TcpListener>> {
        let Some(listener) = self.tcp.get(&address) else {
            return Ok(None);
        };
        tokio::net::TcpListener::from_std(listener.try_clone()?).map(Some)
    }

    /// Like [`Inherited::tcp`], for the unix socket at `path`.
    ///
    /// # Errors
    /// If its descriptor can't be duplicated or registered.
    pub fn unix(&self, path: &Path) -> io::Result<Option<tokio::net::UnixListener>> {
        let Some(listener) = self.named(path) else {
            return Ok(None);
        };
        tokio::net::UnixListener::from_std(listener.try_clone()?).map(Some)
    }

    fn named(&self, path: &Path) -> Option<&UnixListener> {
        let path = settled(path);
        let (listener, name) = self.unix.get(&path)?;
        name.is_at(&path).then_some(listener)
    }

    fn add(&mut self, socket: OwnedFd) -> io::Result<()> {
        if sockopt::socket_type(&socket)? != SocketType::STREAM || !listens(&socket)? {
            return Err(io::Error::other(
                "one of them isn't a listening stream socket",
            ));
        }
        let address = getsockname(&socket)?;
        match address.address_family() {
            AddressFamily::INET | AddressFamily::INET6 => {
                let address = SocketAddr::try_from(address)?;
                // The configuration refuses such addresses, but a unit file isn't checked by it.
                if !address.ip().is_loopback() {
                    return Err(io::Error::other(format!(
                        "{address} isn't a loopback address"
                    )));
                }
                let listener = TcpListener::from(socket);
                listener.set_nonblocking(true)?;
                self.tcp.insert(address, listener);
            }
            AddressFamily::UNIX => {
                let path = path_of(&address)
                    .ok_or_else(|| io::Error::other("one of them is a socket without a name"))?;
                let listener = UnixListener::from(socket);
                listener.set_nonblocking(true)?;
                let path = settled(&path);
                match SocketName::of(&path) {
                    Ok(name) => drop(self.unix.insert(path, (listener, name))),
                    Err(error) => {
                        let path = path.display();
                        tracing::warn!(%path, %error, "clients can't find the supervisor's socket");
                    }
                }
            }
            family => {
                return Err(io::Error::other(format!(
                    "{family:?} sockets aren't supported"
                )));
            }
        }
        Ok(())
    }
}

fn path_of(address: &SocketAddrAny) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;

    let address = rustix::net::SocketAddrUnix::try_from(address.clone()).ok()?;
    let bytes = address.path_bytes()?;
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(&bytes[..end])))
}

/// A path in its one spelling with all links in its folder resolved.
fn settled(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(not(target_os = "macos"))]
fn listens(socket: &OwnedFd) -> io::Result<bool> {
    Ok(sockopt::socket_acceptconn(socket)?)
}

/// macOS can't tell; launchd only hands over listening sockets.
#[cfg(target_os = "macos")]
#[expect(clippy::unnecessary_wraps, reason = "other systems can fail to tell")]
fn listens(_socket: &OwnedFd) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn o2_a_socket_is_known_by_its_address_whatever_leads_there() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, dir.path().join("link")).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let unix = UnixListener::bind(dir.path().join("link/proxy.sock")).unwrap();

        let mut inherited = Inherited::default();
        assert!(inherited.is_empty());
        inherited.add(tcp.into()).unwrap();
        inherited.add(unix.into()).unwrap();
        assert!(inherited.tcp(address).unwrap().is_some());
        assert!(inherited.tcp(address).unwrap().is_some(), "again");
        assert!(inherited.unix(&real.join("proxy.sock")).unwrap().is_some());
        assert!(inherited.unix(&real.join("other.sock")).unwrap().is_none());
        // Once its name is removed, clients no longer find it.
        std::fs::remove_file(real.join("proxy.sock")).unwrap();
        assert!(!inherited.has_unix(&real.join("proxy.sock")));
    }

    #[test]
    fn d1_a_socket_open_to_the_network_or_of_another_kind_is_refused() {
        let mut inherited = Inherited::default();
        let open = TcpListener::bind("0.0.0.0:0").unwrap();
        let refused = inherited.add(open.into()).unwrap_err();
        assert!(
            refused.to_string().contains("isn't a loopback address"),
            "{refused}"
        );
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let refused = inherited.add(datagrams.into()).unwrap_err();
        assert!(refused.to_string().contains("stream socket"), "{refused}");
    }
}
