//! Sockets by launchd's protocol (launch_activate_socket(3)), which identifies them by name.

use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use crate::config::AccountName;

/// The sockets of this job, under the names that its plist gives them.
pub(super) fn take<'a>(
    accounts: impl Iterator<Item = &'a AccountName>,
) -> io::Result<Vec<OwnedFd>> {
    let own = accounts.flat_map(|name| [format!("account-{name}"), format!("account6-{name}")]);
    let mut sockets = Vec::new();
    for name in COMMON.map(ToOwned::to_owned).into_iter().chain(own) {
        sockets.extend(activate(&name)?);
    }
    Ok(sockets)
}

/// The sockets with one name; none if this process isn't a launchd job or has no such name.
fn activate(name: &str) -> io::Result<Vec<OwnedFd>> {
    let name = CString::new(name)?;
    let mut descriptors: *mut c_int = std::ptr::null_mut();
    let mut count = 0;
    #[expect(
        unsafe_code,
        reason = "there is no safe wrapper of launch_activate_socket"
    )]
    // SAFETY: the name ends with a zero byte; both results have room, and are only read if the call
    // says that it has filled them.
    let verdict = unsafe { launch_activate_socket(name.as_ptr(), &mut descriptors, &mut count) };
    match io::Error::from_raw_os_error(verdict) {
        _ if verdict == 0 => {}
        error if NOT_OURS.contains(&verdict) => {
            tracing::debug!(%error, "launchd has no such socket");
            return Ok(Vec::new());
        }
        error => return Err(error),
    }
    let mut sockets = Vec::with_capacity(count);
    #[expect(unsafe_code, reason = "the descriptors lie in memory of the library's")]
    // SAFETY: the call has written `count` open descriptors there, which now belong to the caller,
    // and the list itself is the caller's to free.
    unsafe {
        for index in 0..count {
            sockets.push(OwnedFd::from_raw_fd(*descriptors.add(index)));
        }
        free(descriptors.cast());
    }
    for socket in &sockets {
        rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok(sockets)
}

#[expect(unsafe_code, reason = "functions of the system's own library")]
unsafe extern "C" {
    fn launch_activate_socket(
        name: *const c_char,
        descriptors: *mut *mut c_int,
        count: *mut usize,
    ) -> c_int;
    fn free(memory: *mut c_void);
}

/// The plist's names for the sockets that don't belong to an account.
const COMMON: [&str; 4] = ["proxy", "proxy6", "proxy-socket", "control-socket"];

/// ENOENT: the plist has no such name. ESRCH: this process isn't a launchd job.
const NOT_OURS: [c_int; 2] = [2, 3];
