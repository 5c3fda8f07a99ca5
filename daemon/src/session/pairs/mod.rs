//! An account's pairs: its own, which serves requests, and the read-only one, which serves those who
//! may only read and nobody else.
//!
//! Each pair has a state machine, a record, a journal, a gate and a schedule of its own, and neither
//! stands in for the other.

mod merge;
mod retire;
mod setup;

use std::sync::Arc;

use loopdesk_protocol::status::Role;
use tokio::sync::watch;

pub(super) use self::retire::Retirement;
use super::model::per_role::slot;
use super::model::token_pair::Generations;
use super::refresher::Refresher;
use super::snapshot::{Part, Snapshot};

/// Whose token a request may carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Rights {
    /// The account's: all that the person has granted.
    #[default]
    All,
    /// That of the read-only pair, and never another one where there is one, whatever its state, or
    /// where the configuration asks for one; the account's everywhere else.
    ReadOnly,
}

/// One value for each role.
#[derive(Clone, Debug)]
pub(super) struct Parts([Arc<Part>; 2]);

impl Parts {
    pub(super) fn new(make: impl FnMut(Role) -> Part) -> Self {
        Self(Role::ALL.map(make).map(Arc::new))
    }

    pub(super) fn get(&self, role: Role) -> &Part {
        &self.0[slot(role)]
    }
}

/// What the tasks of one account's pairs share.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) generations: Generations,
    published: watch::Sender<Arc<Snapshot>>,
}

impl Family {
    pub(super) fn new(parts: Parts) -> (Arc<Self>, watch::Receiver<Arc<Snapshot>>) {
        let (published, snapshots) = watch::channel(Arc::new(Snapshot::merge(parts)));
        let family = Self {
            generations: Generations::default(),
            published,
        };
        (Arc::new(family), snapshots)
    }

    /// Shows what has become of one pair, and of the session by it, in one step.
    pub(super) fn publish(&self, part: Part) {
        self.published.send_modify(|snapshot| {
            let mut parts = snapshot.parts.clone();
            let slot = slot(part.role);
            parts.0[slot] = Arc::new(part);
            *snapshot = Arc::new(Snapshot::merge(parts));
        });
    }

    /// The pair of this role as it was published last.
    pub(super) fn part(&self, role: Role) -> Arc<Part> {
        Arc::clone(&self.published.borrow().parts.0[slot(role)])
    }
}

/// The tasks of one account.
#[derive(Debug)]
pub(super) struct Keepers {
    pub(super) refreshers: [Refresher; 2],
    pub(super) retirement: Retirement,
}

impl Keepers {
    /// Runs until both refreshers have ended.
    pub(super) async fn run(self) {
        let [primary, read_only] = self.refreshers;
        let refreshing = async { tokio::join!(primary.run(), read_only.run()) };
        tokio::select! {
            _ = refreshing => {}
            () = self.retirement.run() => {}
        }
    }
}

#[cfg(test)]
mod tests;
