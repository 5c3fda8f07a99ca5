//! Listeners that systemd holds for this process and has handed to it (sd_listen_fds(3)).
//!
//! They are told apart by where they listen, and stay open for as long as the process lives: a door
//! that is closed and opened again gets the same one.

use std::net::SocketAddr;
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::sync::LazyLock;

use tokio::net::{TcpListener, UnixListener};

/// The one on `address`.
pub fn tcp(address: SocketAddr) -> Option<TcpListener> {
    let is_there = |one: &&std::net::TcpListener| one.local_addr().is_ok_and(|a| a == address);
    let one = HANDED.tcp.iter().find(is_there)?.try_clone().ok()?;
    one.set_nonblocking(true).ok()?;
    TcpListener::from_std(one).ok()
}

/// The one on `path`.
pub fn unix(path: &Path) -> Option<UnixListener> {
    let one = HANDED.unix_at(path)?.try_clone().ok()?;
    one.set_nonblocking(true).ok()?;
    UnixListener::from_std(one).ok()
}

/// Whether the name of the socket is systemd's to remove.
pub fn holds(path: &Path) -> bool {
    HANDED.unix_at(path).is_some()
}

#[derive(Debug, Default)]
struct Handed {
    tcp: Vec<std::net::TcpListener>,
    unix: Vec<StdUnixListener>,
}

impl Handed {
    fn take() -> Self {
        let mut handed = Self::default();
        let numbers = match sd_notify::listen_fds() {
            Ok(numbers) => numbers,
            Err(error) => {
                tracing::warn!(%error, "the sockets of the supervisor can't be taken");
                return handed;
            }
        };
        for number in numbers {
            #[expect(
                unsafe_code,
                reason = "the protocol hands these numbers to this process, which takes them once"
            )]
            let socket = unsafe { std::os::fd::OwnedFd::from_raw_fd(number) };
            let unix = StdUnixListener::from(socket);
            match unix.local_addr() {
                Ok(_) => handed.unix.push(unix),
                Err(_) => handed.tcp.push(std::os::fd::OwnedFd::from(unix).into()),
            }
        }
        handed
    }

    fn unix_at(&self, path: &Path) -> Option<&StdUnixListener> {
        let is_there = |one: &&StdUnixListener| {
            let address = one.local_addr();
            address.is_ok_and(|address| address.as_pathname() == Some(path))
        };
        self.unix.iter().find(is_there)
    }
}

static HANDED: LazyLock<Handed> = LazyLock::new(Handed::take);
