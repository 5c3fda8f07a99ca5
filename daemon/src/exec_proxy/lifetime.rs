//! When the command ends.

use std::io;

use loopdesk_protocol::Problem;
use tokio::sync::oneshot;

use super::failed;

/// A process that is watched.
#[derive(Debug)]
pub(super) struct Lifetime(oneshot::Receiver<io::Result<()>>);

impl Lifetime {
    /// Watches the process with this id.
    ///
    /// The id might be another process's already. Whoever watches has to hear from the one that is
    /// meant after that.
    ///
    /// # Errors
    /// If it has ended, or the system can't watch processes.
    pub(super) fn of(process: u32) -> Result<Self, Problem> {
        let watch = || -> io::Result<Self> {
            let watched = system::Watched::open(process)?;
            let (tell, told) = oneshot::channel();
            std::thread::Builder::new()
                .name("lifetime".to_owned())
                .stack_size(STACK)
                // Nobody listens any more if the helper ends for another reason.
                .spawn(move || drop(tell.send(watched.wait())))?;
            Ok(Self(told))
        };
        watch().map_err(|error| failed("the command can't be watched", &error))
    }

    /// Waits until it has ended, however it did.
    pub(super) async fn end(self) {
        match self.0.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the command can't be watched any more"),
            Err(_) => tracing::error!("the thread that watches the command has ended"),
        }
    }
}

/// Enough for one system call.
const STACK: usize = 128 << 10;

#[cfg(target_os = "linux")]
mod system {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    /// A pidfd, which is readable once its process has ended.
    #[derive(Debug)]
    pub(super) struct Watched(OwnedFd);

    impl Watched {
        pub(super) fn open(process: u32) -> io::Result<Self> {
            let process = i32::try_from(process).ok().and_then(Pid::from_raw);
            let process = process.ok_or(io::ErrorKind::InvalidInput)?;
            Ok(Self(pidfd_open(process, PidfdFlags::empty())?))
        }

        /// Blocks until the process has ended.
        pub(super) fn wait(self) -> io::Result<()> {
            loop {
                match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None) {
                    Ok(_) => return Ok(()),
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

#[cfg(target_os = "macos")]
mod system {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::buffer::spare_capacity;
    use rustix::event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, kevent, kqueue};
    use rustix::process::Pid;

    /// A kqueue that reports the end of one process.
    #[derive(Debug)]
    pub(super) struct Watched(OwnedFd);

    impl Watched {
        pub(super) fn open(process: u32) -> io::Result<Self> {
            let process = i32::try_from(process).ok().and_then(Pid::from_raw);
            let pid = process.ok_or(io::ErrorKind::InvalidInput)?;
            let queue = kqueue()?;
            let filter = EventFilter::Proc {
                pid,
                flags: ProcessEvents::EXIT,
            };
            let event = Event::new(filter, EventFlags::ADD, std::ptr::null_mut());
            let mut none = Vec::<Event>::new();
            #[expect(
                unsafe_code,
                reason = "the queue could be given descriptors that are closed"
            )]
            // SAFETY: the event names a process, not a descriptor.
            unsafe {
                kevent(&queue, &[event], &mut none, None)?;
            }
            Ok(Self(queue))
        }

        /// Blocks until the process has ended.
        pub(super) fn wait(self) -> io::Result<()> {
            let mut ended = Vec::<Event>::with_capacity(1);
            loop {
                #[expect(
                    unsafe_code,
                    reason = "the queue could be given descriptors that are closed"
                )]
                // SAFETY: no event is added.
                let told = unsafe { kevent(&self.0, &[], spare_capacity(&mut ended), None) };
                match told {
                    Ok(0) | Err(rustix::io::Errno::INTR) => {}
                    Ok(_) => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[tokio::test]
    async fn s9_the_end_of_a_process_is_noticed_and_one_that_is_gone_is_an_error() {
        let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
        let lifetime = Lifetime::of(sleeper.id()).unwrap();
        let mut end = std::pin::pin!(lifetime.end());
        tokio::select! {
            () = end.as_mut() => panic!("it runs"),
            () = tokio::time::sleep(std::time::Duration::from_millis(50)) => {}
        }
        sleeper.kill().unwrap();
        end.await;
        let id = sleeper.id();
        sleeper.wait().unwrap();
        assert!(Lifetime::of(id).is_err());
    }
}
