//! Where the data key is stored, which opens every record (R9).
//!
//! ```text
//!  sessions ──key, key_or_new──► Vault ──► keyring, keyfile, or wrapped (passphrase, credential)
//!                                  ▲
//!  registry ──retry, adopt, unlock─┘      error: why the key isn't available
//! ```
//!
//! The vault is read once and the key stays in memory, so it doesn't matter if the keyring is
//! locked, slow or stopped later. A new key is created only while no record needs an existing one,
//! and nothing in a vault is ever overwritten. Only [`Vault::unlock`] may show a prompt.

pub(in crate::session) mod active_marker;
pub(in crate::session) mod error;
mod files;
mod keyfile;
mod keyring;
mod wrapped;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use loopdesk_protocol::{Kind, Paths, Problem, SecretText, conditions, status};
use tokio::sync::Notify;

pub(super) use self::active_marker::marked;
pub(super) use self::error::lost_key;
pub(super) use self::keyring::Signals;
pub(super) use super::crypto::data_key::DataKey;

use self::error::{VaultContext, VaultError};
use self::keyfile::Keyfile;
use self::keyring::Keyring;
use self::wrapped::Wrapped;
use super::model;
use crate::config::VaultKind;
use crate::telemetry::redact;

/// The configured vault.
#[derive(Debug)]
pub(super) struct Vault {
    kind: VaultKind,
    backend: Backend,
    cached: Mutex<CachedKey>,
    /// Without this, two callers at once could each create a key.
    create_lock: tokio::sync::Mutex<()>,
    /// The marker file that says which vault has the key.
    marker: PathBuf,
    /// Notified when a working vault starts to fail.
    failed: Arc<Notify>,
}

#[derive(Debug)]
enum Backend {
    Keyring(Keyring),
    Keyfile(Keyfile),
    Passphrase(Wrapped),
    Credential(Wrapped),
}

#[derive(Debug, Default)]
struct CachedKey {
    key: Option<Arc<DataKey>>,
    error: Option<(VaultError, Problem)>,
    is_marked: bool,
}

impl Vault {
    /// The vault of this kind, without an observer.
    #[cfg(test)]
    pub(super) fn new(kind: VaultKind, paths: &Paths) -> Self {
        Self::watched(kind, paths, Arc::default())
    }

    /// The vault of this kind. Doesn't open it yet. `failed` is notified when it starts to fail.
    pub(super) fn watched(kind: VaultKind, paths: &Paths, failed: Arc<Notify>) -> Self {
        let wrapped = |name| Wrapped::new(paths.state_dir().join(name));
        let backend = match kind {
            VaultKind::Keyring => Backend::Keyring(Keyring::start()),
            VaultKind::Keyfile => Backend::Keyfile(Keyfile::new(paths.key_file())),
            VaultKind::Passphrase => Backend::Passphrase(wrapped("key.passphrase")),
            VaultKind::Credential => Backend::Credential(wrapped("key.credential")),
        };
        Self {
            kind,
            backend,
            cached: Mutex::default(),
            create_lock: tokio::sync::Mutex::default(),
            marker: active_marker::path(paths),
            failed,
        }
    }

    /// The vault's kind.
    pub(super) fn kind(&self) -> VaultKind {
        self.kind
    }

    /// The existing key that opens the records.
    ///
    /// # Errors
    /// If the key isn't available; with what helps.
    pub(super) async fn key(&self) -> Result<Arc<DataKey>, Problem> {
        if let Some(key) = self.cached().key.clone() {
            return Ok(key);
        }
        let found = self.read().await;
        self.remember(found, true).await
    }

    /// The key for a login, which is certainly in the vault. Creates one if no record needs
    /// another.
    ///
    /// # Errors
    /// If the vault can't be read or written, or has lost the key that records need; with what
    /// helps.
    pub(super) async fn key_or_new(&self, has_records: bool) -> Result<Arc<DataKey>, Problem> {
        let _guard = self.create_lock.lock().await;
        let in_memory = self.cached().key.clone();
        let found = match (self.read().await, in_memory) {
            (Err(VaultError::Missing), Some(key)) => self.write(&key).await.map(|()| key),
            (Err(VaultError::Missing), None) if !has_records => match DataKey::random() {
                Ok(key) => self.write(&key).await.map(|()| Arc::new(key)),
                Err(why) => Err(VaultError::Failed(why)),
            },
            (Ok(found), Some(key)) if found.id() != key.id() => Err(VaultError::Another),
            (found, _) => found,
        };
        self.remember(found, has_records).await
    }

    /// Stores the key of another vault, so that the records stay readable.
    ///
    /// # Errors
    /// If this vault can't be read or written, or already has a different key.
    pub(super) async fn adopt(&self, key: &Arc<DataKey>) -> Result<(), Problem> {
        let _guard = self.create_lock.lock().await;
        let adopted = match self.read().await {
            Ok(found) if found.id() == key.id() => Ok(found),
            Ok(_) => Err(VaultError::Another),
            Err(VaultError::Missing) => self.write(key).await.map(|()| Arc::clone(key)),
            Err(other) => Err(other),
        };
        self.remember(adopted, false).await.map(|_key| ())
    }

    /// Reads the key again after a failure. If the vault was slow, waits as long as it takes.
    ///
    /// # Errors
    /// If the key still isn't available, or is a different one from the key in use.
    pub(super) async fn retry(&self, has_records: bool) -> Result<Arc<DataKey>, Problem> {
        let was_slow = matches!(self.cached().error, Some((VaultError::Slow, _)));
        let found = match &self.backend {
            Backend::Keyring(keyring) if was_slow => keyring.read_patiently().await.map(Arc::new),
            Backend::Keyring(_)
            | Backend::Keyfile(_)
            | Backend::Passphrase(_)
            | Backend::Credential(_) => self.read().await,
        };
        let in_memory = self.cached().key.clone();
        let found = match (found, in_memory) {
            (Ok(found), Some(key)) if found.id() != key.id() => Err(VaultError::Another),
            (found, _) => found,
        };
        self.remember(found, has_records).await
    }

    /// Unlocks the vault: the keyring shows its prompt, and a lost file of a key in memory is
    /// written again.
    ///
    /// # Errors
    /// If the prompt is dismissed or not answered, a passphrase is needed, or the vault fails.
    pub(super) async fn unlock(&self, has_records: bool) -> Result<(), Problem> {
        let error = match &self.backend {
            Backend::Keyring(keyring) => match keyring.unlock().await {
                Ok(opened) => return opened.result(),
                Err(error) => error,
            },
            Backend::Passphrase(_) if self.key_in_memory().is_none() => match self.read().await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            },
            Backend::Keyfile(_) | Backend::Credential(_)
                if let Some(key) = self.key_in_memory() =>
            {
                let _guard = self.create_lock.lock().await;
                match self.check_file(&key).await {
                    Err(VaultError::Missing) => match self.write(&key).await {
                        Ok(()) => return Ok(()),
                        Err(error) => error,
                    },
                    Ok(()) | Err(_) => return Ok(()),
                }
            }
            Backend::Passphrase(_) | Backend::Keyfile(_) | Backend::Credential(_) => return Ok(()),
        };
        let lost = self.remember(Err(error), has_records).await;
        lost.map(|_key| ())
    }

    /// Opens the vault with its passphrase. If it has no key yet, seals `key` or a new one with the
    /// passphrase.
    ///
    /// # Errors
    /// If the vault doesn't take a passphrase, the passphrase is wrong, or a new key may not be
    /// created. Nothing has changed then.
    pub(super) async fn open(
        &self,
        passphrase: &SecretText,
        key: Option<Arc<DataKey>>,
        has_records: bool,
    ) -> Result<(), Problem> {
        let Backend::Passphrase(file) = &self.backend else {
            return Err(Problem::new(
                Kind::Usage,
                "this vault doesn't take a passphrase",
            ));
        };
        let _guard = self.create_lock.lock().await;
        let secret = zeroize::Zeroizing::new(passphrase.expose().as_bytes().to_vec());
        let needed = key.clone().or_else(|| self.key_in_memory());
        let found = {
            let secret = secret.clone();
            blocking(file, move |file| file.open(&secret)).await
        };
        let found = match (found, needed) {
            (Err(VaultError::Missing), Some(key)) => {
                let sealed = Arc::clone(&key);
                let made = blocking(file, move |file| file.create(&sealed, &secret)).await;
                made.map(|()| key)
            }
            (Err(VaultError::Missing), None) if !has_records => match DataKey::random() {
                Ok(key) => {
                    let sealed = key.clone();
                    let made = blocking(file, move |file| file.create(&sealed, &secret)).await;
                    made.map(|()| Arc::new(key))
                }
                Err(why) => Err(VaultError::Failed(why)),
            },
            (Ok(found), Some(key)) if found.id() != key.id() => Err(VaultError::Another),
            (Err(VaultError::Wrong), _) => {
                // Don't change the state: a typo doesn't mean that the vault fails.
                return Err(VaultError::Wrong.problem(self.context(true)));
            }
            (found, _) => found.map(Arc::new),
        };
        self.remember(found, has_records).await.map(|_key| ())
    }

    /// Removes this vault's copy of a key that is certainly in another vault.
    ///
    /// # Errors
    /// If the vault can't be read or changed, or has a different key.
    pub(super) async fn forget(&self, key: &Arc<DataKey>) -> Result<(), Problem> {
        let key = Arc::clone(key);
        let removed = match &self.backend {
            Backend::Keyring(keyring) => keyring.remove(DataKey::clone(&key)).await,
            Backend::Keyfile(file) => blocking(file, move |file| file.remove(&key)).await,
            Backend::Passphrase(file) | Backend::Credential(file) => {
                blocking(file, move |file| file.remove(&key)).await
            }
        };
        removed.map_err(|error| error.problem(self.context(true)))
    }

    /// Removes the data key for good, unless `is_needed` finds that something depends on it.
    /// Returns whether there was one.
    ///
    /// # Errors
    /// If the key is still needed, or the vault can't be read or changed.
    pub(super) async fn discard(
        &self,
        is_needed: impl Future<Output = bool>,
    ) -> Result<bool, Problem> {
        // A login in progress creates its record and may need the key.
        let _guard = self.create_lock.lock().await;
        if is_needed.await {
            let message = "a stored session still needs the data key";
            return Err(Problem::new(Kind::Vault, message).hint("run `loopdesk logout`"));
        }
        let key = match self.read().await {
            Ok(key) => key,
            // A key that isn't open is deleted with the state folder.
            Err(VaultError::Missing | VaultError::Closed) => return Ok(false),
            Err(error) => return Err(error.problem(self.context(false))),
        };
        self.forget(&key).await?;
        {
            let mut cached = self.cached();
            cached.key = None;
            cached.is_marked = false;
        }
        drop(std::fs::remove_file(&self.marker));
        Ok(true)
    }

    /// The vault as `status` shows it. An empty vault is a problem only once there are records,
    /// which need its key.
    pub(super) fn status(&self, has_records: bool) -> status::VaultStatus {
        let cached = self.cached();
        let (state, problem) = match &cached.error {
            Some((error, problem)) => {
                let is_empty = matches!(error, VaultError::Missing | VaultError::Closed);
                let problem = Some(problem.clone()).filter(|_| has_records || !is_empty);
                (error.state(self.kind), problem)
            }
            None if cached.key.is_some() => (status::VaultState::Available, None),
            None => (status::VaultState::Untested, None),
        };
        status::VaultStatus {
            kind: self.kind.name().to_owned(),
            state,
            problem,
        }
    }

    /// The problem of a vault whose file was lost or changed while the key is in memory, which
    /// would otherwise go unnoticed until the next start. `None` if all is well or the vault has no
    /// file.
    pub(super) async fn lost_file(&self) -> Option<Problem> {
        let key = self.key_in_memory()?;
        let error = self.check_file(&key).await.err()?;
        let context = self.context(true);
        let cause = error.problem(context);
        let mut problem = conditions::key_file_lost(&cause.message);
        if matches!(error, VaultError::Missing) {
            let how = match self.kind {
                VaultKind::Passphrase => "loopdesk unlock --passphrase-stdin",
                VaultKind::Keyring | VaultKind::Keyfile | VaultKind::Credential => {
                    "loopdesk unlock"
                }
            };
            problem = problem.hint(format!("run `{how}`, which writes it again"));
        }
        problem.hints.extend(cause.hints);
        Some(problem)
    }

    async fn check_file(&self, key: &DataKey) -> Result<(), VaultError> {
        let id = match &self.backend {
            Backend::Keyring(_) => return Ok(()),
            Backend::Keyfile(file) => {
                blocking(file, |file| file.read().map(|key| key.id().to_owned())).await?
            }
            Backend::Passphrase(file) | Backend::Credential(file) => {
                blocking(file, |file| file.key_id()).await?
            }
        };
        (id == key.id()).then_some(()).ok_or(VaultError::Another)
    }

    /// The key, if it has been read before.
    pub(super) fn key_in_memory(&self) -> Option<Arc<DataKey>> {
        self.cached().key.clone()
    }

    /// The kind's name in the configuration.
    pub(super) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// Whether the vault needs its passphrase.
    pub(super) fn needs_passphrase(&self) -> bool {
        self.kind == VaultKind::Passphrase && self.key_in_memory().is_none()
    }

    /// Whether the vault fails, so that a retry may help.
    pub(super) fn needs_retry(&self, has_records: bool) -> bool {
        match &self.cached().error {
            Some((VaultError::Missing, _)) => has_records,
            Some(_) => true,
            None => false,
        }
    }

    async fn read(&self) -> Result<Arc<DataKey>, VaultError> {
        match &self.backend {
            Backend::Keyring(keyring) => keyring.read().await.map(Arc::new),
            Backend::Keyfile(file) => blocking(file, Keyfile::read).await.map(Arc::new),
            Backend::Passphrase(file) => {
                let id = blocking(file, Wrapped::key_id).await?;
                match self.cached().key.clone() {
                    Some(key) if key.id() == id => Ok(key),
                    Some(_) => Err(VaultError::Another),
                    None => Err(VaultError::Closed),
                }
            }
            Backend::Credential(file) => {
                let open = |file: &Wrapped| {
                    let secret = wrapped::credential(credentials())?;
                    let _hidden = redact::hide_bytes(&secret);
                    file.open(&secret)
                };
                blocking(file, open).await.map(Arc::new)
            }
        }
    }

    async fn write(&self, key: &DataKey) -> Result<(), VaultError> {
        let key = key.clone();
        match &self.backend {
            Backend::Keyring(keyring) => keyring.write(key).await,
            Backend::Keyfile(file) => {
                let made = move |file: &Keyfile| {
                    file.create(&key)?;
                    let found = file.read()?;
                    (found.id() == key.id())
                        .then_some(())
                        .ok_or(VaultError::Another)
                };
                blocking(file, made).await
            }
            // A key can be sealed only while the passphrase is at hand, in [`Vault::open`].
            Backend::Passphrase(_) => Err(VaultError::Missing),
            Backend::Credential(file) => {
                let made = move |file: &Wrapped| {
                    let secret = wrapped::credential(credentials())?;
                    let _hidden = redact::hide_bytes(&secret);
                    file.create(&key, &secret)
                };
                blocking(file, made).await
            }
        }
    }

    async fn remember(
        &self,
        found: Result<Arc<DataKey>, VaultError>,
        has_records: bool,
    ) -> Result<Arc<DataKey>, Problem> {
        match found {
            Ok(key) => {
                let is_marked = {
                    let mut cached = self.cached();
                    cached.key = Some(Arc::clone(&key));
                    cached.error = None;
                    std::mem::replace(&mut cached.is_marked, true)
                };
                if !is_marked {
                    let (marker, kind) = (self.marker.clone(), self.kind);
                    let marked =
                        model::blocking::blocking(move || active_marker::write(&marker, kind))
                            .await;
                    if let Err(why) | Ok(Err(why)) = marked {
                        tracing::warn!(why, "can't record which vault has the data key");
                    }
                }
                Ok(key)
            }
            Err(error) => {
                let mut cached = self.cached();
                let needed = has_records && cached.key.is_none();
                let problem = error.problem(self.context(needed));
                let before = cached.error.replace((error, problem.clone()));
                if before.is_none() {
                    self.failed.notify_one();
                }
                Err(problem)
            }
        }
    }

    fn context(&self, needed: bool) -> VaultContext<'_> {
        let file = match &self.backend {
            Backend::Keyring(_) => Path::new(""),
            Backend::Keyfile(file) => file.path(),
            Backend::Passphrase(file) | Backend::Credential(file) => file.path(),
        };
        VaultContext {
            kind: self.kind,
            file,
            needed,
        }
    }

    fn cached(&self) -> std::sync::MutexGuard<'_, CachedKey> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn blocking<P: Clone + Send + 'static, T: Send + 'static>(
    backend: &P,
    work: impl FnOnce(&P) -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    let backend = backend.clone();
    model::blocking::blocking(move || work(&backend))
        .await
        .unwrap_or_else(|why| Err(VaultError::Failed(why)))
}

fn credentials() -> Option<std::ffi::OsString> {
    std::env::var_os("CREDENTIALS_DIRECTORY")
}

#[cfg(test)]
mod tests;
