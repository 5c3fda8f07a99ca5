//! A read-only pair that nobody wants any more: revoked and erased, however long Zendesk can't be
//! reached.

use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::status::Role;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::AccountName;
use crate::session::model::token_pair::Generation;
use crate::session::refresher::Command;
use crate::session::report::snapshot::Snapshot;

/// Sees to an account's read-only pair once it is unwanted.
#[derive(Debug)]
pub(in crate::session) struct Retirement {
    pub(in crate::session) account: AccountName,
    pub(in crate::session) snapshots: watch::Receiver<Arc<Snapshot>>,
    /// The read-only pair's.
    pub(in crate::session) commands: mpsc::WeakSender<Command>,
}

impl Retirement {
    /// Runs until nobody publishes any more.
    pub(super) async fn run(mut self) {
        let mut pause = PAUSE_MIN;
        loop {
            let stray = |snapshot: &Arc<Snapshot>| unwanted(snapshot).is_some();
            if self.snapshots.wait_for(stray).await.is_err() {
                return std::future::pending().await;
            }
            if self.retire().await {
                pause = PAUSE_MIN;
            } else {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }

    /// Ends the pair if it is unwanted now; `false` if it is still there.
    async fn retire(&self) -> bool {
        let meant = unwanted(&self.snapshots.borrow());
        let Some(meant) = meant else {
            return true;
        };
        let Some(commands) = self.commands.upgrade() else {
            return false;
        };
        let (reply, ended) = oneshot::channel();
        let logout = Command::Logout {
            forget: false,
            only: Some(meant),
            reply,
        };
        drop(commands.send(logout).await);
        match ended.await {
            Ok(Ok(_)) => {
                tracing::info!(account = %self.account, "the read-only pair is revoked");
                true
            }
            Ok(Err(problem)) => {
                tracing::info!(account = %self.account, %problem, "the read-only pair isn't revoked yet");
                false
            }
            Err(_) => false,
        }
    }
}

/// The read-only pair if there is one and nobody wants it: it is switched off, or it is another
/// person's than the account's own, or nobody's any more.
fn unwanted(snapshot: &Snapshot) -> Option<Generation> {
    let part = snapshot.parts.get(Role::ReadOnly);
    let primary = snapshot.parts.get(Role::Primary);
    let person = part.view.person.as_ref()?;
    let another = |of: &loopdesk_protocol::account::Person| of.id != person.id;
    let is_anothers = primary.view.person.as_ref().is_some_and(another);
    let unwanted = !part.is_wanted || primary.is_absent || is_anothers;
    unwanted.then_some(part.newest)
}

/// Zendesk may be out of reach for a moment, or for a night.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(900);
