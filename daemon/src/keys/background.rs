//! The background thread of local keys. It finds the program at the other end of a connection, saves
//! key usage, and checks whether the key file has changed, so that requests never wait for these.
//!
//! In an idle daemon the thread sleeps: it sets a timer only if there is something to save.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::KeysInner;
use super::connection::{Connection, Trace};
use super::tally::Program;
use crate::program;

/// The work for the thread.
#[derive(Debug)]
pub(super) struct Board {
    todo: Mutex<Todo>,
    bell: Condvar,
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
struct Todo {
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

impl Board {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            todo: Mutex::default(),
            bell: Condvar::new(),
            pace,
        }
    }

    /// Queues a search for the program behind `connection`. Returns false if the queue is full; ask
    /// again then.
    pub(super) fn ask(&self, connection: &Arc<Connection>) -> bool {
        let mut todo = self.todo();
        let has_room = todo.callers.len() < QUEUE;
        if has_room {
            todo.callers.push_back(Arc::clone(connection));
            self.bell.notify_one();
        }
        has_room
    }

    /// Requests a check of the key file.
    pub(super) fn look(&self) {
        self.todo().look = true;
        self.bell.notify_one();
    }

    /// Requests a save at the next opportunity.
    pub(super) fn save(&self) {
        self.todo().save = true;
        self.bell.notify_one();
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.todo().stop = true;
        self.bell.notify_one();
    }

    /// Waits for the next job.
    fn next(&self, save_from: Instant, callers_from: Instant) -> Job {
        let mut todo = self.todo();
        loop {
            if todo.stop {
                return Job::Stop;
            }
            if std::mem::take(&mut todo.look) {
                return Job::Look;
            }
            let now = Instant::now();
            if todo.save && now >= save_from {
                todo.save = false;
                return Job::Save;
            }
            // A client that has disconnected needs no search, so it needn't wait its turn.
            let gone = todo
                .callers
                .iter()
                .position(|connection| connection.is_gone());
            let at = gone.or((now >= callers_from).then_some(0));
            if let Some(connection) = at.and_then(|at| todo.callers.remove(at)) {
                return Job::Caller(connection);
            }
            let save = todo.save.then_some(save_from);
            let callers = (!todo.callers.is_empty()).then_some(callers_from);
            let next = [save, callers].into_iter().flatten().min();
            todo = match next {
                Some(at) => {
                    let time = at.saturating_duration_since(now);
                    let waited = self.bell.wait_timeout(todo, time);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.bell.wait(todo).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn todo(&self) -> MutexGuard<'_, Todo> {
        self.todo.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works off `board` until it is stopped or `keys` are dropped.
pub(super) fn run(board: &Board, keys: &Weak<KeysInner>) {
    let mut save_from = Instant::now();
    let mut callers_from = save_from;
    let mut likely = Likely::default();
    loop {
        let job = board.next(save_from, callers_from);
        let Some(keys) = keys.upgrade() else {
            return;
        };
        match job {
            Job::Stop => return,
            Job::Look => keys.look(),
            Job::Save => {
                keys.save_uses();
                save_from = Instant::now() + board.pace.save;
            }
            Job::Caller(connection) => {
                let begun = Instant::now();
                let program = find(&connection, &mut likely);
                keys.uses.settle(&connection, program);
                callers_from = Instant::now() + begun.elapsed() * board.pace.rest;
            }
        }
    }
}

fn find(connection: &Connection, likely: &mut Likely) -> Option<Program> {
    let process = match connection.trace {
        Trace::Process(process) => process,
        Trace::Socket(_) if connection.is_gone() => return None,
        Trace::Socket(inode) => {
            let process = program::holder(inode, &likely.0)?;
            likely.note(process);
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
struct Likely(Vec<u32>);

impl Likely {
    fn note(&mut self, process: u32) {
        self.0.retain(|known| *known != process);
        self.0.insert(0, process);
        self.0.truncate(LIKELY);
    }
}

/// The pace of the daemon; tests use a faster one.
pub(super) const PACE: Pace = Pace {
    save: Duration::from_secs(60),
    rest: 4,
};

/// More than the maximum number of connections, and it takes little memory.
const QUEUE: usize = 1024;
const LIKELY: usize = 8;
