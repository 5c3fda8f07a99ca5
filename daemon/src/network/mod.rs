//! The state of this machine's network: when it changes, which route it offers now, and whether the
//! machine has slept.
//!
//! The kernel reports every change of an address, a route or a rule. Each report is only a hint:
//! several at once count as one, and the receiver asks `route_status` about its connection.

mod acks;
mod asleep;
mod hints;
mod route_status;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use acks::{since_last_ack, unacknowledged};
pub(crate) use route_status::RouteStatus;

use asleep::Asleep;

/// This machine's network. Clones share it.
#[derive(Clone, Debug)]
pub struct Network(Arc<NetworkInner>);

#[derive(Debug)]
struct NetworkInner {
    /// When the last hint came.
    hints: watch::Receiver<Option<Instant>>,
    asleep: Asleep,
    _task: Option<AbortOnDropHandle<()>>,
}

impl Network {
    /// Watches the network for as long as this value lives. Needs a runtime.
    pub fn watch() -> Self {
        let (tell, hints) = watch::channel(None);
        let task = match hints::Hints::open() {
            Ok(hints) => Some(AbortOnDropHandle::new(tokio::spawn(hints.pass_on(tell)))),
            Err(error) => {
                tracing::warn!(
                    %error,
                    "changes of this machine's network won't be noticed: after one, the first \
                     requests may take some seconds longer"
                );
                None
            }
        };
        Self(Arc::new(NetworkInner {
            hints,
            asleep: Asleep::new(),
            _task: task,
        }))
    }

    /// A network that never changes.
    #[cfg(test)]
    pub(crate) fn still() -> Self {
        Self::told(watch::channel(None).1)
    }

    /// A network whose changes are made up by a test.
    #[cfg(test)]
    pub(crate) fn told(hints: watch::Receiver<Option<Instant>>) -> Self {
        Self(Arc::new(NetworkInner {
            hints,
            asleep: Asleep::new(),
            _task: None,
        }))
    }

    /// A receiver of hints from now on.
    pub(crate) fn changes(&self) -> NetworkChanges {
        let mut hints = self.0.hints.clone();
        hints.mark_unchanged();
        NetworkChanges(hints)
    }

    /// Whether something has changed within the last `time`.
    pub(crate) fn has_changed_within(&self, time: Duration) -> bool {
        self.0.hints.borrow().is_some_and(|at| at.elapsed() < time)
    }

    /// How long the machine has slept since the process began.
    pub(crate) fn slept(&self) -> Duration {
        self.0.asleep.so_far()
    }
}

/// Changes as they happen.
#[derive(Debug)]
pub(crate) struct NetworkChanges(watch::Receiver<Option<Instant>>);

impl NetworkChanges {
    /// Returns at the next hint. Cancel-safe: no hint is lost.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // Nothing is being watched.
            std::future::pending::<()>().await;
        }
    }
}
