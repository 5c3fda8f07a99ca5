//! The handle of one account's session, and what others can ask of it.

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
    /// The primary pair's.
    pub(super) context: ArcSwap<AccountContext>,
    pub(super) vault: ArcSwap<Vault>,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) pending_callback: PendingCallback,
    pub(super) callbacks: Callbacks,
    /// Each login that is under way holds it once more.
    pub(super) logins: Arc<()>,
    pub(super) tracker: TaskTracker,
    /// Held while both pairs change together.
    pub(super) changing: tokio::sync::Mutex<()>,
    handles: [WorkerHandle; 2],
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

/// What reaches one pair.
struct WorkerHandle {
    gate: Gate,
    commands: mpsc::Sender<Command>,
}

impl Session {
    /// A session and the tasks that keep it, which are still to be started.
    pub(super) fn new(
        context: Arc<AccountContext>,
        clock: &Clock,
        tracker: &TaskTracker,
        store: Store,
        vault: Arc<Vault>,
        callbacks: Callbacks,
    ) -> (Self, Workers) {
        let now = clock.now();
        let parts = PairStates::new(|role| {
            let (machine, _load) = StateMachine::new(Generations::default());
            PairState::of(role, &machine, &context.for_role(role), now)
        });
        let (publisher, snapshots) = Publisher::new(parts);
        let made = Role::ALL.map(|role| {
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
        let [one, two] = made;
        let (handles, refreshers) = ([one.0, two.0], [one.1, two.1]);
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
            handles,
            snapshots,
        }));
        let workers = Workers {
            refreshers,
            retirement,
        };
        (session, workers)
    }

    /// Whether a login is under way: one that waits for its browser, or for Zendesk.
    pub fn is_logging_in(&self) -> bool {
        Arc::strong_count(&self.0.logins) > 1
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
            Role::ALL.into_iter().all(|role| {
                let part = snapshot.parts.get(role);
                part.view.state != State::KeyMissing || matches!(part.readiness, Ready::No(_))
            })
        });
        // Whoever asks next is told what is known by then.
        drop(tokio::time::timeout(patience, loaded).await);
    }

    /// Fetches a new pair now in place of the one in use, and returns when it is stored and in use.
    /// The read-only pair is refreshed too if something is wrong with it, which nobody waits for.
    ///
    /// # Errors
    /// Why there is none. The session goes on as it was, unless the problem says otherwise.
    pub async fn refresh(&self) -> Result<Refreshed, Problem> {
        self.loaded(LOAD_PATIENCE).await;
        let state = self.snapshot().parts.get(Role::ReadOnly).view.state;
        if matches!(state, State::Doubtful | State::Blocked) {
            let (unheard, _) = oneshot::channel();
            self.send_to(Role::ReadOnly, Command::Refresh(unheard))
                .await;
        }
        self.ask(Role::Primary, Command::Refresh).await?
    }

    /// Revokes the tokens of both of the session's pairs at Zendesk and removes them from this
    /// machine, the primary pair last: as long as one can't be revoked, somebody is logged in.
    ///
    /// # Errors
    /// Where Zendesk doesn't confirm, unless `forget`; and where a record can't be removed.
    pub async fn logout(&self, forget: bool) -> Result<LoggedOut, Problem> {
        self.loaded(LOAD_PATIENCE).await;
        let _turn = self.0.changing.lock().await;
        let is_read_only_revoked = self.snapshot().parts.get(Role::ReadOnly).is_absent
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

    /// Whether the last request to Zendesk's API was answered, or there has been none.
    pub fn is_reachable(&self) -> bool {
        let upstream = &self.0.context.load().upstream;
        upstream.as_ref().is_ok_and(Upstream::is_open)
    }

    /// The account as its configuration has it now.
    pub(super) fn account(&self) -> Arc<Account> {
        Arc::clone(&self.0.context.load().account)
    }

    /// Whether the session serves this account on these ways already.
    pub(super) fn is_configured_as(&self, account: &Account, egress: &Egress) -> bool {
        let context = self.0.context.load();
        // A file that could not be used may have been mended.
        context.upstream.is_ok() && *context.account == *account && context.egress == *egress
    }

    /// The stored secret of the account's client.
    pub(super) async fn client_secret(&self) -> Option<Secret> {
        let asked = self.ask(Role::Primary, Command::ClientSecret).await;
        asked.ok().flatten()
    }

    /// The pair of this role, if there is one.
    pub(super) async fn tokens(&self, role: Role) -> Option<Arc<SessionTokens>> {
        self.ask(role, Command::SessionTokens).await.ok().flatten()
    }

    /// Makes a login's pair the session's in this role.
    pub(super) async fn adopt(
        &self,
        role: Role,
        adoption: impl FnOnce(oneshot::Sender<Result<Arc<SessionTokens>, Problem>>) -> Adoption,
    ) -> Result<Arc<SessionTokens>, Problem> {
        self.ask(role, |reply| Command::Adopt(Box::new(adoption(reply))))
            .await?
    }

    /// Gives the session another configuration.
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

    /// Gives the session another vault, or its own one once that can be opened.
    pub(super) async fn change_vault(&self, vault: Arc<Vault>) {
        self.0.vault.store(Arc::clone(&vault));
        for role in Role::ALL {
            self.send_to(role, Command::Vault(Arc::clone(&vault))).await;
        }
    }

    /// Has the session look for its record, if it has none.
    pub(super) async fn look(&self) {
        for role in Role::ALL {
            self.send_to(role, Command::Look).await;
        }
    }

    /// Lets the session finish what is under way and stop.
    pub(super) async fn stop(&self) {
        self.0.pending_callback.close();
        for role in Role::ALL {
            self.send_to(role, Command::Stop).await;
        }
    }

    /// The session now.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshots.borrow())
    }

    /// The gate of the pair of this role.
    pub(super) fn gate(&self, role: Role) -> &Gate {
        &self.0.handles[role_index(role)].gate
    }

    /// Sends a command to the primary pair; `false` if the session has stopped.
    pub(super) async fn send(&self, command: Command) -> bool {
        self.send_to(Role::Primary, command).await
    }

    /// Sends a command to the pair of this role; `false` if the session has stopped.
    pub(super) async fn send_to(&self, role: Role, command: Command) -> bool {
        let commands = &self.0.handles[role_index(role)].commands;
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

/// Requests wait when there are more: a 401 storm must not become a heap of commands.
const COMMANDS_MAX: usize = 64;

/// A record opens in milliseconds once its key is there.
pub(super) const LOAD_PATIENCE: Duration = Duration::from_secs(5);
