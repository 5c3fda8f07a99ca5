//! Publishes what becomes of an account's pairs, as one snapshot of both.

use std::sync::Arc;

use loopdesk_protocol::status::Role;
use tokio::sync::watch;

use crate::session::model::token_pair::Generations;
use crate::session::report::merge::PairStates;
use crate::session::report::snapshot::{PairState, Snapshot};

/// What the tasks of one account's pairs share.
#[derive(Debug)]
pub(in crate::session) struct Publisher {
    pub(in crate::session) generations: Generations,
    published: watch::Sender<Arc<Snapshot>>,
}

impl Publisher {
    pub(in crate::session) fn new(
        parts: PairStates,
    ) -> (Arc<Self>, watch::Receiver<Arc<Snapshot>>) {
        let (published, snapshots) = watch::channel(Arc::new(Snapshot::merge(parts)));
        let publisher = Self {
            generations: Generations::default(),
            published,
        };
        (Arc::new(publisher), snapshots)
    }

    /// Shows what has become of one pair, and of the session by it, in one step.
    pub(in crate::session) fn publish(&self, part: PairState) {
        self.published.send_modify(|snapshot| {
            *snapshot = Arc::new(Snapshot::merge(snapshot.parts.with(part)));
        });
    }

    /// The pair of this role as it was published last.
    pub(in crate::session) fn part(&self, role: Role) -> Arc<PairState> {
        self.published.borrow().parts.share(role)
    }
}
