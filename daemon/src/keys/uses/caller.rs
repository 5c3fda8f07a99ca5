//! The other end of a connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use super::{Tally, Uses, lock};
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

/// Whoever has opened a connection. It lives as long as that does; clones are the same one.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Handle>);

impl Caller {
    /// The one who left this trace.
    pub fn new(trace: Trace) -> Self {
        Self::of(trace, false)
    }

    /// The one who left this trace and came by TCP.
    pub fn over_tcp(trace: Trace) -> Self {
        Self::of(trace, true)
    }

    fn of(trace: Trace, over_tcp: bool) -> Self {
        Self(Arc::new(Handle(Arc::new(Connection {
            trace,
            over_tcp,
            keyed: OnceLock::new(),
            peer: Arc::default(),
            is_asked_for: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            seats: Mutex::default(),
            uses: OnceLock::new(),
        }))))
    }

    /// The program's name, once somebody has looked; nothing in it if it will never be known.
    pub(crate) fn program(&self) -> Option<Option<Arc<str>>> {
        let known = self.0.0.peer.known()?;
        Some(known.as_ref().map(|program| Arc::clone(&program.name)))
    }

    pub(super) fn connection(&self, uses: &Arc<Uses>) -> &Arc<Connection> {
        self.0.0.uses.get_or_init(|| Arc::downgrade(uses));
        &self.0.0
    }
}

/// Tells what is known of the connection that its client has gone.
#[derive(Debug)]
struct Handle(Arc<Connection>);

impl Drop for Handle {
    fn drop(&mut self) {
        let connection = &self.0;
        connection.is_gone.store(true, Ordering::Relaxed);
        // Nobody had the time to look. What it has done must not be lost with it.
        if !connection.is_asked_for()
            && let Some(uses) = connection.uses.get().and_then(Weak::upgrade)
        {
            uses.settle(connection, None);
        }
    }
}

/// What is known of a connection.
#[derive(Debug)]
pub(in crate::keys) struct Connection {
    pub(in crate::keys) trace: Trace,
    /// Whether it came by TCP.
    pub(super) over_tcp: bool,
    /// The account whose key it has sent.
    pub(super) keyed: OnceLock<AccountName>,
    peer: Arc<Peer>,
    is_asked_for: AtomicBool,
    is_gone: AtomicBool,
    /// Where the requests are counted that it makes without a key.
    seats: Mutex<Vec<(AccountName, Arc<Tally>)>>,
    uses: OnceLock<Weak<Uses>>,
}

impl Connection {
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

    /// Whether the client has gone, and its socket with it.
    pub(in crate::keys) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    pub(super) fn seats(&self) -> MutexGuard<'_, Vec<(AccountName, Arc<Tally>)>> {
        lock(&self.seats)
    }
}

/// Which program it is, once that is known.
#[derive(Debug, Default)]
pub(in crate::keys) struct Peer(OnceLock<Option<Program>>);

impl Peer {
    pub(super) fn recalled(program: Program) -> Arc<Self> {
        Arc::new(Self(OnceLock::from(Some(program))))
    }

    /// `Some(None)`: it will never be known.
    pub(super) fn known(&self) -> Option<&Option<Program>> {
        self.0.get()
    }

    pub(super) fn settle(&self, program: Option<Program>) {
        // The first word counts: a process that is found later may be another one.
        let _known = self.0.set(program);
    }
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::keys) struct Program {
    /// Of an interpreter, with its script: all runs of a script are one program.
    pub(in crate::keys) name: Arc<str>,
    pub(in crate::keys) process: Option<u32>,
}
