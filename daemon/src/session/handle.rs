//! The handle of one account's session: what the rest of the daemon can ask of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use loopdesk_protocol::session::{LoggedOut, Refreshed};
use loopdesk_protocol::status::{Role, State};
use loopdesk_protocol::{Kind, Problem};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

use super::callback::pending::PendingCallback;
use super::callback::server::Callbacks;
use super::model::per_role::role_index;
use super::model::token_pair::{Generations, Secret, SessionTokens};
use super::pairs::{Retirement, Workers};
use super::refresher::gate::Gate;
use super::refresher::publish::Publisher;
use super::refresher::{Adoption, Command, Refresher};
use super::report::merge::PairStates;
use super::report::snapshot::{PairState, Ready, Snapshot, View};
use super::state::StateMachine;
use super::store::Store;
use super::vault::Vault;
use super::zendesk::account_context::AccountContext;
use crate::clock::Clock;
use crate::config::Account;
use crate::upstream::Upstream;
use crate::upstream::egress::Egress;

/// One account's session. Clones share it.
#[derive(Clone)]
pub struct Session(pub(super) Arc<Shared>);

pub(super) struct Shared {
    /// Of the primary pair.
    pub(super) context: ArcSwap<AccountContext>,
    pub(super) vault: ArcSwap<Vault>,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) pending_callback: PendingCallback,
    pub(super) callbacks: Callbacks,
    /// Each login in progress holds a clone.
    pub(super) logins: Arc<()>,
    pub(super) tracker: TaskTracker,
    /// Locked while both pairs change together.
    pub(super) changing: tokio::sync::Mutex<()>,
    workers: [WorkerHandle; 2],
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

/// Reaches the worker of one pair.
struct WorkerHandle {
    gate: Gate,
    commands: mpsc::Sender<Command>,
}

impl Session {
    /// A session, and its workers, which the caller must start.
    pub(super) fn new(
        context: Arc<AccountContext>,
        clock: &Clock,
        tracker: &TaskTracker,
        store: Store,
        vault: Arc<Vault>,
        callbacks: Callbacks,
    ) -> (Self, Workers) {
        let now = clock.now();
        let states = PairStates::new(|role| {
            let (machine, _load) = StateMachine::new(Generations::default());
            PairState::of(role, &machine, &context.for_role(role), now)
        });
        let (publisher, snapshots) = Publisher::new(states);
        let pairs = Role::ALL.map(|role| {
            let (commands, queue) = mpsc::channel(COMMANDS_MAX);
            let gate = Gate::new();
            let refresher = Refresher {
                role,
                context: context.for_role(role),
                clock: clock.clone(),
                store: store.of(role),
                vault: Arc::clone(&vault),
                gate: gate.clone(),
                commands: queue,
                publisher: Arc::clone(&publisher),
            };
            (WorkerHandle { gate, commands }, refresher)
        });
        let [primary, read_only] = pairs;
        let handles = [primary.0, read_only.0];
        let refreshers = [primary.1, read_only.1];
        let retirement = Retirement {
            account: context.account.name.clone(),
            snapshots: snapshots.clone(),
            commands: handles[role_index(Role::ReadOnly)].commands.downgrade(),
        };
        let session = Self(Arc::new(Shared {
            context: ArcSwap::new(context),
            vault: ArcSwap::new(vault),
            store,
            clock: clock.clone(),
            pending_callback: PendingCallback::default(),
            callbacks,
            logins: Arc::default(),
            tracker: tracker.clone(),
            changing: tokio::sync::Mutex::default(),
            workers: handles,
            snapshots,
        }));
        let workers = Workers {
            refreshers,
            retirement,
        };
        (session, workers)
    }

    /// Whether a login is in progress: waiting for its browser, or for Zendesk.
    pub fn is_logging_in(&self) -> bool {
        Arc::strong_count(&self.0.logins) > 1
    }

    /// What `status` shows.
    pub fn view(&self) -> View {
        self.0.snapshots.borrow().view.clone()
    }

    /// A receiver of every change.
    pub fn changes(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.0.snapshots.clone()
    }

    /// Waits until the stored session has been opened or has failed to, for at most `patience`. Before
    /// that, nothing is known of it.
    pub async fn loaded(&self, patience: Duration) {
        let mut changes = self.changes();
        let loaded = changes.wait_for(|snapshot| {
            Role::ALL.into_iter().all(|role| {
                let pair = snapshot.pairs.get(role);
                pair.view.state != State::KeyMissing || matches!(pair.readiness, Ready::No(_))
            })
        });
        // After a time-out, callers go on with what is known by then.
        drop(tokio::time::timeout(patience, loaded).await);
    }

    /// Replaces the pair in use by a new one now, and returns when that is stored and in use. If
    /// something is wrong with the read-only pair, this starts to refresh that, too, without waiting
    /// for it.
    ///
    /// # Errors
    /// Why there is no new pair. The session goes on as before, unless the problem says otherwise.
    pub async fn refresh(&self) -> Result<Refreshed, Problem> {
        self.loaded(LOAD_PATIENCE).await;
        let state = self.snapshot().pairs.get(Role::ReadOnly).view.state;
        if matches!(state, State::Doubtful | State::Blocked) {
            let (ignored, _) = oneshot::channel();
            self.send_to(Role::ReadOnly, Command::Refresh(ignored))
                .await;
        }
        self.ask(Role::Primary, Command::Refresh).await?
    }

    /// Revokes both of the session's pairs at Zendesk and removes them from this machine, the primary
    /// pair last: the session stays logged in until both are revoked.
    ///
    /// # Errors
    /// Zendesk didn't confirm (ignored if `forget`), or a record can't be removed.
    pub async fn logout(&self, forget: bool) -> Result<LoggedOut, Problem> {
        self.loaded(LOAD_PATIENCE).await;
        let _guard = self.0.changing.lock().await;
        let is_read_only_revoked = self.snapshot().pairs.get(Role::ReadOnly).is_absent
            || self.log_out(Role::ReadOnly, forget).await?.revoked;
        let out = self.log_out(Role::Primary, forget).await?;
        Ok(LoggedOut {
            revoked: out.revoked && is_read_only_revoked,
            ..out
        })
    }

    async fn log_out(&self, role: Role, forget: bool) -> Result<LoggedOut, Problem> {
        let logout = |reply| Command::Logout {
            forget,
            only: None,
            reply,
        };
        self.ask(role, logout).await?
    }

    /// Whether the last request to Zendesk's API was answered. `true` before the first one.
    pub fn is_reachable(&self) -> bool {
        let upstream = &self.0.context.load().upstream;
        upstream.as_ref().is_ok_and(Upstream::is_open)
    }

    /// The account as it is configured now.
    pub(super) fn account(&self) -> Arc<Account> {
        Arc::clone(&self.0.context.load().account)
    }

    /// Whether the session already has this configuration and network egress.
    pub(super) fn is_configured_as(&self, account: &Account, egress: &Egress) -> bool {
        let context = self.0.context.load();
        // If a file couldn't be used, it may have been fixed: apply the configuration again.
        context.upstream.is_ok() && *context.account == *account && context.egress == *egress
    }

    /// The stored secret of the account's client.
    pub(super) async fn client_secret(&self) -> Option<Secret> {
        let secret = self.ask(Role::Primary, Command::ClientSecret).await;
        secret.ok().flatten()
    }

    /// The pair of this role, if there is one.
    pub(super) async fn tokens(&self, role: Role) -> Option<Arc<SessionTokens>> {
        self.ask(role, Command::SessionTokens).await.ok().flatten()
    }

    /// Stores a login's pair and uses it in this role.
    ///
    /// # Errors
    /// Why it isn't in use: it belongs to another user, or can't be stored.
    pub(super) async fn adopt(
        &self,
        role: Role,
        adoption: impl FnOnce(oneshot::Sender<Result<Arc<SessionTokens>, Problem>>) -> Adoption,
    ) -> Result<Arc<SessionTokens>, Problem> {
        self.ask(role, |reply| Command::Adopt(Box::new(adoption(reply))))
            .await?
    }

    /// Replaces the session's configuration.
    pub(super) async fn reconfigure(&self, context: Arc<AccountContext>) {
        self.0.context.store(Arc::clone(&context));
        for role in Role::ALL {
            let context = context.for_role(role);
            self.send_to(role, Command::Reconfigure(context)).await;
        }
    }

    /// Whether this is the session's vault.
    pub(super) fn has_vault(&self, vault: &Arc<Vault>) -> bool {
        Arc::ptr_eq(&self.0.vault.load(), vault)
    }

    /// Replaces the session's vault, or tells it that its own can be opened now.
    pub(super) async fn change_vault(&self, vault: Arc<Vault>) {
        self.0.vault.store(Arc::clone(&vault));
        for role in Role::ALL {
            self.send_to(role, Command::Vault(Arc::clone(&vault))).await;
        }
    }

    /// Makes a signed-out session look for its record again.
    pub(super) async fn look(&self) {
        for role in Role::ALL {
            self.send_to(role, Command::Look).await;
        }
    }

    /// Stops the session once it has finished the work in progress.
    pub(super) async fn stop(&self) {
        self.0.pending_callback.close();
        for role in Role::ALL {
            self.send_to(role, Command::Stop).await;
        }
    }

    /// The session as last published.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshots.borrow())
    }

    /// The gate of this role's pair.
    pub(super) fn gate(&self, role: Role) -> &Gate {
        &self.0.workers[role_index(role)].gate
    }

    /// Sends a command to the primary pair; `false` if the session has stopped.
    pub(super) async fn send(&self, command: Command) -> bool {
        self.send_to(Role::Primary, command).await
    }

    /// Sends a command to this role's pair; `false` if the session has stopped.
    pub(super) async fn send_to(&self, role: Role, command: Command) -> bool {
        let commands = &self.0.workers[role_index(role)].commands;
        commands.send(command).await.is_ok()
    }

    async fn ask<T>(
        &self,
        role: Role,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        self.send_to(role, command(reply)).await;
        answer
            .await
            .map_err(|_| Problem::new(Kind::Daemon, "loopdesk is shutting down; try again"))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("account", &self.0.context.load().account.name)
            .finish_non_exhaustive()
    }
}

/// Beyond this, senders wait: a storm of 401s must not pile up commands.
const COMMANDS_MAX: usize = 64;

/// A record opens within milliseconds once its key is available.
pub(super) const LOAD_PATIENCE: Duration = Duration::from_secs(5);
