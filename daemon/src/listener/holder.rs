//! Which program holds a port, as far as the system can tell.

use std::net::SocketAddr;

#[cfg(target_os = "linux")]
use crate::program;

/// A description such as `nginx (process 4711)` or `user 1000`.
#[cfg(target_os = "linux")]
pub(super) fn of(address: SocketAddr) -> Option<String> {
    let (uid, inode) = linux::listener(address)?;
    let process = program::holder(inode, &[]);
    let named = process.and_then(|process| Some((program::name(process)?, process)));
    Some(match named {
        Some((name, process)) => format!("{name} (process {process})"),
        None => format!("a program of user {uid}"),
    })
}

/// Other systems offer this only through their own tools.
#[cfg(not(target_os = "linux"))]
pub(super) fn of(_address: SocketAddr) -> Option<String> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    use crate::peer::proc_net;
    use crate::peer::state::TcpState;

    /// The uid and inode of the listener on the port, in either family: a listener on `[::]` also
    /// holds the port of `127.0.0.1`.
    pub(super) fn listener(address: SocketAddr) -> Option<(u32, u64)> {
        let families = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        families.into_iter().find_map(|family: IpAddr| {
            let rows = proc_net::rows(family).ok()?;
            let holds = |row: &&proc_net::SocketRow| {
                row.state == TcpState::Listen && row.local.port() == address.port()
            };
            rows.iter().find(holds).map(|row| (row.uid, row.inode))
        })
    }
}
