//! The control socket: opened where it belongs, and again if its name has disappeared.

use std::path::Path;
use std::sync::Arc;

use loopdesk_protocol::Problem;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::listeners;
use crate::control::Control;
use crate::supervise::runtime_dir::SocketName;
use crate::supervise::sockets::Inherited;

/// The listener for the command line.
#[derive(Debug)]
pub(super) struct ControlListener {
    control: Control,
    inherited: Arc<Inherited>,
    tracker: TaskTracker,
    open: Option<(SocketName, CancellationToken)>,
}

impl ControlListener {
    /// Not open yet.
    pub(super) fn new(control: Control, inherited: Arc<Inherited>, tracker: TaskTracker) -> Self {
        Self {
            control,
            inherited,
            tracker,
            open: None,
        }
    }

    /// Whether the command line can reach the daemon at `path`.
    pub(super) fn is_open_at(&self, path: &Path) -> bool {
        self.open.as_ref().is_some_and(|(name, _)| name.is_at(path))
    }

    /// Listens for the command line at `path`, and only there from now on. Existing connections
    /// stay open for their last answer.
    ///
    /// # Errors
    /// Why the socket couldn't be bound.
    pub(super) fn open(&mut self, path: &Path) -> Result<(), Problem> {
        if self.is_open_at(path) {
            return Ok(());
        }
        self.close();
        let (listener, name) = listeners::unix(&self.inherited, path)?;
        let stop = CancellationToken::new();
        let serving = self.control.clone().serve(listener, stop.clone());
        self.tracker.spawn(serving);
        self.open = Some((name, stop));
        Ok(())
    }

    /// Stops listening.
    pub(super) fn close(&mut self) {
        let Some((name, stop)) = self.open.take() else {
            return;
        };
        stop.cancel();
        listeners::leave(&self.inherited, &name);
    }
}
