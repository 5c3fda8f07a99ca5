//! An account's pairs: which of them serves requests, and in whose turn they are refreshed.
//!
//! ```text
//!  primary ──── serves ────┬───── refused, revoked, blocked ───► the account stops (R5)
//!                          │
//!              an answer is lost: doubt
//!                          │
//!  spare ◄── serves at once, also those who wait ── until the doubt is cleared up
//!    │                     │                              │
//!    │              consumed: ended              granted after all: the primary serves again
//!    ▼                     │
//!  serves on ◄─────────────┘    `status` says so; a login brings a new primary
//!
//!  read-only ── serves those who may only read, and nobody else
//! ```
//!
//! Each pair has a state machine, a record, a journal, a gate and a schedule of its own. A spare is
//! not made the primary: its record stays where it is, so that no crash can leave one pair in two
//! records. It stands in, and is judged like a primary from then on; what ends it ends the session.

mod lone;
mod merge;
mod retire;
mod setup;
mod turn;

use std::sync::Arc;

use loopdesk_protocol::status::Role;
use tokio::sync::watch;

pub(super) use self::retire::Retirement;
pub(super) use self::turn::{Turn, Turns};
use super::pair::Generations;
use super::refresher::Refresher;
use super::snapshot::{Part, Snapshot};
use crate::clock::Clock;

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
pub(super) struct Parts([Arc<Part>; 3]);

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
    pub(super) turns: Turns,
    published: watch::Sender<Arc<Snapshot>>,
}

impl Family {
    pub(super) fn new(parts: Parts, clock: Clock) -> (Arc<Self>, watch::Receiver<Arc<Snapshot>>) {
        let first = Snapshot::merge(parts, None);
        let (published, snapshots) = watch::channel(Arc::new(first));
        let family = Self {
            generations: Generations::default(),
            turns: Turns::new(clock, snapshots.clone()),
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
            *snapshot = Arc::new(Snapshot::merge(parts, snapshot.lone_since));
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
    pub(super) refreshers: [Refresher; 3],
    pub(super) retirement: Retirement,
}

impl Keepers {
    /// Runs until all refreshers have ended.
    pub(super) async fn run(self) {
        let [primary, spare, read_only] = self.refreshers;
        let refreshing = async { tokio::join!(primary.run(), spare.run(), read_only.run()) };
        tokio::select! {
            _ = refreshing => {}
            () = self.retirement.run() => {}
        }
    }
}

pub(super) fn slot(role: Role) -> usize {
    match role {
        Role::Primary => 0,
        Role::Spare => 1,
        Role::ReadOnly => 2,
    }
}

#[cfg(test)]
mod tests;
