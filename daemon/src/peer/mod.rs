//! Which user is at the other end of a connection, and whether that end is still open.
//!
//! Loopback TCP carries no credentials, so the system is asked, once per connection and right after
//! accepting it. This keeps other users out; it can't tell a script from a web page of the same
//! user, which is what `Host` and `Origin` are checked for.
//!
//! The lookup goes by addresses, so it finds the process that has the peer's port *now*. If the
//! peer has left, another process may have taken the port over. So the accepted socket is asked
//! second: while its connection lives, no other one can have the same addresses, and what was found
//! before is its peer.

mod accepted;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(target_os = "macos", test))]
mod pcb_list;
#[cfg(target_os = "linux")]
pub(crate) mod proc_net;
pub(crate) mod state;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::net::UnixStream;

use self::state::TcpState;
use crate::error_response::ErrorResponse;
use crate::keys::Trace;
use crate::telemetry::Whom;

/// Who has opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The user that this daemon serves.
    Own,
    /// Another user, by uid.
    Other(u32),
    /// The peer is there, but the system doesn't tell who owns it; or it is root's, and may be
    /// forwarding for anyone: for containers, for `ssh -L`.
    Unknown,
}

impl Peer {
    /// The label under which its refusals are counted.
    pub fn whom(self) -> Whom {
        match self {
            Self::Own => Whom::Own,
            Self::Other(uid) => Whom::Other(uid),
            Self::Unknown => Whom::Unknown,
        }
    }

    /// The refusal for a peer that isn't served at all, not even with a local key.
    pub fn refusal(self) -> Option<ErrorResponse> {
        match self {
            Self::Other(_) => Some(ErrorResponse::OtherUser),
            Self::Own | Self::Unknown => None,
        }
    }
}

/// The peer has closed its connection, so its owner can no longer be found. Nothing that it sent
/// may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// What was found out about a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenPeer {
    /// Who it is.
    pub peer: Peer,
    /// How to find its process.
    pub trace: Trace,
    /// Whether a process was seen to hold the other end. If not, [`confirm`] can tell more later.
    pub is_held: bool,
}

/// Waits for the close of a peer whose socket no process holds: on a busy machine it may arrive
/// some milliseconds later.
///
/// # Errors
/// [`Gone`] if the peer has closed its end.
pub async fn confirm(accepted: &impl AsFd) -> Result<(), Gone> {
    tokio::time::sleep(ON_THE_WAY).await;
    match accepted::state(accepted.as_fd()) {
        Ok(TcpState::Established) => Ok(()),
        Ok(_) | Err(_) => Err(Gone),
    }
}

/// Looks up peers.
#[derive(Debug)]
pub struct Peers {
    own: u32,
    #[cfg(target_os = "linux")]
    kernel: linux::SockDiag,
}

impl Peers {
    /// Judges peers by this process's user.
    pub fn new() -> Self {
        Self {
            own: rustix::process::getuid().as_raw(),
            #[cfg(target_os = "linux")]
            kernel: linux::SockDiag::default(),
        }
    }

    /// Looks up a connection of this process to itself.
    ///
    /// # Errors
    /// A sentence for the user if the system doesn't tell who owns a connection: then TCP clients
    /// need a key.
    pub fn look_at_self(&self) -> Result<(), String> {
        let connect = || -> io::Result<(TcpStream, TcpStream)> {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let client = TcpStream::connect(listener.local_addr()?)?;
            Ok((client, listener.accept()?.0))
        };
        let ask = || -> io::Result<Result<Peer, Gone>> {
            let (client, server) = connect()?;
            let seen = self.of_tcp(&server, server.local_addr()?, client.local_addr()?);
            Ok(seen.map(|seen| seen.peer))
        };
        match ask() {
            Ok(Ok(Peer::Own)) => Ok(()),
            Ok(Ok(Peer::Other(uid))) => Err(format!(
                "the system reports our own connections as user {uid}'s"
            )),
            Ok(Ok(Peer::Unknown) | Err(Gone)) => {
                Err("the system doesn't tell which user owns a connection".to_owned())
            }
            Err(error) => Err(format!("127.0.0.1 can't be used: {error}")),
        }
    }

    /// Who has connected from `peer` to `local`, where `accepted` is our end of that connection.
    ///
    /// # Errors
    /// [`Gone`] if the peer has left.
    pub fn of_tcp(
        &self,
        accepted: &impl AsFd,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> Result<SeenPeer, Gone> {
        let found = self.find(unmapped(local), unmapped(peer));
        let found = found.unwrap_or_else(|error| {
            tracing::warn!(%error, "can't look up the owner of a connection");
            None
        });
        // Only after the lookup, see the module's documentation.
        let ours = accepted::state(accepted.as_fd()).map_err(|_| Gone)?;
        let peer = judge(self.own, found, ours)?;
        let holder = found.and_then(|found| found.holder);
        let inode = holder.and_then(|holder| holder.inode);
        Ok(SeenPeer {
            peer,
            trace: inode.map_or(Trace::Nothing, Trace::Socket),
            is_held: holder.is_some(),
        })
    }

    /// Who has connected to a unix socket, as the system recorded when it connected.
    ///
    /// # Errors
    /// [`Gone`] if the peer has left and its user can't be determined.
    pub fn of_unix(&self, stream: &UnixStream) -> Result<SeenPeer, Gone> {
        let noted = stream.peer_cred().map_err(|_| Gone)?;
        let peer = match noted.uid() {
            uid if uid == self.own => Peer::Own,
            uid => Peer::Other(uid),
        };
        let process = noted.pid().and_then(|process| u32::try_from(process).ok());
        Ok(SeenPeer {
            peer,
            trace: process.map_or(Trace::Nothing, Trace::Process),
            is_held: true,
        })
    }

    #[cfg(target_os = "linux")]
    fn find(&self, local: SocketAddr, peer: SocketAddr) -> io::Result<Option<PeerSocket>> {
        self.kernel
            .find(local, peer)
            .or_else(|_| proc_net::find(local, peer))
    }

    #[cfg(target_os = "macos")]
    #[expect(clippy::unused_self, reason = "Linux keeps a socket for the question")]
    fn find(&self, local: SocketAddr, peer: SocketAddr) -> io::Result<Option<PeerSocket>> {
        Ok(pcb_list::find(&pcb_list::read()?, local, peer))
    }
}

impl Default for Peers {
    fn default() -> Self {
        Self::new()
    }
}

/// The socket at the other end, as the system reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PeerSocket {
    /// Its owner; `None` if it was closed.
    holder: Option<Holder>,
    state: TcpState,
}

/// The owner of an open socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    uid: u32,
    /// The socket's inode, if the system tells it.
    inode: Option<u64>,
}

impl PeerSocket {
    /// Linux gives closed sockets inode 0 and user 0, which doesn't mean root then.
    #[cfg(target_os = "linux")]
    fn of_linux(uid: u32, inode: u64, state: TcpState) -> Self {
        let inode = (inode != 0).then_some(inode);
        Self {
            holder: inode.map(|_| Holder { uid, inode }),
            state,
        }
    }
}

/// Decides by what was found at the peer's address and by the state of our end after that.
fn judge(own: u32, found: Option<PeerSocket>, ours: TcpState) -> Result<Peer, Gone> {
    match found {
        Some(PeerSocket {
            holder: Some(Holder { uid, .. }),
            state:
                TcpState::Established | TcpState::FinWait1 | TcpState::FinWait2 | TcpState::Closing,
        }) if ours != TcpState::Close => Ok(match uid {
            uid if uid == own => Peer::Own,
            0 => Peer::Unknown,
            uid => Peer::Other(uid),
        }),
        // The system doesn't tell, or the peer is in another network namespace behind NAT.
        None
        | Some(PeerSocket {
            holder: None,
            state: TcpState::Established,
        }) if ours == TcpState::Established => Ok(Peer::Unknown),
        // The port belongs to a process that isn't connected yet, or the socket was closed with
        // bytes on their way: the owner of what arrived here can't be known.
        Some(_) | None => Err(Gone),
    }
}

/// The kernel's tables don't contain IPv4-mapped addresses.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Longer than loopback packets wait on a busy machine, and short compared with a request to
/// Zendesk.
const ON_THE_WAY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
