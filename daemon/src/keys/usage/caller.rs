//! The program at the other end of a connection.

use std::sync::{Arc, OnceLock, Weak};

use super::UsageLog;
use crate::keys::connection::{Connection, Trace};
use crate::keys::counter::Program;

/// The client of a connection. It lives as long as the connection; clones share it.
#[derive(Clone, Debug)]
pub struct Caller(Arc<CallerHandle>);

impl Caller {
    /// A client on the unix socket.
    pub fn new(trace: Trace) -> Self {
        Self::of(trace, false)
    }

    /// A client on a TCP connection.
    pub fn over_tcp(trace: Trace) -> Self {
        Self::of(trace, true)
    }

    fn of(trace: Trace, over_tcp: bool) -> Self {
        Self(Arc::new(CallerHandle {
            connection: Arc::new(Connection::new(trace, over_tcp)),
            usage: OnceLock::new(),
        }))
    }

    /// Names the program, so that no search for it is made; `None` if it isn't known. Only the first call
    /// counts.
    pub(crate) fn is(&self, program: Option<Program>) {
        self.0.connection.asked_for();
        self.0.connection.program().settle(program);
    }

    /// The program's name, once it was looked up; `Some(None)` if it couldn't be found.
    pub(crate) fn program(&self) -> Option<Option<Arc<str>>> {
        let known = self.0.connection.program().known()?;
        Some(known.as_ref().map(|program| Arc::clone(&program.name)))
    }

    pub(super) fn connection(&self, usage: &Arc<UsageLog>) -> &Arc<Connection> {
        self.0.usage.get_or_init(|| Arc::downgrade(usage));
        &self.0.connection
    }
}

/// Marks the connection as closed when the last clone is dropped.
#[derive(Debug)]
struct CallerHandle {
    connection: Arc<Connection>,
    usage: OnceLock<Weak<UsageLog>>,
}

impl Drop for CallerHandle {
    fn drop(&mut self) {
        self.connection.has_gone();
        // Its program was never looked up. Its requests must be counted all the same.
        if !self.connection.is_asked_for()
            && let Some(usage) = self.usage.get().and_then(Weak::upgrade)
        {
            usage.settle(&self.connection, None);
        }
    }
}
