//! The kernel's notifications that an address, a route or a rule has changed: a netlink route
//! socket (rtnetlink(7)), or a routing socket on macOS (route(4)).
//!
//! The messages aren't parsed. However many arrive, the socket is read a few times a second at
//! most, and the kernel drops whatever doesn't fit into a small buffer.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use tokio::net::UnixDatagram;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// The source of hints: a datagram socket. `UnixDatagram` is only the type that lets tokio wait for
/// it.
#[derive(Debug)]
pub(super) struct Hints(UnixDatagram);

impl Hints {
    /// Opens the socket; hints are received from now on. Needs a runtime.
    pub(super) fn open() -> io::Result<Self> {
        let socket = open()?;
        // Best effort: a smaller buffer only saves memory.
        let _sized = set_socket_recv_buffer_size(&socket, BUFFER);
        let socket = StdDatagram::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self(UnixDatagram::from_std(socket)?))
    }

    /// Passes hints on for as long as there are receivers.
    pub(super) async fn pass_on(self, tell: watch::Sender<Option<Instant>>) {
        while !tell.is_closed() && self.0.readable().await.is_ok() {
            sleep(SETTLE).await;
            if self.drain() {
                tell.send_replace(Some(Instant::now()));
            }
            sleep(PAUSE).await;
        }
    }

    /// Reads all pending messages; returns whether there were any.
    fn drain(&self) -> bool {
        let mut heard = false;
        for _ in 0..BATCH {
            match self.0.try_recv(&mut [0; 256]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // ENOBUFS means that messages were dropped, which is a hint as well.
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

/// One change of network causes many messages, and renewing a lease may remove its address for a
/// moment.
const SETTLE: Duration = Duration::from_millis(100);

/// Together with the time above, at most three reads a second, however busy a machine full of
/// containers is.
const PAUSE: Duration = Duration::from_millis(250);

/// Room for some messages; one is enough.
const BUFFER: usize = 8 << 10;

/// More than the buffer holds.
const BATCH: usize = 64;
