//! Sockets by systemd's protocol (sd_listen_fds(3)).

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// The sockets meant for this process. None of them reaches a program that it starts.
pub(super) fn take() -> io::Result<Vec<OwnedFd>> {
    let given = sd_notify::listen_fds()?;
    Ok(given.map(own).collect())
}

#[expect(
    unsafe_code,
    reason = "a descriptor that was inherited can be owned in no other way"
)]
fn own(number: i32) -> OwnedFd {
    // SAFETY: systemd opened it for this process and told so in `LISTEN_PID`; `listen_fds` has
    // just set a flag on it, so that it is open; nothing else here takes inherited descriptors.
    unsafe { OwnedFd::from_raw_fd(number) }
}
