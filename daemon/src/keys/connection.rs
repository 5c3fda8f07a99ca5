//! What is known of a connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::tally::{Peer, Tally};
use crate::config::AccountName;

/// By what the process at the other end of a connection can be found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trace {
    /// Its socket's inode.
    Socket(u64),
    /// Its own number.
    Process(u32),
    /// The system doesn't tell.
    #[default]
    Nothing,
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) trace: Trace,
    /// Whether it came by TCP.
    pub(super) over_tcp: bool,
    /// The account whose key it has sent.
    pub(super) keyed: OnceLock<AccountName>,
    peer: Arc<Peer>,
    is_asked_for: AtomicBool,
    is_gone: AtomicBool,
    /// Where the requests are counted that it makes without a key.
    seats: Mutex<Vec<(AccountName, Arc<Tally>)>>,
}

impl Connection {
    pub(super) fn new(trace: Trace, over_tcp: bool) -> Self {
        Self {
            trace,
            over_tcp,
            keyed: OnceLock::new(),
            peer: Arc::default(),
            is_asked_for: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            seats: Mutex::default(),
        }
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Whether somebody looks, or has looked, who it is.
    pub(super) fn is_asked_for(&self) -> bool {
        self.is_asked_for.load(Ordering::Relaxed)
    }

    pub(super) fn asked_for(&self) {
        self.is_asked_for.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_gone(&self) {
        self.is_gone.store(true, Ordering::Relaxed);
    }

    /// Whether the client has gone, and its socket with it.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    pub(super) fn seats(&self) -> MutexGuard<'_, Vec<(AccountName, Arc<Tally>)>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
