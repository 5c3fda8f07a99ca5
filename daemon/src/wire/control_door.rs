//! The control socket: opened where it belongs, and again where its name has gone.

use std::path::Path;
use std::sync::Arc;

use loopdesk_protocol::Problem;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::doors;
use crate::control::Control;
use crate::supervise::runtime_dir::SocketName;
use crate::supervise::sockets::Inherited;

/// Where the command line comes in.
#[derive(Debug)]
pub(super) struct ControlDoor {
    control: Control,
    inherited: Arc<Inherited>,
    tracker: TaskTracker,
    open: Option<(SocketName, CancellationToken)>,
}

impl ControlDoor {
    /// Nothing is open yet.
    pub(super) fn new(control: Control, inherited: Arc<Inherited>, tracker: TaskTracker) -> Self {
        Self {
            control,
            inherited,
            tracker,
            open: None,
        }
    }

    /// Whether the command line finds the daemon at `path`.
    pub(super) fn is_open_at(&self, path: &Path) -> bool {
        self.open.as_ref().is_some_and(|(name, _)| name.is_at(path))
    }

    /// Serves the command line at `path`, and nowhere else from now on. What is connected already
    /// stays so for its last answer.
    ///
    /// # Errors
    /// What keeps the socket from being bound.
    pub(super) fn open(&mut self, path: &Path) -> Result<(), Problem> {
        if self.is_open_at(path) {
            return Ok(());
        }
        self.close();
        let (listener, name) = doors::unix(&self.inherited, path)?;
        let stop = CancellationToken::new();
        let serving = self.control.clone().serve(listener, stop.clone());
        self.tracker.spawn(serving);
        self.open = Some((name, stop));
        Ok(())
    }

    /// Serves nobody any more.
    pub(super) fn close(&mut self) {
        let Some((name, stop)) = self.open.take() else {
            return;
        };
        stop.cancel();
        doors::leave(&self.inherited, &name);
    }
}
