//! The state of an accepted socket, which only the socket itself can tell.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::state::TcpState;

/// The accepted socket's current state.
pub(super) fn state(socket: BorrowedFd<'_>) -> io::Result<TcpState> {
    let mut number = 0_u8;
    let mut length = size_of_val(&number) as libc::socklen_t;
    #[expect(unsafe_code, reason = "there is no safe wrapper of this option")]
    // SAFETY: `number` has as many bytes as `length` says, and both outlive the call. Both systems
    // copy no more than that much of their structure, which begins with the state.
    let verdict = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            INFO,
            (&raw mut number).cast(),
            &raw mut length,
        )
    };
    if verdict != 0 {
        return Err(io::Error::last_os_error());
    }
    named(number).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(target_os = "linux")]
const INFO: libc::c_int = libc::TCP_INFO;
#[cfg(target_os = "macos")]
const INFO: libc::c_int = libc::TCP_CONNECTION_INFO;

#[cfg(target_os = "linux")]
fn named(number: u8) -> Option<TcpState> {
    TcpState::of_linux(number)
}

#[cfg(target_os = "macos")]
fn named(number: u8) -> Option<TcpState> {
    TcpState::of_xnu(number.into())
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::*;

    #[test]
    fn d1_the_accepted_socket_tells_how_its_client_has_left() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                // A machine without IPv6.
                continue;
            };
            let connect = || {
                let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                (client, listener.accept().unwrap().0)
            };
            let (client, server) = connect();
            assert_eq!(state(server.as_fd()).unwrap(), TcpState::Established);
            client.shutdown(Shutdown::Write).unwrap();
            // The peer's end may still be on its way.
            while state(server.as_fd()).unwrap() == TcpState::Established {}
            assert_eq!(state(server.as_fd()).unwrap(), TcpState::CloseWait);
            drop(client);
            assert_eq!(state(server.as_fd()).unwrap(), TcpState::CloseWait);

            let (client, server) = connect();
            let linger = Some(Duration::ZERO);
            rustix::net::sockopt::set_socket_linger(&client, linger).unwrap();
            drop(client);
            while state(server.as_fd()).is_ok_and(|state| state == TcpState::Established) {}
            let after = state(server.as_fd());
            assert!(matches!(after, Ok(TcpState::Close) | Err(_)), "{after:?}");
        }
    }

    #[test]
    fn what_has_no_state_is_an_error() {
        let file = std::fs::File::open("/").unwrap();
        assert!(state(file.as_fd()).is_err());
    }
}
