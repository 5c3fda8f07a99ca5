//! What has become of this machine's network: when it changes, which way out it offers now, and
//! whether the machine has slept.
//!
//! The kernel tells of every change of an address, a route or a rule. That is a hint, no more: many
//! at once count as one, and whoever hears it asks `way` what has become of a connection.

mod acks;
mod asleep;
mod hints;
mod way;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use acks::{since_last_ack, unacknowledged};
pub(crate) use way::Way;

use asleep::Asleep;

/// This machine's network. Clones share it.
#[derive(Clone, Debug)]
pub struct Network(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// When the last hint came.
    hints: watch::Receiver<Option<Instant>>,
    asleep: Asleep,
    _task: Option<AbortOnDropHandle<()>>,
}

impl Network {
    /// The network, watched for as long as this lives. Needs a runtime.
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
        Self(Arc::new(Inner {
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

    /// A network whose changes a test makes up.
    #[cfg(test)]
    pub(crate) fn told(hints: watch::Receiver<Option<Instant>>) -> Self {
        Self(Arc::new(Inner {
            hints,
            asleep: Asleep::new(),
            _task: None,
        }))
    }

    /// Tells of hints from now on.
    pub(crate) fn changes(&self) -> Changes {
        let mut hints = self.0.hints.clone();
        hints.mark_unchanged();
        Changes(hints)
    }

    /// Whether something has changed within this time.
    pub(crate) fn has_changed_within(&self, time: Duration) -> bool {
        self.0.hints.borrow().is_some_and(|at| at.elapsed() < time)
    }

    /// For how long the machine has slept since the process began.
    pub(crate) fn slept(&self) -> Duration {
        self.0.asleep.so_far()
    }
}

/// Changes as they come.
#[derive(Debug)]
pub(crate) struct Changes(watch::Receiver<Option<Instant>>);

impl Changes {
    /// Returns at the next hint that has not been heard. Can be cancelled without losing any.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody watches.
            std::future::pending::<()>().await;
        }
    }
}
