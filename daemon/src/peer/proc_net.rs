//! `/proc/net/tcp` and `tcp6`: the kernel's socket tables as text (proc_net_tcp(5)).
//!
//! Slower than sock_diag, but available where that isn't: kernels without the module, sandboxes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::PeerSocket;
use super::state::TcpState;

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketRow {
    /// The socket's own address.
    pub(crate) local: SocketAddr,
    /// The other end's.
    pub(crate) remote: SocketAddr,
    /// Its state.
    pub(crate) state: TcpState,
    /// The user who owns it.
    pub(crate) uid: u32,
    /// The socket's inode, 0 if no process holds it any more.
    pub(crate) inode: u64,
}

/// All sockets of the family of `address`.
pub(crate) fn rows(address: IpAddr) -> io::Result<Vec<SocketRow>> {
    let table = match address {
        IpAddr::V4(_) => "/proc/net/tcp",
        IpAddr::V6(_) => "/proc/net/tcp6",
    };
    let text = std::fs::read_to_string(table)?;
    Ok(text.lines().skip(1).filter_map(row).collect())
}

/// The socket whose connection leads from `peer` to `local`.
pub(super) fn find(local: SocketAddr, peer: SocketAddr) -> io::Result<Option<PeerSocket>> {
    let is_it = |row: &SocketRow| {
        row.state != TcpState::Listen
            && canonical(row.local) == peer
            && canonical(row.remote) == local
    };
    let mut found = rows(peer.ip())?.into_iter().find(is_it);
    if found.is_none() && peer.is_ipv4() {
        // A socket connected to `::ffff:127.0.0.1` belongs to the other family, whose table may not
        // exist.
        let others = rows(Ipv6Addr::UNSPECIFIED.into()).unwrap_or_default();
        found = others.into_iter().find(is_it);
    }
    Ok(found.map(|row| PeerSocket::of_linux(row.uid, row.inode, row.state)))
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn row(line: &str) -> Option<SocketRow> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = address(fields.next()?)?;
    let remote = address(fields.next()?)?;
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    let state = TcpState::of_linux(state)?;
    // tx_queue:rx_queue, tr:tm->when and retrnsmt come before the user, timeout after it.
    let uid = fields.nth(3)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    Some(SocketRow {
        local,
        remote,
        state,
        uid,
        inode,
    })
}

/// The address is in 32-bit words, each in the machine's byte order; the port is not.
fn address(field: &str) -> Option<SocketAddr> {
    let (ip, port) = field.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |i: usize| {
        let digits = ip.get(i * 8..i * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_both_tables_are_read() {
        let four = "   0: 0100007F:2124 00000000:0000 0A 00000000:00000000 00:00000000 00000000  \
                    1000        0 12345 1 0000000000000000 100 0 0 10 0";
        let found = row(four).unwrap();
        assert_eq!(found.local, "127.0.0.1:8484".parse().unwrap());
        assert_eq!(found.state, TcpState::Listen);
        assert_eq!((found.uid, found.inode), (1000, 12345));
        let six = "   1: 00000000000000000000000001000000:2124 \
                   00000000000000000000000001000000:D431 01 00000000:00000000 00:00000000 00000000 \
                   1001        0 77 1 0000000000000000 20 4 30 10 -1";
        let found = row(six).unwrap();
        assert_eq!(found.local, "[::1]:8484".parse().unwrap());
        assert_eq!(found.remote, "[::1]:54321".parse().unwrap());
        assert_eq!(found.state, TcpState::Established);
    }

    #[test]
    fn a_real_connection_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let uid = rustix::process::getuid().as_raw();
        for target in [
            local.to_string(),
            format!("[::ffff:127.0.0.1]:{}", local.port()),
        ] {
            let Ok(client) = TcpStream::connect(&target) else {
                // A machine without IPv6.
                continue;
            };
            let peer = canonical(client.local_addr().unwrap());
            let found = find(local, peer).unwrap().unwrap();
            let holder = found.holder.unwrap();
            assert_eq!(holder.uid, uid, "{target}");
            assert!(holder.inode.is_some());
            assert_eq!(found.state, TcpState::Established);
        }
    }
}
