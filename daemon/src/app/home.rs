//! Whether this daemon can still be found, and is still the only one: its folders may be removed,
//! or replaced by others with the same names.

use std::time::Duration;

use loopdesk_protocol::{Kind, Paths, Problem};
use tokio::task::JoinHandle;
use tokio::time::Interval;

use super::watchdog::every;
use crate::supervise::instance::{InstanceLock, LockRefused};
use crate::supervise::runtime_dir;

/// Watches the folders of one daemon.
#[derive(Debug)]
pub(super) struct Home {
    /// The folders as the environment gives them.
    paths: Paths,
    lock: InstanceLock,
    look: Interval,
    looking: Option<JoinHandle<FoldersSeen>>,
}

/// Where the sockets belong; or why there is no place for them, or why this daemon must end.
pub(super) type FoldersSeen = Result<Result<Paths, Problem>, Problem>;

impl Home {
    pub(super) fn new(paths: Paths, lock: InstanceLock) -> Self {
        Self {
            paths,
            lock,
            look: every(LOOK),
            looking: None,
        }
    }

    /// Checks the folders now and then. Cancel-safe.
    pub(super) async fn seen(&mut self) -> FoldersSeen {
        let looking = match &mut self.looking {
            Some(looking) => looking,
            none => {
                self.look.tick().await;
                let (paths, lock) = (self.paths.clone(), self.lock.clone());
                // The home may be on a slow network file system.
                none.insert(tokio::task::spawn_blocking(move || look(&paths, &lock)))
            }
        };
        let seen = looking.await;
        self.looking = None;
        let lost = |e| Problem::new(Kind::Internal, format!("can't check the folders: {e}"));
        seen.unwrap_or_else(|e| Ok(Err(lost(e))))
    }
}

fn look(paths: &Paths, lock: &InstanceLock) -> FoldersSeen {
    match lock.renew() {
        Err(held @ LockRefused::Held { .. }) => {
            let message = format!("{held}, in the current state folder");
            return Err(Problem::new(Kind::Daemon, message));
        }
        Err(LockRefused::Unusable(problem)) => {
            tracing::warn!(%problem, "another daemon could start beside this one");
        }
        Ok(()) => {}
    }
    Ok(runtime_dir::settle(paths))
}

/// A command that finds no socket waits for longer before it gives up.
const LOOK: Duration = Duration::from_secs(5);
