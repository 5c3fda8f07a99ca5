//! Supervises the vault: retries while it can't be opened, and moves the key to the vault that the
//! configuration names. None of this needs a restart or shows a prompt.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use loopdesk_protocol::status::State;
use loopdesk_protocol::{Kind, Problem, SecretText, status};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::SessionRegistry;
use crate::config::VaultKind;
use crate::session::model::blocking::blocking;
use crate::session::vault::{Signals, Vault, marked};
use crate::telemetry::redact;

/// The vault in use, and the one that will replace it.
#[derive(Debug, Default)]
pub(in crate::session) struct Vaults {
    current: ArcSwapOption<Vault>,
    next: Mutex<Option<NextVault>>,
    /// Allows one move at a time.
    moving: tokio::sync::Mutex<()>,
    /// Wakes the supervisor.
    wake: Arc<Notify>,
    stop: CancellationToken,
}

#[derive(Clone, Debug)]
struct NextVault {
    vault: Arc<Vault>,
    /// Why the key hasn't moved there yet.
    problem: Option<Problem>,
}

impl Vaults {
    /// The vault in use; `None` before the first configuration.
    pub(in crate::session) fn current(&self) -> Option<Arc<Vault>> {
        self.current.load_full()
    }

    /// The vault as `status` shows it.
    pub(in crate::session) fn status(&self, has_records: bool) -> Option<status::VaultStatus> {
        let mut shown = self.current()?.status(has_records);
        let move_problem = self.next().as_ref().and_then(|next| next.problem.clone());
        shown.problem = shown.problem.or(move_problem);
        Some(shown)
    }

    /// Whether the key is in the configured vault.
    ///
    /// # Errors
    /// Why the key hasn't moved yet.
    pub(in crate::session) fn is_settled(&self) -> Result<(), Problem> {
        let next = self.next();
        let problem = next.as_ref().and_then(|next| next.problem.clone());
        problem.map_or(Ok(()), Err)
    }

    /// Stops the supervisor.
    pub(in crate::session) fn stop(&self) {
        self.stop.cancel();
    }

    fn next(&self) -> std::sync::MutexGuard<'_, Option<NextVault>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_vault(&self) -> Option<Arc<Vault>> {
        self.next().as_ref().map(|next| Arc::clone(&next.vault))
    }
}

impl SessionRegistry {
    /// Switches to the `wanted` vault and moves the key there. If the key can't move, the old vault
    /// stays in use and the supervisor tries again (R9). Returns the vault in use.
    pub(in crate::session) async fn use_vault(self: &Arc<Self>, wanted: VaultKind) -> Arc<Vault> {
        let vaults = &self.vaults;
        let vault = |kind| Arc::new(Vault::watched(kind, &self.deps.paths, vaults.wake.clone()));
        let Some(current) = vaults.current() else {
            // The configuration may have changed while no daemon was running to move the key.
            let paths = self.deps.paths.clone();
            let marked_kind = blocking(move || marked(&paths)).await;
            let kind = marked_kind.ok().flatten().unwrap_or(wanted);
            let current = vault(kind);
            vaults.current.store(Some(Arc::clone(&current)));
            if kind != wanted {
                *vaults.next() = Some(NextVault {
                    vault: vault(wanted),
                    problem: None,
                });
                vaults.wake.notify_one();
            }
            self.deps.tracker.spawn(Arc::clone(self).supervise_vault());
            return current;
        };
        if current.kind() == wanted {
            *vaults.next() = None;
            return current;
        }
        if vaults.next_vault().is_none_or(|next| next.kind() != wanted) {
            let next = NextVault {
                vault: vault(wanted),
                problem: None,
            };
            *vaults.next() = Some(next);
        }
        // If that fails, `status` shows why.
        drop(self.move_key().await);
        vaults.wake.notify_one();
        vaults.current().unwrap_or(current)
    }

    /// Opens the vault with a person's help: the keyring's own prompt, or a passphrase.
    ///
    /// # Errors
    /// Why the vault is still closed, or doesn't have the sessions' key.
    pub(in crate::session) async fn unlock(
        &self,
        passphrase: Option<&SecretText>,
    ) -> Result<(), Problem> {
        let starting = || Problem::new(Kind::Daemon, "loopdesk is starting; try again");
        let current = self.vaults.current().ok_or_else(starting)?;
        let next = self.vaults.next_vault();
        let has_records = self.has_records().await;
        if let Some(passphrase) = passphrase {
            let _hidden = redact::hide(passphrase.expose());
            let mut vaults = next.iter().chain([&current]);
            let Some(vault) = vaults.find(|vault| vault.kind() == VaultKind::Passphrase) else {
                return Err(takes_no_passphrase(&current));
            };
            if passphrase.expose().is_empty() {
                let problem = Problem::new(Kind::Usage, "an empty passphrase protects nothing");
                return Err(problem.hint("run `loopdesk unlock --passphrase-stdin`"));
            }
            let key = match current.key_in_memory() {
                None if has_records && !Arc::ptr_eq(vault, &current) => Some(current.key().await?),
                key => key,
            };
            vault.open(passphrase, key, has_records).await?;
        } else {
            for vault in [Some(&current), next.as_ref()].into_iter().flatten() {
                vault.unlock(has_records).await?;
            }
        }
        if next.is_some() {
            self.move_key().await?;
        } else if let Err(problem) = current.retry(has_records).await
            && current.needs_retry(has_records)
        {
            return Err(problem);
        }
        self.open_sessions().await;
        Ok(())
    }

    /// Removes the data key for good. `false` if there was none.
    ///
    /// # Errors
    /// A stored session still needs the key, or the vault can't be reached.
    pub(in crate::session) async fn forget_key(&self) -> Result<bool, Problem> {
        let Some(current) = self.vaults.current() else {
            return Ok(false);
        };
        current.discard(self.has_records()).await
    }

    /// Whether there is a record, which needs the key.
    pub(in crate::session) async fn has_records(&self) -> bool {
        let store = self.store.clone();
        // If that can't be determined, assume there is: a new key would orphan the records.
        blocking(move || store.has_records()).await.unwrap_or(true)
    }

    /// Runs until [`Vaults::stop`].
    async fn supervise_vault(self: Arc<Self>) {
        let stop = self.vaults.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.supervise() => {}
        }
    }

    async fn supervise(&self) {
        loop {
            let mut signals = None;
            let mut pause = PAUSE_MIN;
            while self.needs_retry().await {
                if signals.is_none() && self.uses_keyring() {
                    // Subscribed first, so that no change is missed between the attempt and the wait.
                    signals = Signals::subscribe().await;
                }
                self.retry().await;
                if !self.needs_retry().await {
                    break;
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
                    () = self.vaults.wake.notified() => pause = PAUSE_MIN,
                    is_connected = next_signal(&mut signals) => {
                        pause = PAUSE_MIN;
                        if !is_connected {
                            signals = None;
                        }
                        // Signals come in bursts.
                        tokio::time::sleep(BURST).await;
                    }
                }
            }
            drop(signals);
            self.vaults.wake.notified().await;
        }
    }

    async fn needs_retry(&self) -> bool {
        let Some(current) = self.vaults.current() else {
            return false;
        };
        if current.needs_passphrase() {
            return false;
        }
        match self.vaults.next_vault() {
            Some(next) => !next.needs_passphrase() || self.next_is_new(),
            None => current.needs_retry(self.has_records().await),
        }
    }

    fn next_is_new(&self) -> bool {
        let next = self.vaults.next();
        next.as_ref().is_some_and(|next| next.problem.is_none())
    }

    fn uses_keyring(&self) -> bool {
        let vaults = [self.vaults.current(), self.vaults.next_vault()];
        vaults
            .into_iter()
            .flatten()
            .any(|vault| vault.kind() == VaultKind::Keyring)
    }

    async fn retry(&self) {
        if self.vaults.next_vault().is_some() {
            // If that fails, `status` shows why.
            drop(self.move_key().await);
            return;
        }
        let has_records = self.has_records().await;
        if let Some(current) = self.vaults.current()
            && current.retry(has_records).await.is_ok()
        {
            tracing::info!(vault = current.name(), "the data key is available again");
            self.open_sessions().await;
        }
    }

    /// Moves the key from the vault in use to the next one. At any moment, at least one of them has it.
    ///
    /// # Errors
    /// Why the key is still in the old vault.
    async fn move_key(&self) -> Result<(), Problem> {
        let _guard = self.vaults.moving.lock().await;
        let (Some(current), Some(next)) = (self.vaults.current(), self.vaults.next_vault()) else {
            return Ok(());
        };
        let has_records = self.has_records().await;
        let key = match current.key_in_memory() {
            None if has_records => current.key().await.map(Some),
            key => Ok(key),
        };
        let moved = match key {
            Ok(Some(key)) => next.adopt(&key).await.map(|()| Some(key)),
            Ok(None) => Ok(None),
            Err(problem) => Err(problem),
        };
        let key = match moved {
            Ok(key) => key,
            // Without records the key opens nothing, and need not move.
            Err(_) if !has_records => None,
            Err(problem) => return Err(self.move_failed(&current, &next, &problem)),
        };
        if self
            .vaults
            .next_vault()
            .is_none_or(|now| !Arc::ptr_eq(&now, &next))
        {
            // The configuration has changed again in the meantime: both vaults have the key.
            return Ok(());
        }
        self.vaults.current.store(Some(Arc::clone(&next)));
        *self.vaults.next() = None;
        self.share_vault(false).await;
        tracing::info!(
            from = current.name(),
            to = next.name(),
            "moved the data key to another vault"
        );
        if let Some(key) = key
            && let Err(problem) = current.forget(&key).await
        {
            tracing::warn!(%problem, "can't remove the data key from the old vault");
        }
        Ok(())
    }

    fn move_failed(&self, current: &Vault, next: &Arc<Vault>, why: &Problem) -> Problem {
        let (from, to) = (current.name(), next.name());
        let mut problem = Problem::new(
            Kind::Vault,
            format!(
                "can't move the data key from vault `{from}` to vault `{to}`: {}; vault `{from}` \
                 stays in use, and loopdesk tries again by itself",
                why.message
            ),
        );
        let others = why.hints.iter().filter(|hint| !hint.starts_with("or "));
        problem.hints.extend(others.cloned());
        let problem = problem.hint(format!(
            "or change `vault` back: `loopdesk config set vault {from}`"
        ));
        tracing::warn!(%problem, "the vault hasn't changed");
        if let Some(pending) = &mut *self.vaults.next()
            && Arc::ptr_eq(&pending.vault, next)
        {
            pending.problem = Some(problem.clone());
        }
        problem
    }

    /// Gives the vault in use to the sessions that have another one. With `all`, gives it to every
    /// session, so that those that wait for the key try again.
    pub(in crate::session) async fn share_vault(&self, all: bool) {
        let Some(vault) = self.vaults.current() else {
            return;
        };
        for session in self.accounts.load_full().values() {
            if all || !session.has_vault(&vault) {
                session.change_vault(Arc::clone(&vault)).await;
            }
        }
    }

    /// Makes the sessions that couldn't load try again, and waits until they have.
    async fn open_sessions(&self) {
        self.share_vault(true).await;
        let is_open = |vault: Arc<Vault>| vault.key_in_memory().is_some();
        if !self.vaults.current().is_some_and(is_open) {
            return;
        }
        let accounts = self.accounts.load_full();
        let opened = async {
            for session in accounts.values() {
                let mut changes = session.changes();
                let opened = changes.wait_for(|now| now.view.state != State::KeyMissing);
                drop(opened.await);
            }
        };
        drop(tokio::time::timeout(OPENING, opened).await);
    }
}

async fn next_signal(signals: &mut Option<Signals>) -> bool {
    match signals {
        Some(signals) => signals.next().await.is_some(),
        None => std::future::pending().await,
    }
}

fn takes_no_passphrase(vault: &Vault) -> Problem {
    let name = vault.name();
    let problem = Problem::new(
        Kind::Usage,
        format!("the data key is in vault `{name}`, which doesn't use a loopdesk passphrase"),
    );
    match vault.kind() {
        VaultKind::Keyring => {
            problem.hint("the keyring asks for its password in its own prompt: `loopdesk unlock`")
        }
        VaultKind::Keyfile | VaultKind::Credential | VaultKind::Passphrase => {
            problem.hint("to use a passphrase: `loopdesk config set vault passphrase`")
        }
    }
}

/// A bus or keyring that starts with the desktop is ready within seconds.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// A person who has fixed something waits about this long for the result.
const PAUSE_MAX: Duration = Duration::from_secs(30);
const BURST: Duration = Duration::from_millis(50);
/// Records open within milliseconds. One whose file is damaged never does.
const OPENING: Duration = Duration::from_secs(3);
