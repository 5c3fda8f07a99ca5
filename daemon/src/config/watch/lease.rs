//! Whether somebody has a file open for writing, which Linux tells by refusing a lease on it.
//!
//! Events can't tell it of a folder that nobody watched when the file was opened. A read lease is
//! granted only while nobody has the file open for writing (fcntl(2), "Leases").

use std::path::Path;

/// Whether somebody has the file at `path` open for writing, as far as the system tells: of files
/// of other users it doesn't, and some file systems know no leases. May block.
#[cfg(target_os = "linux")]
pub(super) fn is_open_for_writing(path: &Path) -> bool {
    use rustix::fs::{FileType, Mode, OFlags, fstat, open};

    // A pipe that nobody has opened would hold us up.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = open(path, flags, Mode::empty()) else {
        return false;
    };
    let is_file = fstat(&file)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    is_file && is_lease_refused(&file)
}

/// Elsewhere nothing tells it: time alone decides.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_open_for_writing(_: &Path) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn is_lease_refused(file: &std::os::fd::OwnedFd) -> bool {
    use std::os::fd::AsRawFd;

    let number = file.as_raw_fd();
    #[expect(
        unsafe_code,
        reason = "there is no safe wrapper of F_SETSIG and F_SETLEASE"
    )]
    let set = |command: libc::c_int, to: libc::c_int| {
        // SAFETY: the descriptor is open as long as `file` lives, and both commands take a number.
        match unsafe { libc::fcntl(number, command, to) } {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    // Whoever opens the file to write meanwhile waits for this lease to end, and a signal asks us
    // to end it: the usual one would end the whole program, this one is ignored.
    if set(F_SETSIG, libc::SIGURG).is_err() {
        return false;
    }
    match set(libc::F_SETLEASE, libc::F_RDLCK) {
        Ok(()) => {
            // Closing the file ends the lease too, should this fail.
            let _ended = set(libc::F_SETLEASE, libc::F_UNLCK);
            false
        }
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}

/// Which signal asks for the end of a lease (`include/uapi/asm-generic/fcntl.h`); libc has no name
/// for it.
#[cfg(target_os = "linux")]
const F_SETSIG: libc::c_int = 10;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_seen_until_it_ends_however_the_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, "whole").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(!is_open_for_writing(&link));
        let writer = std::fs::OpenOptions::new()
            .append(true)
            .open(&file)
            .unwrap();
        assert!(is_open_for_writing(&link));
        drop(writer);
        let _reader = std::fs::File::open(&file).unwrap();
        assert!(!is_open_for_writing(&link));
        // No lease is left that would hold this up.
        std::fs::write(&link, "another").unwrap();
    }

    #[test]
    fn what_is_no_file_has_no_writer_and_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_open_for_writing(dir.path()));
        assert!(!is_open_for_writing(&dir.path().join("missing")));
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(!is_open_for_writing(&socket));
    }
}
