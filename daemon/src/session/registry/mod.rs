//! The sessions of all accounts: starts, reconfigures and stops them as the configuration says.

mod vault_moves;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use loopdesk_protocol::{Paths, Problem, SecretText, status};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use self::vault_moves::Vaults;
use super::callback::server::Callbacks;
use super::handle::Session;
use super::model::blocking::blocking;
use super::store::{Store, host_id};
use super::vault::Vault;
use super::zendesk::account_context::AccountContext;
use crate::clock::Clock;
use crate::conditions::Conditions;
use crate::config::{Account, AccountName, Config, VaultKind};
use crate::network::Network;
use crate::upstream::Upstream;
use crate::upstream::egress::{Egress, Variables};

/// What sessions need from the rest of the daemon.
#[derive(Clone, Debug)]
pub struct Dependencies {
    /// The time.
    pub clock: Clock,
    /// The folders of records and keys.
    pub paths: Paths,
    /// The proxy settings of the environment.
    pub proxies: Variables,
    /// Collects what keeps requests from reaching Zendesk.
    pub conditions: Conditions,
    /// Watches this machine's network.
    pub network: Network,
    /// Keeps the process alive until every session has stored its pair.
    pub tracker: TaskTracker,
}

/// The sessions of all accounts. Clones share them.
#[derive(Clone, Debug)]
pub struct Sessions(Arc<SessionRegistry>);

impl Sessions {
    /// Starts empty; [`Sessions::apply`] starts the sessions.
    pub fn new(deps: Dependencies) -> Self {
        let machine = host_id::hash(deps.paths.state_dir()).unwrap_or_else(|error| {
            tracing::warn!(%error, "this machine has no id: can't detect sessions copied from another machine");
            String::new()
        });
        Self(Arc::new(SessionRegistry {
            store: Store::new(deps.paths.sessions_dir()),
            machine,
            vaults: Vaults::default(),
            accounts: ArcSwap::default(),
            applying: Semaphore::new(1),
            tasks: std::sync::Mutex::default(),
            callbacks: Callbacks::default(),
            deps,
        }))
    }

    /// Starts, reconfigures and stops sessions to match `config`. Waits for a keyring only if the vault
    /// has changed, and for the network only if an account returns whose last refresh hasn't finished.
    /// Doesn't wait for sessions to load.
    pub async fn apply(&self, config: &Arc<Config>) {
        let registry = &self.0;
        // Two calls at once could start an account twice, and two refreshers would end its session.
        let Ok(_permit) = registry.applying.acquire().await else {
            return;
        };
        let vault = registry.use_vault(config.vault).await;
        let egress = Egress::new(&registry.deps.proxies, config);
        let mut accounts = BTreeMap::new();
        for (name, account) in &config.accounts {
            let session = match self.get(name) {
                Some(session) if session.is_configured_as(account, &egress) => session,
                Some(session) => {
                    session
                        .reconfigure(registry.account_context(account, &egress).await)
                        .await;
                    session
                }
                None => registry.start(account, &egress, &vault).await,
            };
            accounts.insert(name.clone(), session);
        }
        let before = registry.accounts.swap(Arc::new(accounts));
        for (name, session) in before.iter() {
            if !config.accounts.contains_key(name) {
                session.stop().await;
            }
        }
        // The key may have moved while sessions were started with the old vault.
        registry.share_vault(false).await;
    }

    /// Makes the sessions without a record look for it again.
    pub async fn look(&self) {
        for session in self.all() {
            session.look().await;
        }
    }

    /// Whether the data key is in the configured vault.
    ///
    /// # Errors
    /// Why it is still in the previous one.
    pub fn is_vault_settled(&self) -> Result<(), Problem> {
        self.0.vaults.is_settled()
    }

    /// Opens the vault with a person's help, then the sessions that wait for its key.
    ///
    /// # Errors
    /// Why the vault is still closed, or doesn't have the key.
    pub async fn unlock(
        &self,
        passphrase: Option<&SecretText>,
    ) -> Result<status::VaultStatus, Problem> {
        self.0.unlock(passphrase).await?;
        Ok(self.vault_status())
    }

    /// Removes the data key for good. `false` if there was none.
    ///
    /// # Errors
    /// A stored session still needs the key, or the vault can't be reached.
    pub async fn forget_key(&self) -> Result<bool, Problem> {
        self.0.forget_key().await
    }

    /// The session of the account with this name.
    pub fn get(&self, name: &AccountName) -> Option<Session> {
        self.0.accounts.load().get(name).cloned()
    }

    /// The sessions, by name.
    pub fn all(&self) -> Vec<Session> {
        self.0.accounts.load().values().cloned().collect()
    }

    /// The network egress under `config`, as `status` shows it.
    pub fn egress_status(&self, config: &Config) -> status::EgressStatus {
        let accounts = config.accounts.values();
        let origins = accounts.flat_map(|account| account.origins());
        Egress::new(&self.0.deps.proxies, config).status(origins)
    }

    /// The vault as `status` shows it, after checking its file, too.
    pub async fn vault_and_file(&self) -> status::VaultStatus {
        let shown = self.vault_status();
        if shown.problem.is_some() || !self.0.has_records().await {
            return shown;
        }
        let lost = match self.0.vaults.current() {
            Some(vault) => vault.lost_file().await,
            None => None,
        };
        status::VaultStatus {
            problem: lost,
            ..shown
        }
    }

    /// The vault as `status` shows it.
    pub fn vault_status(&self) -> status::VaultStatus {
        let shown = self.0.vaults.status(self.0.store.has_records());
        shown.unwrap_or_else(|| status::VaultStatus {
            kind: VaultKind::Keyring.name().to_owned(),
            state: status::VaultState::Untested,
            problem: None,
        })
    }

    /// Stops all sessions. Returns once every refresh in flight has finished and is stored. Logins that
    /// still wait for their browser are abandoned.
    pub async fn shutdown(&self) {
        for session in self.all() {
            session.stop().await;
        }
        self.0.callbacks.close().await;
        self.0.vaults.stop();
        let tasks = std::mem::take(&mut *self.0.tasks());
        for (name, task) in tasks {
            if task.await.is_err() {
                tracing::error!(account = %name, "session task panicked");
            }
        }
    }
}

#[derive(Debug)]
struct SessionRegistry {
    deps: Dependencies,
    store: Store,
    machine: String,
    vaults: Vaults,
    accounts: ArcSwap<BTreeMap<AccountName, Session>>,
    applying: Semaphore,
    callbacks: Callbacks,
    tasks: std::sync::Mutex<BTreeMap<AccountName, JoinHandle<()>>>,
}

impl SessionRegistry {
    async fn account_context(
        &self,
        account: &Arc<Account>,
        egress: &Egress,
    ) -> Arc<AccountContext> {
        let (opened, egress_of_account) = (Arc::clone(account), egress.clone());
        let conditions = self.deps.conditions.clone();
        let network = self.deps.network.clone();
        // Blocks: it reads certificate files.
        let upstream = move || {
            Upstream::new(&opened, egress_of_account, network, &conditions)
                .map_err(|e| e.to_string())
        };
        let upstream = blocking(upstream).await;
        let upstream = upstream.and_then(|upstream| upstream);
        let (egress, clock) = (egress.clone(), &self.deps.clock);
        Arc::new(AccountContext::new(
            account,
            egress,
            upstream,
            &self.machine,
            clock,
        ))
    }

    async fn start(&self, account: &Arc<Account>, egress: &Egress, vault: &Arc<Vault>) -> Session {
        // If the account was removed and has returned, its previous task must have stored its pair.
        let previous = self.tasks().remove(&account.name);
        if let Some(previous) = previous {
            drop(previous.await);
        }
        let context = self.account_context(account, egress).await;
        let (store, vault) = (self.store.clone(), Arc::clone(vault));
        let callbacks = self.callbacks.clone();
        let (session, workers) = Session::new(
            context,
            &self.deps.clock,
            &self.deps.tracker,
            store,
            vault,
            callbacks,
        );
        let task = self.deps.tracker.spawn(workers.run());
        self.tasks().insert(account.name.clone(), task);
        session
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, BTreeMap<AccountName, JoinHandle<()>>> {
        self.tasks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
