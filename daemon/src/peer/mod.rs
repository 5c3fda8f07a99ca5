//! Which user is at the other end of a connection, and whether anybody is there at all.
//!
//! Loopback TCP carries no credentials, so the system is asked, once a connection and right after it
//! was accepted. This keeps other users out; it can't tell a script from a web page of the same
//! user's, which is what `Host` and `Origin` are judged for.
//!
//! The question goes by addresses, and so does the answer: it is about whoever has the peer's port
//! *now*. A peer that has left may have lent it to somebody else. So the accepted socket is asked
//! second. As long as its connection lives, no other one can have the same addresses, and what was
//! found before is its peer.

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

use self::state::State;
use crate::keys::Trace;
use crate::refusal::Refusal;
use crate::telemetry::Whom;

/// Who has opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The user whom this daemon serves.
    Own,
    /// Another user, by number.
    Other(u32),
    /// It is there, and the system doesn't tell whose it is; or it is root's, who may carry anybody's
    /// bytes: of containers, of `ssh -L`.
    Unknown,
}

impl Peer {
    /// By what its refusals are counted.
    pub fn whom(self) -> Whom {
        match self {
            Self::Own => Whom::Own,
            Self::Other(uid) => Whom::Other(uid),
            Self::Unknown => Whom::Unknown,
        }
    }

    /// Why nothing that this peer sends is served, not even with a local key.
    pub fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Other(_) => Some(Refusal::OtherUser),
            Self::Own | Self::Unknown => None,
        }
    }
}

/// Whoever has opened a connection has closed it already: nobody will ever know who that was.
/// Nothing that it has sent may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// What was seen of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who it is.
    pub peer: Peer,
    /// By what its process can be found.
    pub trace: Trace,
    /// Whether somebody was seen to hold the other end. If not, [`confirm`] tells more, later.
    pub is_held: bool,
}

/// Waits for what a peer that nobody holds may have sent last: its end may be on the way to us, on a
/// busy machine for some milliseconds.
///
/// # Errors
/// If it has gone.
pub async fn confirm(accepted: &impl AsFd) -> Result<(), Gone> {
    tokio::time::sleep(ON_THE_WAY).await;
    match accepted::state(accepted.as_fd()) {
        Ok(State::Established) => Ok(()),
        Ok(_) | Err(_) => Err(Gone),
    }
}

/// Asks the system about peers.
#[derive(Debug)]
pub struct Peers {
    own: u32,
    #[cfg(target_os = "linux")]
    kernel: linux::SockDiag,
}

impl Peers {
    /// Peers as this process's user sees them.
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
    /// A sentence for people where the system doesn't tell: TCP clients can't be served then.
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
                "the system takes our own connections for user {uid}'s"
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
    /// If the peer has gone.
    pub fn of_tcp(
        &self,
        accepted: &impl AsFd,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> Result<Seen, Gone> {
        let found = self.find(unmapped(local), unmapped(peer));
        let found = found.unwrap_or_else(|error| {
            tracing::warn!(%error, "the owner of a connection can't be looked up");
            None
        });
        // Not before the look-up: see above.
        let ours = accepted::state(accepted.as_fd()).map_err(|_| Gone)?;
        let peer = judge(self.own, found, ours)?;
        let holder = found.and_then(|found| found.holder);
        let inode = holder.and_then(|holder| holder.inode);
        Ok(Seen {
            peer,
            trace: inode.map_or(Trace::Nothing, Trace::Socket),
            is_held: holder.is_some(),
        })
    }

    /// Who has connected to a unix socket. The system has noted that at the time.
    ///
    /// # Errors
    /// If the peer has gone and its user can't be told.
    pub fn of_unix(&self, stream: &UnixStream) -> Result<Seen, Gone> {
        let noted = stream.peer_cred().map_err(|_| Gone)?;
        let peer = match noted.uid() {
            uid if uid == self.own => Peer::Own,
            uid => Peer::Other(uid),
        };
        let process = noted.pid().and_then(|process| u32::try_from(process).ok());
        Ok(Seen {
            peer,
            trace: process.map_or(Trace::Nothing, Trace::Process),
            is_held: true,
        })
    }

    #[cfg(target_os = "linux")]
    fn find(&self, local: SocketAddr, peer: SocketAddr) -> io::Result<Option<Found>> {
        self.kernel
            .find(local, peer)
            .or_else(|_| proc_net::find(local, peer))
    }

    #[cfg(target_os = "macos")]
    #[expect(clippy::unused_self, reason = "Linux keeps a socket for the question")]
    fn find(&self, local: SocketAddr, peer: SocketAddr) -> io::Result<Option<Found>> {
        Ok(pcb_list::find(&pcb_list::read()?, local, peer))
    }
}

impl Default for Peers {
    fn default() -> Self {
        Self::new()
    }
}

/// The socket at the other end, as the system has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    /// Whoever has it open; `None`: it was closed.
    holder: Option<Holder>,
    state: State,
}

/// Whoever has a socket open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    uid: u32,
    /// The socket's inode, where the system tells.
    inode: Option<u64>,
}

impl Found {
    /// Linux gives sockets that were closed inode 0, and user 0, who is not root then.
    #[cfg(target_os = "linux")]
    fn of_linux(uid: u32, inode: u64, state: State) -> Self {
        let inode = (inode != 0).then_some(inode);
        Self {
            holder: inode.map(|_| Holder { uid, inode }),
            state,
        }
    }
}

/// Decides by what was found at the peer's address and by the state in which our end was after that.
fn judge(own: u32, found: Option<Found>, ours: State) -> Result<Peer, Gone> {
    match found {
        Some(Found {
            holder: Some(Holder { uid, .. }),
            state: State::Established | State::FinWait1 | State::FinWait2 | State::Closing,
        }) if ours != State::Close => Ok(match uid {
            uid if uid == own => Peer::Own,
            0 => Peer::Unknown,
            uid => Peer::Other(uid),
        }),
        // A system that doesn't tell, or another network namespace behind an address translation.
        None
        | Some(Found {
            holder: None,
            state: State::Established,
        }) if ours == State::Established => Ok(Peer::Unknown),
        // Held by somebody who isn't connected yet, or closed with bytes on their way: what came here
        // is nobody's any more.
        Some(_) | None => Err(Gone),
    }
}

/// The kernel's tables don't know IPv4-mapped addresses.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Longer than a loopback's packets wait for their turn where everything is busy, and short beside a
/// request to Zendesk.
const ON_THE_WAY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
