//! The background thread of local keys. It finds the program at the other end of a connection, saves
//! key usage, and checks whether the key file has changed, so that requests never wait for these.
//!
//! In an idle daemon the thread sleeps: it sets a timer only if there is something to save.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::KeysInner;
use super::connection::{Connection, Trace};
use super::counter::Program;
use crate::program;

/// The work for the thread.
#[derive(Debug)]
pub(super) struct WorkQueue {
    pending: Mutex<PendingJobs>,
    wakeup: Condvar,
    pace: Pace,
}

/// Limits on how often the thread works.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The time between two saves.
    pub(super) save: Duration,
    /// After a search of all processes, the thread rests for this many times as long as the search
    /// took. With thousands of processes, a loop of curls must not keep a core busy.
    pub(super) rest: u32,
}

#[derive(Debug, Default)]
struct PendingJobs {
    callers: VecDeque<Arc<Connection>>,
    look: bool,
    save: bool,
    stop: bool,
}

enum Job {
    Caller(Arc<Connection>),
    Look,
    Save,
    Stop,
}

impl WorkQueue {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pending: Mutex::default(),
            wakeup: Condvar::new(),
            pace,
        }
    }

    /// Queues a search for the program behind `connection`. Returns false if the queue is full; ask
    /// again then.
    pub(super) fn ask(&self, connection: &Arc<Connection>) -> bool {
        let mut pending = self.pending();
        let has_room = pending.callers.len() < QUEUE_MAX;
        if has_room {
            pending.callers.push_back(Arc::clone(connection));
            self.wakeup.notify_one();
        }
        has_room
    }

    /// Requests a check of the key file.
    pub(super) fn look(&self) {
        self.pending().look = true;
        self.wakeup.notify_one();
    }

    /// Requests a save at the next opportunity.
    pub(super) fn save(&self) {
        self.pending().save = true;
        self.wakeup.notify_one();
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.pending().stop = true;
        self.wakeup.notify_one();
    }

    /// Waits for the next job.
    fn next(&self, save_from: Instant, callers_from: Instant) -> Job {
        let mut pending = self.pending();
        loop {
            if pending.stop {
                return Job::Stop;
            }
            if std::mem::take(&mut pending.look) {
                return Job::Look;
            }
            let now = Instant::now();
            if pending.save && now >= save_from {
                pending.save = false;
                return Job::Save;
            }
            // A client that has disconnected needs no search, so it needn't wait its turn.
            let gone = pending
                .callers
                .iter()
                .position(|connection| connection.is_gone());
            let at = gone.or((now >= callers_from).then_some(0));
            if let Some(connection) = at.and_then(|at| pending.callers.remove(at)) {
                return Job::Caller(connection);
            }
            let save = pending.save.then_some(save_from);
            let callers = (!pending.callers.is_empty()).then_some(callers_from);
            let next = [save, callers].into_iter().flatten().min();
            pending = match next {
                Some(at) => {
                    let time = at.saturating_duration_since(now);
                    let waited = self.wakeup.wait_timeout(pending, time);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .wakeup
                    .wait(pending)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn pending(&self) -> MutexGuard<'_, PendingJobs> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works off `queue` until it is stopped or `keys` are dropped.
pub(super) fn run(queue: &WorkQueue, keys: &Weak<KeysInner>) {
    let mut save_from = Instant::now();
    let mut callers_from = save_from;
    let mut recent = RecentPids::default();
    loop {
        let job = queue.next(save_from, callers_from);
        let Some(keys) = keys.upgrade() else {
            return;
        };
        match job {
            Job::Stop => return,
            Job::Look => keys.look(),
            Job::Save => {
                keys.save_usage();
                save_from = Instant::now() + queue.pace.save;
            }
            Job::Caller(connection) => {
                let begun = Instant::now();
                let program = find(&connection, &mut recent);
                keys.usage.settle(&connection, program);
                callers_from = Instant::now() + begun.elapsed() * queue.pace.rest;
            }
        }
    }
}

fn find(connection: &Connection, recent: &mut RecentPids) -> Option<Program> {
    let process = match connection.trace {
        Trace::Process(process) => process,
        Trace::Socket(_) if connection.is_gone() => return None,
        Trace::Socket(inode) => {
            let process = program::holder(inode, &recent.0)?;
            recent.note(process);
            process
        }
        Trace::Nothing => return None,
    };
    Some(Program {
        name: program::name(process)?.into(),
        process: Some(process),
    })
}

/// The processes that connected last: most scripts open one connection after another.
#[derive(Default)]
struct RecentPids(Vec<u32>);

impl RecentPids {
    fn note(&mut self, process: u32) {
        self.0.retain(|known| *known != process);
        self.0.insert(0, process);
        self.0.truncate(RECENT_MAX);
    }
}

/// The pace of the daemon; tests use a faster one.
pub(super) const PACE: Pace = Pace {
    save: Duration::from_secs(60),
    rest: 4,
};

/// More than the maximum number of connections, and it takes little memory.
const QUEUE_MAX: usize = 1024;
const RECENT_MAX: usize = 8;
