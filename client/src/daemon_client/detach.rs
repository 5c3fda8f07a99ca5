//! Detaches a daemon from the process that starts it, which may be a cron job that holds a lock, or
//! a shell that waits for the end of a pipe.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use tokio::process::Command;

/// Makes `command` run in its own session, and inherit no open files except standard input, output
/// and error. It has to be spawned before what this returns is dropped.
///
/// # Errors
/// If the open files can't be listed.
pub(super) fn detach(command: &mut Command) -> io::Result<KeptFiles> {
    let kept = keep_open_files()?;
    let begin = || rustix::process::setsid().map(drop).map_err(Into::into);
    #[expect(
        unsafe_code,
        reason = "the child has to start the session before its program runs"
    )]
    // SAFETY: only async-signal-safe code may run between fork and exec. This is a single system
    // call, without allocations or locks.
    unsafe {
        command.pre_exec(begin);
    }
    Ok(kept)
}

/// Inherited files that a spawned program doesn't get. Dropping this lets the next one have them again.
#[derive(Debug, Default)]
#[must_use = "the files are kept only as long as this lives"]
pub(super) struct KeptFiles(Vec<RawFd>);

impl Drop for KeptFiles {
    fn drop(&mut self) {
        for number in &self.0 {
            // It was listed as open, and nothing here has closed it.
            let _closed = set_flags(*number, FdFlags::empty());
        }
    }
}

/// Sets close-on-exec on all inherited files. Files that this process opened have it already.
fn keep_open_files() -> io::Result<KeptFiles> {
    let open = std::fs::read_dir("/dev/fd")?.flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    let numbers: Vec<_> = numbers.filter(|number| *number > STANDARD_ERROR).collect();
    let mut kept = KeptFiles::default();
    for number in numbers {
        match flags(number) {
            Ok(flags) if flags.contains(FdFlags::CLOEXEC) => continue,
            Ok(_) => {}
            // As the directory's own descriptor was.
            Err(Errno::BADF) => continue,
            Err(error) => return Err(error.into()),
        }
        set_flags(number, FdFlags::CLOEXEC)?;
        kept.0.push(number);
    }
    Ok(kept)
}

fn flags(number: RawFd) -> rustix::io::Result<FdFlags> {
    #[expect(unsafe_code, reason = "inherited files have no owner in this process")]
    // SAFETY: it isn't read, written or closed. If it was closed since, the call fails with EBADF.
    let file = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_getfd(file)
}

fn set_flags(number: RawFd, flags: FdFlags) -> rustix::io::Result<()> {
    #[expect(unsafe_code, reason = "inherited files have no owner in this process")]
    // SAFETY: as above.
    let file = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_setfd(file, flags)
}

const STANDARD_ERROR: RawFd = 2;

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use super::*;

    #[tokio::test]
    async fn o2_a_detached_program_has_its_own_session_and_none_of_our_files() {
        let file = tempfile::tempfile().unwrap();
        // As a shell's `exec 9>lock` has it.
        fcntl_setfd(&file, FdFlags::empty()).unwrap();
        let given: File = file;
        let script = format!(
            "test -e /dev/fd/{} && echo given; ps -o sid= -p $$; echo $$",
            given.as_raw_fd()
        );
        let said = async |detached: bool| {
            let mut command = Command::new("sh");
            command.args(["-c", &script]);
            let kept = detached.then(|| detach(&mut command).unwrap());
            let output = command.output().await.unwrap();
            drop(kept);
            let text = String::from_utf8(output.stdout).unwrap();
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let before = said(false).await;
        assert_eq!(before[0], "given", "{before:?}");
        assert_ne!(before[1], before[2]);
        let detached = said(true).await;
        assert_eq!(
            said(false).await[0],
            "given",
            "the next program gets it again"
        );
        assert_eq!(detached.len(), 2, "{detached:?}");
        assert_eq!(detached[0], detached[1], "it leads its session");
    }
}
