//! The kernel's own word that an address, a route or a rule has changed: a netlink route socket
//! (rtnetlink(7)), or a routing socket on macOS (route(4)).
//!
//! What it says is not read. However much comes, this looks at it a few times a second at most, and
//! the kernel throws away what doesn't fit into a small buffer.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use tokio::net::UnixDatagram;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// Where hints come from: a socket that gives datagrams, which is all that its type is to say.
#[derive(Debug)]
pub(super) struct Hints(UnixDatagram);

impl Hints {
    /// Listens from now on. Needs a runtime.
    pub(super) fn open() -> io::Result<Self> {
        let socket = open()?;
        // Best effort: the buffer's size is no more than thrift.
        let _sized = set_socket_recv_buffer_size(&socket, BUFFER);
        let socket = StdDatagram::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self(UnixDatagram::from_std(socket)?))
    }

    /// Tells of hints for as long as anybody listens.
    pub(super) async fn pass_on(self, tell: watch::Sender<Option<Instant>>) {
        while !tell.is_closed() && self.0.readable().await.is_ok() {
            sleep(SETTLE).await;
            if self.drain() {
                tell.send_replace(Some(Instant::now()));
            }
            sleep(PAUSE).await;
        }
    }

    /// Takes what has come, and says whether that was anything.
    fn drain(&self) -> bool {
        let mut heard = false;
        for _ in 0..BATCH {
            match self.0.try_recv(&mut [0; 256]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // ENOBUFS says that something was thrown away, which is a hint as well.
                Ok(_) | Err(_) => heard = true,
            }
        }
        heard
    }
}

#[cfg(target_os = "linux")]
fn open() -> io::Result<OwnedFd> {
    use rustix::net::netlink::SocketAddrNetlink;
    use rustix::net::{AddressFamily, SocketFlags, SocketType};

    let (family, flags) = (AddressFamily::NETLINK, SocketFlags::CLOEXEC);
    let socket = rustix::net::socket_with(family, SocketType::RAW, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    Ok(socket)
}

#[cfg(target_os = "macos")]
fn open() -> io::Result<OwnedFd> {
    use rustix::io::{FdFlags, fcntl_setfd};
    use rustix::net::{AddressFamily, SocketType};

    let socket = rustix::net::socket(AddressFamily::ROUTE, SocketType::RAW, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    Ok(socket)
}

/// Addresses, routes and rules of both families, as bits (linux/rtnetlink.h): RTNLGRP_IPV4_IFADDR
/// is 5, _ROUTE 7, _RULE 8; RTNLGRP_IPV6_IFADDR is 9, _ROUTE 11, _RULE 19.
#[cfg(target_os = "linux")]
const GROUPS: u32 = 1 << 4 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 18;

/// One change of network is many messages, and a lease that is renewed may take its address away
/// for a moment.
const SETTLE: Duration = Duration::from_millis(100);

/// With the time above: at most three looks a second, whatever a machine full of containers does.
const PAUSE: Duration = Duration::from_millis(250);

/// Some messages; one of them is enough.
const BUFFER: usize = 8 << 10;

/// More than the buffer holds.
const BATCH: usize = 64;
