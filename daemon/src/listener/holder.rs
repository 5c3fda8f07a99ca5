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
    use std::net::SocketAddr;

    /// The uid and the inode of whatever listens on the port.
    pub(super) fn listener(address: SocketAddr) -> Option<(u32, u64)> {
        let files = if address.is_ipv4() {
            ["/proc/net/tcp", "/proc/net/tcp6"]
        } else {
            ["/proc/net/tcp6", "/proc/net/tcp"]
        };
        let port = format!(":{:04X}", address.port());
        files.iter().find_map(|file| {
            let table = fs::read_to_string(file).ok()?;
            table.lines().skip(1).find_map(|line| {
                // By white space: the columns move once the first one grows.
                let fields: Vec<_> = line.split_whitespace().collect();
                let is_listener = fields.get(3) == Some(&LISTEN) && fields[1].ends_with(&port);
                let uid = fields.get(7)?.parse().ok()?;
                let inode = fields.get(9)?.parse().ok()?;
                is_listener.then_some((uid, inode))
            })
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

    /// TCP_LISTEN of the kernel's tcp_states.h.
    const LISTEN: &str = "0A";
}
