//! macOS tells what a process runs, but not which process has a TCP socket.

use std::path::Path;

pub(super) fn holder(_inode: u64, _likely: &[u32]) -> Option<u32> {
    None
}

pub(super) fn name(process: u32) -> Option<String> {
    let process = libc::c_int::try_from(process).ok()?;
    let mut buffer = [0_u8; PATH_MAX];
    #[expect(unsafe_code, reason = "there is no safe wrapper of proc_pidpath")]
    // SAFETY: `buffer` has the given number of bytes.
    let length =
        unsafe { libc::proc_pidpath(process, buffer.as_mut_ptr().cast(), PATH_MAX as u32) };
    let path = buffer.get(..usize::try_from(length).ok()?)?;
    let name = Path::new(std::str::from_utf8(path).ok()?).file_name()?;
    Some(name.to_str()?.to_owned())
}

/// PROC_PIDPATHINFO_MAXSIZE.
const PATH_MAX: usize = 4 * 1024;
