//! Sockets to listen on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use loopdesk_protocol::{Kind, Problem};
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::holder;
use crate::config::AccountName;

/// Binds a listener to `address`, shared or for one account; `None` for `[::1]` on a machine
/// without IPv6.
///
/// # Errors
/// A problem of kind `daemon` that names the holder of the port and suggests a free one.
pub fn tcp(
    address: SocketAddr,
    account: Option<&AccountName>,
) -> Result<Option<TcpListener>, Problem> {
    match listen(address) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if address.is_ipv6() && is_no_address(&error) => {
            tracing::info!(%address, "this machine has no IPv6 loopback");
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(in_use(address, account)),
        Err(error) => Err(Problem::new(
            Kind::Daemon,
            format!("can't listen on {address}: {error}"),
        )
        .hint("run `loopdesk config show`")),
    }
}

/// Binds a listener to the unix socket `path`, which only this user can open. The folder must be
/// private already.
///
/// # Errors
/// A problem of kind `daemon` that names what is in the way.
pub fn unix(path: &Path) -> Result<UnixListener, Problem> {
    let problem = |what: String| Problem::new(Kind::Daemon, what);
    let shown = path.display();
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(problem(format!("`{shown}` can't be read: {error}"))),
        Ok(meta) if !meta.file_type().is_socket() => {
            let way_out = match meta.is_dir() {
                true => format!("run `mv '{shown}' '{shown}.old'`"),
                false => format!("run `rm '{shown}'`"),
            };
            return Err(
                problem(format!("`{shown}` is in the way and isn't a socket")).hint(way_out),
            );
        }
        Ok(meta) if meta.uid() != rustix::process::getuid().as_raw() => {
            return Err(problem(format!(
                "`{shown}` belongs to user {}, not to you",
                meta.uid()
            )));
        }
        // A crash leaves behind a socket without a listener. Only a refused connection proves that:
        // a listener with a full backlog doesn't refuse.
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(|e| {
                    problem(format!("`{shown}` is stale and can't be removed: {e}"))
                })?;
            }
            _ => {
                return Err(problem(format!("another program listens on `{shown}`"))
                    .hint("run `loopdesk status`"));
            }
        },
    }
    let listener =
        UnixListener::bind(path).map_err(|e| problem(format!("can't listen on `{shown}`: {e}")))?;
    // From the first moment on, the folder keeps others out.
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))
        .map_err(|e| problem(format!("`{shown}` can't be made private: {e}")))?;
    Ok(listener)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restart must not wait for connections in TIME_WAIT. Never use SO_REUSEPORT: with it another
    // user's program could take a share of the connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether the kernel or the loopback interface has no IPv6.
fn is_no_address(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

fn in_use(address: SocketAddr, account: Option<&AccountName>) -> Problem {
    let who = holder::of(address).map_or_else(String::new, |who| format!(", held by {who}"));
    let problem = Problem::new(
        Kind::Daemon,
        format!("port {} is already in use{who}", address.port()),
    );
    let free = (address.port().saturating_add(1)..=u16::MAX)
        .take(PROPOSALS)
        .find(|port| is_free(*port));
    let port = free.map_or_else(|| "PORT".to_owned(), |port| port.to_string());
    problem.hint(match account {
        Some(name) => format!("run `loopdesk account set {name} port {port}`"),
        None => format!("run `loopdesk config set listen 127.0.0.1:{port},[::1]:{port}`"),
    })
}

/// Whether the port is free on both addresses that `localhost` resolves to.
fn is_free(port: u16) -> bool {
    let free = |ip: IpAddr| match listen(SocketAddr::new(ip, port)) {
        Ok(_) => true,
        Err(error) => ip.is_ipv6() && is_no_address(&error),
    };
    free(Ipv4Addr::LOCALHOST.into()) && free(Ipv6Addr::LOCALHOST.into())
}

/// Enough for any burst of scripts that start together; the kernel has a cap of its own.
const BACKLOG: u32 = 1024;

/// How many ports to try for a suggestion.
const PROPOSALS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_held_port_is_named_with_its_holder_and_a_free_one() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let problem = tcp(address, None).unwrap_err();
        assert!(problem.message.contains(&address.port().to_string()));
        if cfg!(target_os = "linux") {
            let own = format!("process {}", std::process::id());
            assert!(problem.message.contains(&own), "{problem}");
        }
        assert!(problem.hints[0].starts_with("run `loopdesk config set listen 127.0.0.1:"));
        let own = tcp(address, Some(&"acme".parse().unwrap())).unwrap_err();
        assert!(own.hints[0].starts_with("run `loopdesk account set acme port "));
    }

    #[tokio::test]
    async fn d1_a_stale_socket_is_replaced_and_a_live_or_foreign_thing_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proxy.sock");
        drop(unix(&path).unwrap());
        let live = unix(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let problem = unix(&path).unwrap_err();
        assert!(problem.message.contains("another program"), "{problem}");
        drop(live);

        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "precious").unwrap();
        let problem = unix(&path).unwrap_err();
        assert!(problem.message.contains("isn't a socket"), "{problem}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
