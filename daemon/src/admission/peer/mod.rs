//! Which user is at the other end of a connection.
//!
//! Loopback TCP carries no credentials, so the system is asked who owns the peer's socket, once a
//! connection and right after it was accepted. This keeps other users out; it can't tell a script
//! from a web page of the same user's, which is what `Host` and `Origin` are judged for.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(target_os = "macos", test))]
mod pcb_list;
#[cfg(target_os = "linux")]
pub(crate) mod proc_net;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use tokio::net::UnixStream;

use crate::keys::Trace;
use crate::refusal::Refusal;

/// Who has opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The user whom this daemon serves.
    Own,
    /// Another user, by number.
    Other(u32),
    /// Nobody knows: the system doesn't tell, or the peer is gone already.
    Unknown,
}

impl Peer {
    /// Why nothing that this peer sends is served, not even with a local key.
    pub fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Other(_) => Some(Refusal::OtherUser),
            Self::Own | Self::Unknown => None,
        }
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
        let ask = || -> io::Result<Peer> {
            let (client, server) = connect()?;
            Ok(self.of_tcp(server.local_addr()?, client.local_addr()?))
        };
        match ask() {
            Ok(Peer::Own) => Ok(()),
            Ok(Peer::Other(uid)) => Err(format!(
                "the system takes our own connections for user {uid}'s"
            )),
            Ok(Peer::Unknown) => {
                Err("the system doesn't tell which user owns a connection".to_owned())
            }
            Err(error) => Err(format!("127.0.0.1 can't be used: {error}")),
        }
    }

    /// Who has connected from `peer` to `local`.
    pub fn of_tcp(&self, local: SocketAddr, peer: SocketAddr) -> Peer {
        self.of_tcp_traced(local, peer).0
    }

    /// Who has connected from `peer` to `local`, and by what their process can be found.
    pub fn of_tcp_traced(&self, local: SocketAddr, peer: SocketAddr) -> (Peer, Trace) {
        match self.owner(unmapped(local), unmapped(peer)) {
            Ok(owner) => {
                let inode = owner.and_then(|owner| owner.inode);
                let trace = inode.map_or(Trace::Nothing, Trace::Socket);
                (judge(self.own, owner), trace)
            }
            Err(error) => {
                tracing::warn!(%error, "the owner of a connection can't be looked up");
                (Peer::Unknown, Trace::Nothing)
            }
        }
    }

    /// Who has connected to a unix socket.
    pub fn of_unix(&self, stream: &UnixStream) -> Peer {
        match stream.peer_cred() {
            Ok(credentials) if credentials.uid() == self.own => Peer::Own,
            Ok(credentials) => Peer::Other(credentials.uid()),
            Err(_) => Peer::Unknown,
        }
    }

    /// By what the process can be found that has connected to a unix socket.
    pub fn trace_of_unix(&self, stream: &UnixStream) -> Trace {
        let process = stream.peer_cred().ok().and_then(|peer| peer.pid());
        let process = process.and_then(|process| u32::try_from(process).ok());
        process.map_or(Trace::Nothing, Trace::Process)
    }

    #[cfg(target_os = "linux")]
    fn owner(&self, local: SocketAddr, peer: SocketAddr) -> io::Result<Option<Owner>> {
        self.kernel
            .owner(local, peer)
            .or_else(|_| proc_net::owner(local, peer))
    }

    #[cfg(target_os = "macos")]
    #[expect(clippy::unused_self, reason = "Linux keeps a socket for the question")]
    fn owner(&self, local: SocketAddr, peer: SocketAddr) -> io::Result<Option<Owner>> {
        Ok(pcb_list::owner(&pcb_list::read()?, local, peer))
    }
}

impl Default for Peers {
    fn default() -> Self {
        Self::new()
    }
}

/// Whose socket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The user.
    pub(crate) uid: u32,
    /// Whether some process still holds the socket; otherwise the user is meaningless.
    pub(crate) held: bool,
    /// The socket's inode, where the system tells.
    pub(crate) inode: Option<u64>,
}

/// Sockets that nobody holds any more read as user 0. Those of root itself may carry anybody's
/// bytes: of containers, of `ssh -L`.
fn judge(own: u32, owner: Option<Owner>) -> Peer {
    match owner {
        Some(Owner {
            held: true, uid, ..
        }) if uid == own => Peer::Own,
        Some(Owner {
            held: true, uid, ..
        }) if uid != 0 => Peer::Other(uid),
        Some(_) | None => Peer::Unknown,
    }
}

/// The kernel's tables don't know IPv4-mapped addresses.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_u1_who_is_served_by_the_owner_of_the_peers_socket() {
        let owner = |uid, held| {
            Some(Owner {
                uid,
                held,
                inode: None,
            })
        };
        let table = [
            (1000, owner(1000, true), Peer::Own),
            (1000, owner(1001, true), Peer::Other(1001)),
            // Root's, which may be a container's or ssh's.
            (1000, owner(0, true), Peer::Unknown),
            // Closed already.
            (1000, owner(0, false), Peer::Unknown),
            (1000, owner(1000, false), Peer::Unknown),
            (1000, None, Peer::Unknown),
            // The daemon itself runs as root.
            (0, owner(0, true), Peer::Own),
            (0, owner(0, false), Peer::Unknown),
            (0, owner(1000, true), Peer::Other(1000)),
        ];
        for (own, owner, expected) in table {
            assert_eq!(judge(own, owner), expected, "{own} sees {owner:?}");
        }
    }

    #[test]
    fn d1_the_system_knows_our_own_connections() {
        assert_eq!(Peers::new().look_at_self(), Ok(()));
    }

    #[test]
    fn d1_a_peer_that_is_gone_is_unknown_a_half_closed_one_is_not() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let peers = Peers::new();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, peer) = listener.accept().unwrap();
            let local = server.local_addr().unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(peers.of_tcp(local, peer), Peer::Own);
            drop(client);
            assert_eq!(peers.of_tcp(local, peer), Peer::Unknown);
            drop(server);
            assert_eq!(peers.of_tcp(local, peer), Peer::Unknown);
        }
    }
}
