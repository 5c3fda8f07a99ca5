//! How many descriptors this process may hold, and how they are shared out.
//!
//! Out of descriptors, a daemon can't accept connections, reach Zendesk or write records. So each
//! use has a share that the others can't take.

mod child;

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) use self::child::give_back;

/// Raises the soft limit to the hard one. The soft one is low (1024 on Linux, 256 under launchd)
/// for the sake of programs that use select(2). The daemon doesn't; a program that it starts may,
/// and gets the caller's limit back by `give_back`. Call this once per process.
pub fn raise() {
    let callers = getrlimit(Resource::Nofile);
    if CALLERS.set(callers).is_err() {
        return;
    }
    let to = |current| Rlimit {
        current,
        maximum: callers.maximum,
    };
    if setrlimit(Resource::Nofile, to(callers.maximum)).is_ok() {
        return;
    }
    // macOS accepts no more than that, even if it reports that there is no limit.
    let most = callers.maximum.map_or(OPEN_MAX, |most| most.min(OPEN_MAX));
    if callers.current.is_some_and(|current| current < most)
        && let Err(error) = setrlimit(Resource::Nofile, to(Some(most)))
    {
        tracing::warn!(%error, "can't raise the limit on open files");
    }
}

/// How many of each may exist at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Connections of scripts. Each may need one to Zendesk, and leave another one in the pool.
    pub connections: usize,
    /// Connections that are being refused with an answer.
    pub rejections: usize,
    /// Connections of the command line.
    pub control: usize,
}

impl Room {
    /// What this process has left now, apart from `listeners` that are still to be opened.
    pub fn now(listeners: usize) -> Self {
        let limit = getrlimit(Resource::Nofile).current;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let limit = limit.unwrap_or(usize::MAX);
        let taken = open().saturating_add(listeners).saturating_add(OWN);
        let room = Self::within(limit.saturating_sub(taken));
        tracing::info!(limit, ?room, "open files are shared out");
        room
    }

    fn within(left: usize) -> Self {
        let control = (left / 8).clamp(4, 128);
        let rejections = (left / 16).clamp(2, 32);
        // Records, the configuration, logs, name servers, and the pages of a login.
        let rest = (left / 8).clamp(8, 64);
        let scripts = left.saturating_sub(control + rejections + rest);
        Self {
            connections: (scripts / 3).clamp(4, CONNECTIONS),
            rejections,
            control,
        }
    }
}

/// How many descriptors are open, including the one used to count them.
fn open() -> usize {
    std::fs::read_dir("/dev/fd").map_or(OWN, Iterator::count)
}

/// The limit with which this process was started.
static CALLERS: OnceLock<Rlimit> = OnceLock::new();

/// `OPEN_MAX` of macOS's `sys/syslimits.h`.
const OPEN_MAX: u64 = 10_240;

/// For the runtime, the file watcher, the lock, and a D-Bus connection.
const OWN: usize = 32;

/// Far more than a user's scripts open.
const CONNECTIONS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_p18_the_shares_of_a_few_descriptors_leave_room_for_each_use() {
        for left in [100, 215, 500, 1000, 4000, 1_000_000] {
            let room = Room::within(left);
            let used = 3 * room.connections + room.rejections + room.control;
            assert!(used + 8 <= left, "{left}: {room:?}");
            assert!(room.connections >= left.min(1500) / 6, "{left}: {room:?}");
        }
        assert_eq!(Room::within(usize::MAX).connections, CONNECTIONS);
        assert!(Room::within(0).connections > 0);
    }

    // Each test runs in its own process, so this limit affects no other test.
    #[test]
    fn o2_the_limit_is_raised_and_a_child_gets_the_callers_back() {
        let hard = getrlimit(Resource::Nofile).maximum;
        let callers = Rlimit {
            current: Some(200),
            maximum: hard,
        };
        setrlimit(Resource::Nofile, callers).unwrap();
        raise();
        let raised = getrlimit(Resource::Nofile).current;
        assert!(raised.is_none_or(|limit| limit > 200), "{raised:?}");
        let mut child = std::process::Command::new("sh");
        give_back(child.args(["-c", "ulimit -Sn"]));
        let said = child.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "200");
        let mut other = std::process::Command::new("sh");
        let said = other.args(["-c", "ulimit -Sn"]).output().unwrap();
        assert_ne!(String::from_utf8_lossy(&said.stdout).trim(), "200");
    }
}
