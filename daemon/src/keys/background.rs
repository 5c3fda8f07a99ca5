//! What is done behind the requests' back, by one thread: who is at the other end of a connection,
//! what was last used, and whether somebody has changed the file of keys.
//!
//! An idle daemon's thread sleeps: it has no timer of its own unless something is to be saved.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::Inner;
use super::connection::{Connection, Trace};
use super::tally::Program;
use crate::program;

/// What is to be done.
#[derive(Debug)]
pub(super) struct Board {
    todo: Mutex<Todo>,
    bell: Condvar,
    pace: Pace,
}

/// How often something is done at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// From one save to the next.
    pub(super) save: Duration,
    /// After a search among all processes, so many times what it took: on a machine with thousands of
    /// them, a loop of curls must not cost a core.
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

    /// Asks who it is. Says whether there was room for the question; if not, ask again.
    pub(super) fn ask(&self, connection: &Arc<Connection>) -> bool {
        let mut todo = self.todo();
        let has_room = todo.callers.len() < QUEUE;
        if has_room {
            todo.callers.push_back(Arc::clone(connection));
            self.bell.notify_one();
        }
        has_room
    }

    /// Asks whether the file has changed.
    pub(super) fn look(&self) {
        self.todo().look = true;
        self.bell.notify_one();
    }

    /// Asks for what was used to be saved, in time.
    pub(super) fn save(&self) {
        self.todo().save = true;
        self.bell.notify_one();
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.todo().stop = true;
        self.bell.notify_one();
    }

    /// Waits for something to do.
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
            // Whose client has gone is told without a search.
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

/// Does what is on `board` until it says stop, or `keys` are gone.
pub(super) fn run(board: &Board, keys: &Weak<Inner>) {
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

/// Processes that have connected lately: most scripts open one connection after the other.
#[derive(Default)]
struct Likely(Vec<u32>);

impl Likely {
    fn note(&mut self, process: u32) {
        self.0.retain(|known| *known != process);
        self.0.insert(0, process);
        self.0.truncate(LIKELY);
    }
}

/// In use.
pub(super) const PACE: Pace = Pace {
    save: Duration::from_secs(60),
    rest: 4,
};

/// More than there can be connections, and next to nothing in memory.
const QUEUE: usize = 1024;
const LIKELY: usize = 8;
