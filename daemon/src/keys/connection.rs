//! What is known about the client of a connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::counter::{CallerProgram, UsageCounter};
use crate::config::AccountName;

/// How to find the process at the other end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trace {
    /// Its socket's inode.
    Socket(u64),
    /// Its process id.
    Process(u32),
    /// The system doesn't tell.
    #[default]
    Nothing,
}

/// A connection and what is known about its client.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) trace: Trace,
    /// Whether it came over TCP.
    pub(super) over_tcp: bool,
    /// The account of the first key that it sent.
    pub(super) keyed: OnceLock<AccountName>,
    program: Arc<CallerProgram>,
    is_asked_for: AtomicBool,
    is_gone: AtomicBool,
    /// The counters of its requests without a key, by account.
    counters: Mutex<Vec<(AccountName, Arc<UsageCounter>)>>,
}

impl Connection {
    pub(super) fn new(trace: Trace, over_tcp: bool) -> Self {
        Self {
            trace,
            over_tcp,
            keyed: OnceLock::new(),
            program: Arc::default(),
            is_asked_for: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            counters: Mutex::default(),
        }
    }

    pub(super) fn program(&self) -> &Arc<CallerProgram> {
        &self.program
    }

    /// Whether a search for its program was queued.
    pub(super) fn is_asked_for(&self) -> bool {
        self.is_asked_for.load(Ordering::Relaxed)
    }

    pub(super) fn asked_for(&self) {
        self.is_asked_for.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_gone(&self) {
        self.is_gone.store(true, Ordering::Relaxed);
    }

    /// Whether the client has disconnected, so that its socket no longer exists.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    pub(super) fn counters(&self) -> MutexGuard<'_, Vec<(AccountName, Arc<UsageCounter>)>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
