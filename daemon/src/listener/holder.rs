//! Who holds a port, as far as the system tells.

use std::net::SocketAddr;

/// A description such as `nginx (process 4711)` or `user 1000`.
#[cfg(target_os = "linux")]
pub(super) fn of(address: SocketAddr) -> Option<String> {
    let (uid, inode) = linux::listener(address)?;
    Some(match linux::process(inode) {
        Some((name, pid)) => format!("{name} (process {pid})"),
        None => format!("a program of user {uid}"),
    })
}

/// Other systems tell by tools of their own only.
#[cfg(not(target_os = "linux"))]
pub(super) fn of(_address: SocketAddr) -> Option<String> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    use crate::admission::peer::proc_net;

    /// The uid and the inode of whatever listens on the port, in either family: a listener on
    /// `[::]` holds the port of `127.0.0.1` too.
    pub(super) fn listener(address: SocketAddr) -> Option<(u32, u64)> {
        let families = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        families.into_iter().find_map(|family: IpAddr| {
            let rows = proc_net::rows(family).ok()?;
            let holds = |row: &&proc_net::Row| row.listens && row.local.port() == address.port();
            rows.iter().find(holds).map(|row| (row.uid, row.inode))
        })
    }

    /// The name and id of the process that has the socket open, among those we may look at.
    pub(super) fn process(inode: u64) -> Option<(String, u32)> {
        let link = format!("socket:[{inode}]");
        fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let mut open = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
            open.any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == link.as_str()))
                .then(|| {
                    let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                    // The name is whatever that program says; it goes to a terminal.
                    let name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
                    (name, pid)
                })
        })
    }
}
