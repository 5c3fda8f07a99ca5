//! Where the one data key lives that opens every record (R9).
//!
//! ```text
//!  sessions ──key, key_or_new──► Vault ──► keyring, keyfile, or wrapped (passphrase, credential)
//!                                  ▲
//!  keeper ── asks again, moves the key, opens ──┘      unusable: why there is no key, in words
//! ```
//!
//! The vault is asked once and the key kept in memory: a keyring that is locked, slow or gone
//! later on disturbs nobody. A key is made only while there is no record that another one opens,
//! and nothing in a vault is ever overwritten. Only [`Vault::unlock`] may make a prompt appear.

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

pub(super) use self::active_marker::noted;
pub(super) use self::keyring::Signals;
pub(super) use super::crypto::data_key::DataKey;

use self::error::{VaultContext, VaultError};
use self::keyfile::Keyfile;
use self::keyring::Keyring;
use self::wrapped::Wrapped;
use super::model;
use crate::config::VaultKind;
use crate::telemetry::redact;

/// The configured place.
#[derive(Debug)]
pub(super) struct Vault {
    kind: VaultKind,
    place: Backend,
    known: Mutex<CachedKey>,
    /// Two at once could each make a key.
    making: tokio::sync::Mutex<()>,
    /// Where it is noted which vault has the key.
    note: PathBuf,
    /// Told when trouble begins.
    troubled: Arc<Notify>,
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
    trouble: Option<(VaultError, Problem)>,
    is_noted: bool,
}

impl Vault {
    /// The vault of this kind, with nobody who watches it.
    #[cfg(test)]
    pub(super) fn new(kind: VaultKind, paths: &Paths) -> Self {
        Self::watched(kind, paths, Arc::default())
    }

    /// The vault of this kind. Nothing is opened yet. `troubled` is told when trouble begins.
    pub(super) fn watched(kind: VaultKind, paths: &Paths, troubled: Arc<Notify>) -> Self {
        let wrapped = |name| Wrapped::new(paths.state_dir().join(name));
        let place = match kind {
            VaultKind::Keyring => Backend::Keyring(Keyring::start()),
            VaultKind::Keyfile => Backend::Keyfile(Keyfile::new(paths.key_file())),
            VaultKind::Passphrase => Backend::Passphrase(wrapped("key.passphrase")),
            VaultKind::Credential => Backend::Credential(wrapped("key.credential")),
        };
        Self {
            kind,
            place,
            known: Mutex::default(),
            making: tokio::sync::Mutex::default(),
            note: active_marker::note(paths),
            troubled,
        }
    }

    /// The kind.
    pub(super) fn kind(&self) -> VaultKind {
        self.kind
    }

    /// The key that opens the records, for somebody who has one.
    ///
    /// # Errors
    /// A problem that says why it can't be had, and what helps.
    pub(super) async fn key(&self) -> Result<Arc<DataKey>, Problem> {
        if let Some(key) = self.known().key.clone() {
            return Ok(key);
        }
        let found = self.read().await;
        self.remember(found, true).await
    }

    /// The key for a login: proved to be in the vault, and made if nothing depends on another.
    ///
    /// # Errors
    /// As [`Vault::key`], with the alternatives where there are any.
    pub(super) async fn key_or_new(&self, has_records: bool) -> Result<Arc<DataKey>, Problem> {
        let _turn = self.making.lock().await;
        let in_memory = self.known().key.clone();
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

    /// Takes over the key of another vault, so that the records stay readable.
    ///
    /// # Errors
    /// As [`Vault::key`]; and where this vault holds another key already.
    pub(super) async fn adopt(&self, key: &Arc<DataKey>) -> Result<(), Problem> {
        let _turn = self.making.lock().await;
        let adopted = match self.read().await {
            Ok(found) if found.id() == key.id() => Ok(found),
            Ok(_) => Err(VaultError::Another),
            Err(VaultError::Missing) => self.write(key).await.map(|()| Arc::clone(key)),
            Err(other) => Err(other),
        };
        self.remember(adopted, false).await.map(|_key| ())
    }

    /// Asks again after trouble, as patiently as it takes where the vault was slow.
    ///
    /// # Errors
    /// As [`Vault::key`].
    pub(super) async fn retry(&self, has_records: bool) -> Result<Arc<DataKey>, Problem> {
        let was_slow = matches!(self.known().trouble, Some((VaultError::Slow, _)));
        let found = match &self.place {
            Backend::Keyring(keyring) if was_slow => keyring.read_at_last().await.map(Arc::new),
            Backend::Keyring(_)
            | Backend::Keyfile(_)
            | Backend::Passphrase(_)
            | Backend::Credential(_) => self.read().await,
        };
        let in_memory = self.known().key.clone();
        let found = match (found, in_memory) {
            (Ok(found), Some(key)) if found.id() != key.id() => Err(VaultError::Another),
            (found, _) => found,
        };
        self.remember(found, has_records).await
    }

    /// Opens the vault as far as a person can: the keyring shows its prompt.
    ///
    /// # Errors
    /// Where nobody answers it, or it is dismissed; and where a passphrase is needed.
    pub(super) async fn unlock(&self, has_records: bool) -> Result<(), Problem> {
        let trouble = match &self.place {
            Backend::Keyring(keyring) => match keyring.unlock().await {
                Ok(opened) => return opened.told(),
                Err(trouble) => trouble,
            },
            Backend::Passphrase(_) if self.key_in_memory().is_none() => match self.read().await {
                Ok(_) => return Ok(()),
                Err(trouble) => trouble,
            },
            Backend::Keyfile(_) | Backend::Credential(_)
                if let Some(key) = self.key_in_memory() =>
            {
                let _turn = self.making.lock().await;
                match self.check_file(&key).await {
                    Err(VaultError::Missing) => match self.write(&key).await {
                        Ok(()) => return Ok(()),
                        Err(trouble) => trouble,
                    },
                    Ok(()) | Err(_) => return Ok(()),
                }
            }
            Backend::Passphrase(_) | Backend::Keyfile(_) | Backend::Credential(_) => return Ok(()),
        };
        let lost = self.remember(Err(trouble), has_records).await;
        lost.map(|_key| ())
    }

    /// Opens the vault with its passphrase; where it holds no key yet, seals `key` or a new one
    /// under it.
    ///
    /// # Errors
    /// Where the passphrase is wrong, or no new key may be made; nothing has changed then.
    pub(super) async fn open(
        &self,
        passphrase: &SecretText,
        key: Option<Arc<DataKey>>,
        has_records: bool,
    ) -> Result<(), Problem> {
        let Backend::Passphrase(file) = &self.place else {
            return Err(Problem::new(
                Kind::Usage,
                "this vault is opened by no passphrase",
            ));
        };
        let _turn = self.making.lock().await;
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
                // The state is what it was: a slip of the finger is no trouble of the vault's.
                return Err(VaultError::Wrong.problem(self.circumstances(true)));
            }
            (found, _) => found.map(Arc::new),
        };
        self.remember(found, has_records).await.map(|_key| ())
    }

    /// Removes this vault's copy of a key that another vault has proved to hold.
    pub(super) async fn forget(&self, key: &Arc<DataKey>) -> Result<(), Problem> {
        let key = Arc::clone(key);
        let removed = match &self.place {
            Backend::Keyring(keyring) => keyring.remove(DataKey::clone(&key)).await,
            Backend::Keyfile(file) => blocking(file, move |file| file.remove(&key)).await,
            Backend::Passphrase(file) | Backend::Credential(file) => {
                blocking(file, move |file| file.remove(&key)).await
            }
        };
        removed.map_err(|trouble| trouble.problem(self.circumstances(true)))
    }

    /// Removes the data key for good, unless `is_needed` finds that something depends on it.
    /// Returns whether there was one.
    ///
    /// # Errors
    /// While it is needed; and if the vault can't be asked.
    pub(super) async fn discard(
        &self,
        is_needed: impl Future<Output = bool>,
    ) -> Result<bool, Problem> {
        // A login that is under way creates its record and may need the key.
        let _turn = self.making.lock().await;
        if is_needed.await {
            let message = "the data key opens a session that is still stored";
            return Err(Problem::new(Kind::Vault, message).hint("run `loopdesk logout`"));
        }
        let key = match self.read().await {
            Ok(key) => key,
            // A key that can't be opened is deleted with the state folder.
            Err(VaultError::Missing | VaultError::Closed) => return Ok(false),
            Err(trouble) => return Err(trouble.problem(self.circumstances(false))),
        };
        self.forget(&key).await?;
        {
            let mut known = self.known();
            known.key = None;
            known.is_noted = false;
        }
        drop(std::fs::remove_file(&self.note));
        Ok(true)
    }

    /// The vault as `status` shows it. An empty vault is a problem only once there are records,
    /// which need its key.
    pub(super) fn status(&self, has_records: bool) -> status::Vault {
        let known = self.known();
        let (state, problem) = match &known.trouble {
            Some((trouble, problem)) => {
                let is_empty = matches!(trouble, VaultError::Missing | VaultError::Closed);
                let problem = Some(problem.clone()).filter(|_| has_records || !is_empty);
                (trouble.state(self.kind), problem)
            }
            None if known.key.is_some() => (status::VaultState::Available, None),
            None => (status::VaultState::Untested, None),
        };
        status::Vault {
            kind: self.kind.name().to_owned(),
            state,
            problem,
        }
    }

    /// What has become of the vault's file while the key is in memory: nobody would notice before
    /// the restart that needs it. None where all is well, or there is no file.
    pub(super) async fn lost_file(&self) -> Option<Problem> {
        let key = self.key_in_memory()?;
        let trouble = self.check_file(&key).await.err()?;
        let circumstances = self.circumstances(true);
        let told = trouble.problem(circumstances);
        let mut problem = conditions::key_file_lost(&told.message);
        if matches!(trouble, VaultError::Missing) {
            let how = match self.kind {
                VaultKind::Passphrase => "loopdesk unlock --passphrase-stdin",
                VaultKind::Keyring | VaultKind::Keyfile | VaultKind::Credential => {
                    "loopdesk unlock"
                }
            };
            problem = problem.hint(format!("run `{how}`, which writes it again"));
        }
        problem.hints.extend(told.hints);
        Some(problem)
    }

    async fn check_file(&self, key: &DataKey) -> Result<(), VaultError> {
        let id = match &self.place {
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

    /// The key, if it has been had before.
    pub(super) fn key_in_memory(&self) -> Option<Arc<DataKey>> {
        self.known().key.clone()
    }

    /// The kind's name in the configuration.
    pub(super) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// Whether nothing but a passphrase helps.
    pub(super) fn waits_for_a_person(&self) -> bool {
        self.kind == VaultKind::Passphrase && self.key_in_memory().is_none()
    }

    /// Whether asking again may help.
    pub(super) fn is_in_trouble(&self, has_records: bool) -> bool {
        match &self.known().trouble {
            Some((VaultError::Missing, _)) => has_records,
            Some(_) => true,
            None => false,
        }
    }

    async fn read(&self) -> Result<Arc<DataKey>, VaultError> {
        match &self.place {
            Backend::Keyring(keyring) => keyring.read().await.map(Arc::new),
            Backend::Keyfile(file) => blocking(file, Keyfile::read).await.map(Arc::new),
            Backend::Passphrase(file) => {
                let id = blocking(file, Wrapped::key_id).await?;
                match self.known().key.clone() {
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
        match &self.place {
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
            // A key can be sealed only while the passphrase is being given.
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
                let is_noted = {
                    let mut known = self.known();
                    known.key = Some(Arc::clone(&key));
                    known.trouble = None;
                    std::mem::replace(&mut known.is_noted, true)
                };
                if !is_noted {
                    let (note, kind) = (self.note.clone(), self.kind);
                    let noted =
                        model::blocking::blocking(move || active_marker::write(&note, kind)).await;
                    if let Err(why) | Ok(Err(why)) = noted {
                        tracing::warn!(why, "it isn't noted which vault has the data key");
                    }
                }
                Ok(key)
            }
            Err(trouble) => {
                let mut known = self.known();
                let needed = has_records && known.key.is_none();
                let problem = trouble.problem(self.circumstances(needed));
                let before = known.trouble.replace((trouble, problem.clone()));
                if before.is_none() {
                    self.troubled.notify_one();
                }
                Err(problem)
            }
        }
    }

    fn circumstances(&self, needed: bool) -> VaultContext<'_> {
        let file = match &self.place {
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

    fn known(&self) -> std::sync::MutexGuard<'_, CachedKey> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to do about records whose key is gone.
pub(super) fn lost_key(problem: Problem, record: &Path, account: &str) -> Problem {
    let message = format!(
        "the stored session `{}` can't be opened: {}",
        record.display(),
        problem.message
    );
    let mut lost = Problem::new(Kind::Vault, message);
    lost.hints = problem.hints;
    lost.hint(format!(
        "if the key is gone for good: `loopdesk logout {account} --forget`, then `loopdesk login {account}`"
    ))
}

async fn blocking<P: Clone + Send + 'static, T: Send + 'static>(
    place: &P,
    work: impl FnOnce(&P) -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    let place = place.clone();
    model::blocking::blocking(move || work(&place))
        .await
        .unwrap_or_else(|why| Err(VaultError::Failed(why)))
}

fn credentials() -> Option<std::ffi::OsString> {
    std::env::var_os("CREDENTIALS_DIRECTORY")
}

#[cfg(test)]
mod tests;
