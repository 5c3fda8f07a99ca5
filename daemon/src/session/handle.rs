//! The handle of one account's session, and what others can ask of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use loopdesk_protocol::session::{LoggedOut, Refreshed};
use loopdesk_protocol::status::State;
use loopdesk_protocol::{Kind, Problem};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

use super::gate::Gate;
use super::login::{Callbacks, Desk};
use super::pair::Secret;
use super::refresher::{Adoption, Command, Refresher};
use super::snapshot::{Ready, Snapshot, View};
use super::state::Machine;
use super::store::Store;
use super::vault::Vault;
use super::{Deps, Setup};
use crate::clock::Clock;
use crate::config::Account;

/// One account's session. Clones share it.
#[derive(Clone)]
pub struct Session(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) setup: ArcSwap<Setup>,
    pub(super) vault: ArcSwap<Vault>,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) gate: Gate,
    pub(super) desk: Desk,
    pub(super) callbacks: Callbacks,
    pub(super) tracker: TaskTracker,
    commands: mpsc::Sender<Command>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Session {
    /// A session and the task that keeps it, which is still to be started.
    pub(super) fn new(
        setup: Arc<Setup>,
        deps: &Deps,
        store: Store,
        vault: Arc<Vault>,
        callbacks: Callbacks,
    ) -> (Self, Refresher) {
        let (machine, _load) = Machine::new();
        let first = Snapshot::of(&machine, &setup, deps.clock.now());
        let (publish, snapshots) = watch::channel(Arc::new(first));
        let (commands, queue) = mpsc::channel(COMMANDS_MAX);
        let gate = Gate::new();
        let refresher = Refresher {
            setup: Arc::clone(&setup),
            clock: deps.clock.clone(),
            store: store.clone(),
            vault: Arc::clone(&vault),
            gate: gate.clone(),
            commands: queue,
            snapshots: publish,
        };
        let session = Self(Arc::new(Shared {
            setup: ArcSwap::new(setup),
            vault: ArcSwap::new(vault),
            store,
            clock: deps.clock.clone(),
            gate,
            desk: Desk::default(),
            callbacks,
            tracker: deps.tracker.clone(),
            commands,
            snapshots,
        }));
        (session, refresher)
    }

    /// What `status` shows of it.
    pub fn view(&self) -> View {
        self.0.snapshots.borrow().view.clone()
    }

    /// Tells of every change, for those who wait for one.
    pub fn changes(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.0.snapshots.clone()
    }

    /// Waits until the stored session was opened, or can't be, but not longer than `patience`:
    /// before that nothing is known of it.
    pub async fn loaded(&self, patience: Duration) {
        let mut changes = self.changes();
        let loaded = changes.wait_for(|snapshot| {
            snapshot.view.state != State::KeyMissing || matches!(snapshot.readiness, Ready::No(_))
        });
        // Whoever asks next is told what is known by then.
        drop(tokio::time::timeout(patience, loaded).await);
    }

    /// Fetches a new pair now, and returns when it is stored and in use.
    ///
    /// # Errors
    /// Why there is none. The session goes on as it was, unless the problem says otherwise.
    pub async fn refresh(&self) -> Result<Refreshed, Problem> {
        self.loaded(LOAD_PATIENCE).await;
        self.ask(Command::Refresh).await?
    }

    /// Revokes the session's tokens at Zendesk and removes them from this machine.
    ///
    /// # Errors
    /// Where Zendesk doesn't confirm, unless `forget`; and where the record can't be removed.
    pub async fn logout(&self, forget: bool) -> Result<LoggedOut, Problem> {
        self.loaded(LOAD_PATIENCE).await;
        self.ask(|reply| Command::Logout { forget, reply }).await?
    }

    /// The account as its configuration has it now.
    pub(super) fn account(&self) -> Arc<Account> {
        Arc::clone(&self.0.setup.load().account)
    }

    /// The stored secret of the account's client.
    pub(super) async fn client_secret(&self) -> Option<Secret> {
        self.ask(Command::ClientSecret).await.ok().flatten()
    }

    /// Makes a login's pair the session's.
    pub(super) async fn adopt(
        &self,
        adoption: impl FnOnce(oneshot::Sender<Result<Arc<super::pair::Held>, Problem>>) -> Adoption,
    ) -> Result<Arc<super::pair::Held>, Problem> {
        self.ask(|reply| Command::Adopt(Box::new(adoption(reply))))
            .await?
    }

    /// Gives the session another configuration.
    pub(super) async fn reconfigure(&self, setup: Arc<Setup>) {
        self.0.setup.store(Arc::clone(&setup));
        self.send(Command::Reconfigure(setup)).await;
    }

    /// Whether this is the session's vault.
    pub(super) fn has_vault(&self, vault: &Arc<Vault>) -> bool {
        Arc::ptr_eq(&self.0.vault.load(), vault)
    }

    /// Gives the session another vault, or its own one once that can be opened.
    pub(super) async fn change_vault(&self, vault: Arc<Vault>) {
        self.0.vault.store(Arc::clone(&vault));
        self.send(Command::Vault(vault)).await;
    }

    /// Lets the session finish what is under way and stop.
    pub(super) async fn stop(&self) {
        self.0.desk.close();
        self.send(Command::Stop).await;
    }

    /// The session now.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshots.borrow())
    }

    /// Sends a command; `false` if the session has stopped.
    pub(super) async fn send(&self, command: Command) -> bool {
        self.0.commands.send(command).await.is_ok()
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await;
        answer
            .await
            .map_err(|_| Problem::new(Kind::Daemon, "loopdesk is shutting down; try again"))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("account", &self.0.setup.load().account.name)
            .finish_non_exhaustive()
    }
}

/// Requests wait when there are more: a 401 storm must not become a heap of commands.
const COMMANDS_MAX: usize = 64;

/// A record opens in milliseconds once its key is there.
pub(super) const LOAD_PATIENCE: Duration = Duration::from_secs(5);
