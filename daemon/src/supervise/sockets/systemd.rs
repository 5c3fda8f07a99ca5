//! Sockets by systemd's protocol (sd_listen_fds(3)).

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// The sockets meant for this process. Programs that it starts don't inherit them.
pub(super) fn take() -> io::Result<Vec<OwnedFd>> {
    let given = sd_notify::listen_fds()?;
    Ok(given.map(own).collect())
}

#[expect(
    unsafe_code,
    reason = "a descriptor that was inherited can be owned in no other way"
)]
fn own(number: i32) -> OwnedFd {
    // SAFETY: systemd opened it for this process, as `LISTEN_PID` states; `listen_fds` has just set
    // a flag on it, so it is open; nothing else here takes over inherited descriptors.
    unsafe { OwnedFd::from_raw_fd(number) }
}
