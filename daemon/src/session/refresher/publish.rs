//! Publishes the states of an account's pairs, as one snapshot of both.

use std::sync::Arc;

use loopdesk_protocol::status::Role;
use tokio::sync::watch;

use crate::session::model::token_pair::Generations;
use crate::session::report::merge::PairStates;
use crate::session::report::snapshot::{PairState, Snapshot};

/// What the refreshers of one account share: the count of generations, and the snapshot.
#[derive(Debug)]
pub(in crate::session) struct Publisher {
    pub(in crate::session) generations: Generations,
    published: watch::Sender<Arc<Snapshot>>,
}

impl Publisher {
    pub(in crate::session) fn new(
        pairs: PairStates,
    ) -> (Arc<Self>, watch::Receiver<Arc<Snapshot>>) {
        let (published, snapshots) = watch::channel(Arc::new(Snapshot::merge(pairs)));
        let publisher = Self {
            generations: Generations::default(),
            published,
        };
        (Arc::new(publisher), snapshots)
    }

    /// Publishes the state of one pair, and with it the session's, in one step.
    pub(in crate::session) fn publish(&self, pair: PairState) {
        self.published.send_modify(|snapshot| {
            *snapshot = Arc::new(Snapshot::merge(snapshot.pairs.with(pair)));
        });
    }

    /// The state of the pair of this role, as last published.
    pub(in crate::session) fn pair(&self, role: Role) -> Arc<PairState> {
        self.published.borrow().pairs.share(role)
    }
}
