//! Detaches a daemon from the process that starts it, which may be a cron job that holds a lock, or
//! a shell that waits for the end of a pipe.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};
use tokio::process::Command;

/// Makes `command` run in its own session, and inherit no open files except standard input, output
/// and error.
///
/// # Errors
/// If the open files can't be listed.
pub(super) fn detach(command: &mut Command) -> io::Result<()> {
    keep_open_files()?;
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
    Ok(())
}

/// Sets close-on-exec on all inherited files. Files that this process opened have it already.
fn keep_open_files() -> io::Result<()> {
    let open = std::fs::read_dir("/dev/fd")?.flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    let numbers: Vec<_> = numbers.filter(|number| *number > STANDARD_ERROR).collect();
    for number in numbers {
        #[expect(unsafe_code, reason = "inherited files have no owner in this process")]
        // SAFETY: it isn't read, written or closed. If it was closed since, as the directory's own
        // descriptor was, the call fails with EBADF.
        let file = unsafe { BorrowedFd::borrow_raw(number) };
        match fcntl_setfd(file, FdFlags::CLOEXEC) {
            Ok(()) | Err(rustix::io::Errno::BADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
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
            if detached {
                detach(&mut command).unwrap();
            }
            let output = command.output().await.unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let before = said(false).await;
        assert_eq!(before[0], "given", "{before:?}");
        assert_ne!(before[1], before[2]);
        let detached = said(true).await;
        assert_eq!(detached.len(), 2, "{detached:?}");
        assert_eq!(detached[0], detached[1], "it leads its session");
    }
}
