//! Revokes and erases a read-only pair that is no longer wanted, however long it takes to reach
//! Zendesk.

use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::account::Person;
use loopdesk_protocol::status::Role;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::AccountName;
use crate::session::model::token_pair::Generation;
use crate::session::refresher::Command;
use crate::session::report::snapshot::Snapshot;

/// Retires an account's read-only pair once it is unwanted.
#[derive(Debug)]
pub(in crate::session) struct Retirement {
    pub(in crate::session) account: AccountName,
    pub(in crate::session) snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Of the read-only pair's worker.
    pub(in crate::session) commands: mpsc::WeakSender<Command>,
}

impl Retirement {
    /// Never returns: stopping the workers drops it.
    pub(super) async fn run(mut self) {
        let mut pause = PAUSE_MIN;
        loop {
            let is_unwanted = |snapshot: &Arc<Snapshot>| unwanted(snapshot).is_some();
            if self.snapshots.wait_for(is_unwanted).await.is_err() {
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

    /// Logs the pair out if it is unwanted now; `false` if it still exists.
    async fn retire(&self) -> bool {
        let generation = unwanted(&self.snapshots.borrow());
        let Some(generation) = generation else {
            return true;
        };
        let Some(commands) = self.commands.upgrade() else {
            return false;
        };
        let (reply, ended) = oneshot::channel();
        let logout = Command::Logout {
            forget: false,
            only: Some(generation),
            reply,
        };
        drop(commands.send(logout).await);
        match ended.await {
            Ok(Ok(_)) => {
                tracing::info!(account = %self.account, "revoked the read-only pair");
                true
            }
            Ok(Err(problem)) => {
                tracing::info!(account = %self.account, %problem, "can't revoke the read-only pair yet; trying again later");
                false
            }
            Err(_) => false,
        }
    }
}

/// The generation of the read-only pair, if there is one that is unwanted: the configuration no longer
/// asks for it, it belongs to another user than the account's own pair, or that pair no longer exists.
fn unwanted(snapshot: &Snapshot) -> Option<Generation> {
    let read_only = snapshot.pairs.get(Role::ReadOnly);
    let primary = snapshot.pairs.get(Role::Primary);
    let person = read_only.view.person.as_ref()?;
    let differs = |owner: &Person| owner.id != person.id;
    let is_another_users = primary.view.person.as_ref().is_some_and(differs);
    let is_unwanted = !read_only.is_wanted || primary.is_absent || is_another_users;
    is_unwanted.then_some(read_only.newest)
}

/// Zendesk may be unreachable for a moment, or for a night.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(900);
