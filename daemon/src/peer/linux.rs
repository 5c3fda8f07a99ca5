//! Looks up one connection in the kernel's socket tables, over netlink (sock_diag(7)).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_packet_sock_diag::{AF_INET, AF_INET6, IPPROTO_TCP, SockDiagMessage, TCP_LISTEN};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr as Kernel};

use super::PeerSocket;
use super::state::TcpState;

/// A netlink socket, opened for the first query and kept.
#[derive(Debug, Default)]
pub(super) struct SockDiag(Mutex<Option<Socket>>);

impl SockDiag {
    /// The socket whose connection leads from `peer` to `local`. The kernel answers before `send`
    /// returns, so nothing blocks.
    pub(super) fn find(
        &self,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> io::Result<Option<PeerSocket>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = match slot.take() {
            Some(socket) => socket,
            None => open()?,
        };
        let answer = ask(&socket, local, peer)?;
        // Kept only after a success: after a failure it may still hold an unread answer.
        *slot = Some(socket);
        Ok(answer)
    }
}

fn open() -> io::Result<Socket> {
    let socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.set_non_blocking(true)?;
    socket.connect(&Kernel::new(0, 0))?;
    Ok(socket)
}

fn ask(socket: &Socket, local: SocketAddr, peer: SocketAddr) -> io::Result<Option<PeerSocket>> {
    // From the peer's point of view, it is the source.
    let id = SocketId {
        source_port: peer.port(),
        destination_port: local.port(),
        source_address: peer.ip(),
        destination_address: local.ip(),
        interface_id: 0,
        cookie: ANY_COOKIE,
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    let request = InetRequest {
        family: match peer.ip() {
            IpAddr::V4(_) => AF_INET,
            IpAddr::V6(_) => AF_INET6,
        },
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id: id,
    };
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut buffer = vec![0; message.buffer_len()];
    message.serialize(&mut buffer);
    socket.send(&buffer, 0)?;

    let mut buffer = [0; ANSWER_MAX];
    let length = socket.recv(&mut &mut buffer[..], 0)?;
    let answer = NetlinkMessage::<SockDiagMessage>::deserialize(&buffer[..length])
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    match answer.payload {
        NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(found)) => {
            let found = found.header;
            // If no connection matches, the kernel falls back to a listener on the peer's port.
            let exact = found.state != TCP_LISTEN
                && found.socket_id.source_port == peer.port()
                && found.socket_id.destination_port == local.port();
            if !exact {
                return Ok(None);
            }
            let state = TcpState::of_linux(found.state).ok_or(io::ErrorKind::InvalidData)?;
            Ok(Some(PeerSocket::of_linux(
                found.uid,
                found.inode.into(),
                state,
            )))
        }
        NetlinkPayload::Error(error) => match error.to_io() {
            error if error.kind() == io::ErrorKind::NotFound => Ok(None),
            error => Err(error),
        },
        NetlinkPayload::InnerMessage(_)
        | NetlinkPayload::Done(_)
        | NetlinkPayload::Noop
        | NetlinkPayload::Overrun(_) => Err(io::ErrorKind::InvalidData.into()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// INET_DIAG_NOCOOKIE, twice.
const ANY_COOKIE: [u8; 8] = [0xff; 8];

/// An answer without extensions has about 100 bytes.
const ANSWER_MAX: usize = 1024;
