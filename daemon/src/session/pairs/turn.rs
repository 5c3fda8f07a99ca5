//! Whose turn it is to refresh: never two of an account's pairs at once, the primary one first.
//!
//! What loses one answer often loses the next. A pair in reserve is of use only if it is not at risk
//! in the same moment, so it waits until the primary pair is out of danger, as long as it can.

use std::sync::Arc;

use loopdesk_protocol::status::{Role, State};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::session::gate::Gate;
use crate::session::snapshot::{Part, Snapshot};
use crate::session::state::Urgency;

/// The turns of one account's pairs. Clones share them.
#[derive(Clone, Debug)]
pub(in crate::session) struct Turns {
    one: Arc<Semaphore>,
    end: CancellationToken,
    clock: Clock,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

/// A turn that was taken. Dropping it lets the next pair have its own.
#[derive(Debug)]
pub(in crate::session) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new(clock: Clock, snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self {
            one: Arc::new(Semaphore::new(1)),
            end: CancellationToken::new(),
            clock,
            snapshots,
        }
    }

    /// Waits for the turn of the pair in `role`; none if there will be no more.
    pub(in crate::session) async fn take(
        &self,
        role: Role,
        urgency: Urgency,
        gate: &Gate,
    ) -> Option<Turn> {
        let taking = async {
            if let (Role::Spare | Role::ReadOnly, Urgency::Planned { patience }) = (role, urgency) {
                tokio::select! {
                    () = self.out_of_danger(Instant::now() + patience) => {}
                    // It is needed now: its token is dead.
                    () = gate.hurried() => {}
                }
            }
            Arc::clone(&self.one).acquire_owned().await.ok()
        };
        tokio::select! {
            biased;
            () = self.end.cancelled() => None,
            permit = taking => permit.map(|permit| Turn { _permit: permit }),
        }
    }

    /// No refresh begins any more; the one that is under way goes on.
    pub(in crate::session) fn end(&self) {
        self.end.cancel();
    }

    async fn out_of_danger(&self, deadline: Instant) {
        let mut snapshots = self.snapshots.clone();
        let safe = |snapshot: &Arc<Snapshot>| !self.goes_first(snapshot.parts.get(Role::Primary));
        drop(timeout_at(deadline, snapshots.wait_for(safe)).await);
    }

    /// Whether the primary pair is being refreshed, or about to be, or in doubt.
    fn goes_first(&self, primary: &Part) -> bool {
        let view = &primary.view;
        match view.state {
            State::Rotating | State::Doubtful => true,
            State::Active => view
                .next_refresh_at
                .is_some_and(|due| due <= self.clock.now()),
            State::SignedOut
            | State::Unsaved
            | State::Unreachable
            | State::Blocked
            | State::Ended
            | State::KeyMissing => false,
        }
    }
}
