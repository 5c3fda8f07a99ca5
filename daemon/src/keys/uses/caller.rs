//! The other end of a connection.

use std::sync::{Arc, OnceLock, Weak};

use super::Uses;
use crate::keys::connection::{Connection, Trace};

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
        Self(Arc::new(Handle {
            connection: Arc::new(Connection::new(trace, over_tcp)),
            uses: OnceLock::new(),
        }))
    }

    /// The program's name, once somebody has looked; nothing in it if it will never be known.
    pub(crate) fn program(&self) -> Option<Option<Arc<str>>> {
        let known = self.0.connection.peer().known()?;
        Some(known.as_ref().map(|program| Arc::clone(&program.name)))
    }

    pub(super) fn connection(&self, uses: &Arc<Uses>) -> &Arc<Connection> {
        self.0.uses.get_or_init(|| Arc::downgrade(uses));
        &self.0.connection
    }
}

/// Tells what is known of the connection that its client has gone.
#[derive(Debug)]
struct Handle {
    connection: Arc<Connection>,
    uses: OnceLock<Weak<Uses>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.connection.has_gone();
        // Nobody had the time to look. What it has done must not be lost with it.
        if !self.connection.is_asked_for()
            && let Some(uses) = self.uses.get().and_then(Weak::upgrade)
        {
            uses.settle(&self.connection, None);
        }
    }
}
