//! How much of a TCP connection the other end has acknowledged. Only the kernel knows, and there is
//! no safe wrapper to ask it.
#![expect(
    unsafe_code,
    reason = "SIOCOUTQ, SO_NWRITE and TCP_INFO have no safe wrapper"
)]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// How many of the written bytes the other end has not acknowledged yet, including those not sent
/// yet.
#[cfg(target_os = "linux")]
pub(crate) fn unacknowledged(socket: impl AsFd) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is borrowed for the call, and TIOCOUTQ, which is SIOCOUTQ (tcp(7)),
    // writes one int.
    let verdict =
        unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    match verdict {
        0 => Ok(u64::try_from(bytes).unwrap_or_default()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The same on macOS.
#[cfg(target_os = "macos")]
pub(crate) fn unacknowledged(socket: impl AsFd) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    ask(socket, libc::SOL_SOCKET, libc::SO_NWRITE, &mut bytes)?;
    Ok(u64::try_from(bytes).unwrap_or_default())
}

/// How long ago the other end last acknowledged anything, even if only to say that it has no room.
#[cfg(target_os = "linux")]
pub(crate) fn since_last_ack(socket: impl AsFd) -> io::Result<Option<Duration>> {
    // SAFETY: a struct of integers, for which all zeros is a valid value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    ask(socket, libc::IPPROTO_TCP, libc::TCP_INFO, &mut info)?;
    let since = Duration::from_millis(info.tcpi_last_ack_recv.into());
    Ok(Some(since))
}

/// macOS doesn't offer this.
#[cfg(target_os = "macos")]
pub(crate) fn since_last_ack(_: impl AsFd) -> io::Result<Option<Duration>> {
    Ok(None)
}

/// One `getsockopt` call whose value is a struct of integers.
fn ask<T>(
    socket: impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    value: &mut T,
) -> io::Result<()> {
    let mut length = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the descriptor is borrowed for the call, and `value` has `length` bytes.
    let verdict = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            std::ptr::from_mut(value).cast(),
            &raw mut length,
        )
    };
    match verdict {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn r10_what_is_acknowledged_shows_and_what_finds_no_room_does_not_count_as_silence() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut there, _) = listener.accept().unwrap();
        here.write_all(b"hello").unwrap();
        there.read_exact(&mut [0; 5]).unwrap();
        // On loopback the kernel acknowledges before the bytes can be read.
        assert_eq!(unacknowledged(&here).unwrap(), 0);

        here.set_nonblocking(true).unwrap();
        while here.write(&[0; 64 << 10]).is_ok() {}
        assert!(unacknowledged(&here).unwrap() > 64 << 10);
        let since = since_last_ack(&here).unwrap();
        assert!(since.is_none_or(|since| since < Duration::from_secs(30)));
    }
}
