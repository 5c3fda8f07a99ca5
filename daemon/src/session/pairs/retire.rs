//! Pairs that nobody wants any more: revoked and erased, however long Zendesk can't be reached.

use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::status::Role;
use tokio::sync::{mpsc, oneshot, watch};

use super::Family;
use crate::config::AccountName;
use crate::session::pair::Generation;
use crate::session::refresher::Command;
use crate::session::snapshot::Snapshot;
use crate::session::store::Store;

/// Sees to an account's unwanted pairs.
#[derive(Debug)]
pub(in crate::session) struct Retirement {
    pub(in crate::session) account: AccountName,
    pub(in crate::session) family: Arc<Family>,
    pub(in crate::session) store: Store,
    pub(in crate::session) snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Spare and read-only, in this order.
    pub(in crate::session) commands: [(Role, mpsc::WeakSender<Command>); 2],
}

impl Retirement {
    /// Runs until nobody publishes any more.
    pub(super) async fn run(mut self) {
        self.family.recall_lone(&self.store, &self.account).await;
        let mut pause = PAUSE_MIN;
        loop {
            let stray = |snapshot: &Arc<Snapshot>| {
                let roles = self.commands.iter().map(|(role, _)| *role);
                roles
                    .into_iter()
                    .any(|role| unwanted(snapshot, role).is_some())
            };
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

    /// Ends the pairs that are unwanted now; `false` if one is still there.
    async fn retire(&self) -> bool {
        let mut all = true;
        for (role, commands) in &self.commands {
            let meant = unwanted(&self.snapshots.borrow(), *role);
            let (Some(meant), Some(commands)) = (meant, commands.upgrade()) else {
                continue;
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
                    tracing::info!(account = %self.account, role = role.name(), "a pair is revoked");
                }
                Ok(Err(problem)) => {
                    tracing::info!(account = %self.account, role = role.name(), %problem, "a pair isn't revoked yet");
                    all = false;
                }
                Err(_) => all = false,
            }
        }
        all
    }
}

/// The pair of this role if there is one and nobody wants it: it is switched off, or there can be
/// one pair only, or it is another person's, or nobody's any more.
fn unwanted(snapshot: &Snapshot, role: Role) -> Option<Generation> {
    let part = snapshot.parts.get(role);
    let primary = &snapshot.parts.get(Role::Primary).view;
    let person = part.view.person.as_ref()?;
    let nobody = snapshot.parts.get(Role::Primary).is_absent;
    let another = primary.person.as_ref().is_some_and(|p| p.id != person.id);
    let is_lone = snapshot.lone_since.is_some();
    let unwanted = !part.is_wanted || is_lone || nobody || another;
    unwanted.then_some(part.newest)
}

/// Zendesk may be out of reach for a moment, or for a night.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(900);
