//! Where the one data key lives that opens every record (R9).
//!
//! The vault is asked once and the key kept in memory: a keyring that is locked, slow or gone
//! later on disturbs nobody. A key is made only while there is no record that another one opens.

mod keyfile;
mod keyring;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use loopdesk_protocol::{Kind, Paths, Problem, status};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use self::keyfile::Keyfile;
use self::keyring::Keyring;
use crate::config::VaultKind;
use crate::telemetry::redact::{self, Hidden};

/// The configured place.
#[derive(Debug)]
pub(super) struct Vault {
    kind: VaultKind,
    place: Place,
    known: Mutex<Known>,
}

#[derive(Debug)]
enum Place {
    Keyring(Keyring),
    Keyfile(Keyfile),
}

#[derive(Debug, Default)]
struct Known {
    key: Option<Arc<DataKey>>,
    problem: Option<Problem>,
}

impl Vault {
    /// The vault of this kind. Nothing is opened yet.
    pub(super) fn new(kind: VaultKind, paths: &Paths) -> Self {
        let place = match kind {
            VaultKind::Keyring => Place::Keyring(Keyring::start()),
            VaultKind::Keyfile => Place::Keyfile(Keyfile::new(paths.key_file())),
        };
        Self {
            kind,
            place,
            known: Mutex::default(),
        }
    }

    /// The kind.
    pub(super) fn kind(&self) -> VaultKind {
        self.kind
    }

    /// The key that opens the records.
    ///
    /// # Errors
    /// A problem that says why it can't be had, and the alternative.
    pub(super) async fn key(&self) -> Result<Arc<DataKey>, Problem> {
        if let Some(key) = self.known().key.clone() {
            return Ok(key);
        }
        let found = self.read().await;
        self.remember(found)
    }

    /// The key for a login: proved to be in the vault, and made if nothing depends on another.
    ///
    /// # Errors
    /// As [`Vault::key`].
    pub(super) async fn key_or_new(&self, has_records: bool) -> Result<Arc<DataKey>, Problem> {
        let in_memory = self.known().key.clone();
        let found = match self.read().await {
            Err(Unusable::Missing) => match in_memory {
                Some(key) => self.write(&key).await.map(|()| key),
                None if has_records => Err(Unusable::Missing),
                None => match DataKey::random() {
                    Ok(key) => self.write(&key).await.map(|()| Arc::new(key)),
                    Err(why) => Err(Unusable::Failed(why)),
                },
            },
            found => found.map(Arc::new),
        };
        self.remember(found)
    }

    /// Takes over the key of another vault, so that the records stay readable.
    ///
    /// # Errors
    /// As [`Vault::key`]; and where this vault holds another key already.
    pub(super) async fn adopt(&self, key: &Arc<DataKey>) -> Result<(), Problem> {
        let adopted = match self.read().await {
            Ok(found) if found.id() == key.id() => Ok(Arc::clone(key)),
            Ok(_) => Err(Unusable::Failed(
                "it holds another data key already".to_owned(),
            )),
            Err(Unusable::Missing) => self.write(key).await.map(|()| Arc::clone(key)),
            Err(other) => Err(other),
        };
        self.remember(adopted).map(|_key| ())
    }

    /// Notes that the key could not be moved from here to the vault called `next`.
    pub(super) fn refuse_change(&self, next: &str, why: &Problem) {
        let name = self.name();
        let mut problem = Problem::new(
            Kind::Vault,
            format!(
                "the data key can't be moved from the {name} to the {next}: {}; it stays where it \
                 is",
                why.message
            ),
        );
        problem.hints.clone_from(&why.hints);
        let back = format!("or change `vault` back: `loopdesk config set vault {name}`");
        self.known().problem = Some(problem.hint(back));
    }

    /// The vault as `status` shows it. Without a record, nothing is missing.
    pub(super) fn status(&self, has_records: bool) -> status::Vault {
        let problem = self.known().problem.clone();
        status::Vault {
            kind: self.name().to_owned(),
            state: status::VaultState::Untested,
            problem: problem.filter(|_| has_records),
        }
    }

    /// The key, if it has been had before.
    pub(super) fn key_in_memory(&self) -> Option<Arc<DataKey>> {
        self.known().key.clone()
    }

    /// The kind's name in the configuration.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            VaultKind::Keyring => "keyring",
            VaultKind::Keyfile => "keyfile",
        }
    }

    async fn read(&self) -> Result<DataKey, Unusable> {
        match &self.place {
            Place::Keyring(keyring) => keyring.read().await,
            Place::Keyfile(file) => blocking(file, Keyfile::read).await,
        }
    }

    async fn write(&self, key: &DataKey) -> Result<(), Unusable> {
        match &self.place {
            Place::Keyring(keyring) => keyring.write(key.clone()).await,
            Place::Keyfile(file) => {
                let key = key.clone();
                blocking(file, move |file| file.create(&key)).await
            }
        }
    }

    fn remember(
        &self,
        found: Result<impl Into<Arc<DataKey>>, Unusable>,
    ) -> Result<Arc<DataKey>, Problem> {
        let mut known = self.known();
        match found {
            Ok(key) => {
                let key = key.into();
                known.key = Some(Arc::clone(&key));
                known.problem = None;
                Ok(key)
            }
            Err(why) => {
                let problem = why.problem(&self.place);
                known.problem = Some(problem.clone());
                Err(problem)
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key that encrypts the records. `Debug` shows its id only.
#[derive(Clone)]
pub(super) struct DataKey {
    bytes: Zeroizing<[u8; KEY_LEN]>,
    id: String,
    _hidden: Arc<Hidden>,
}

impl DataKey {
    fn random() -> Result<Self, String> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        getrandom::fill(&mut bytes[..])
            .map_err(|e| format!("the system gives no random bytes: {e}"))?;
        Ok(Self::new(bytes))
    }

    fn new(bytes: Zeroizing<[u8; KEY_LEN]>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"loopdesk data-key\0");
        hash.update(&bytes[..]);
        let id = super::hex(&hash.finalize()[..ID_LEN]);
        Self {
            _hidden: Arc::new(redact::hide_bytes(&bytes[..])),
            bytes,
            id,
        }
    }

    /// Reads the text that a vault holds.
    fn from_text(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_LEN + 1]);
        let length = STANDARD.decode_slice(text.trim(), &mut bytes[..]).ok()?;
        let whole = <[u8; KEY_LEN]>::try_from(bytes.get(..length)?).ok()?;
        Some(Self::new(Zeroizing::new(whole)))
    }

    /// The text that a vault holds: KWallet takes nothing but UTF-8.
    fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(&self.bytes[..]))
    }

    /// Tells keys apart and gives nothing away.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The key itself.
    pub(super) fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.bytes
    }

    /// A key that tests can make again.
    #[cfg(test)]
    pub(super) fn for_tests(byte: u8) -> Self {
        Self::new(Zeroizing::new([byte; KEY_LEN]))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why there is no key.
#[derive(Debug, PartialEq, Eq)]
enum Unusable {
    /// The vault works and holds none.
    Missing,
    /// Somebody has to unlock the vault.
    Locked,
    /// There is no such vault here, and how that shows.
    Absent(String),
    /// The vault did not answer in time.
    Slow,
    /// Anything else.
    Failed(String),
}

impl Unusable {
    fn problem(&self, place: &Place) -> Problem {
        let problem = |message: String| Problem::new(Kind::Vault, message);
        let instead = "or keep the key in a file that only you can read: \
                       `loopdesk config set vault keyfile`";
        let elsewhere = "put the key back; or, if it is kept elsewhere, set `vault` to that place";
        match (self, place) {
            (Self::Missing, Place::Keyring(_)) => {
                problem("the keyring holds no data key of loopdesk's".to_owned()).hint(elsewhere)
            }
            (Self::Missing, Place::Keyfile(file)) => {
                problem(format!("there is no key file `{}`", file.path().display())).hint(elsewhere)
            }
            (Self::Locked, _) => problem("the keyring is locked".to_owned())
                .hint("unlock it, for instance by logging in to your desktop; loopdesk notices")
                .hint(instead),
            (Self::Absent(how), _) => {
                problem(format!("no keyring answers on this machine ({how})"))
                    .hint("start one (GNOME Keyring, KWallet, KeePassXC); loopdesk notices")
                    .hint(instead)
            }
            (Self::Slow, _) => problem(format!(
                "the keyring has not answered within {} s",
                keyring::PATIENCE.as_secs()
            ))
            .hint("answer its prompt, if one is open; loopdesk asks again by itself")
            .hint(instead),
            (Self::Failed(why), Place::Keyring(_)) => {
                problem(format!("the keyring can't be used: {why}")).hint(instead)
            }
            (Self::Failed(why), Place::Keyfile(file)) => problem(format!(
                "the key file `{}` can't be used: {why}",
                file.path().display()
            ))
            .hint(format!(
                "make it yours alone: `chmod 600 {}`",
                file.path().display()
            )),
        }
    }
}

async fn blocking<T: Send + 'static>(
    file: &Keyfile,
    work: impl FnOnce(&Keyfile) -> Result<T, Unusable> + Send + 'static,
) -> Result<T, Unusable> {
    let file = file.clone();
    tokio::task::spawn_blocking(move || work(&file))
        .await
        .unwrap_or_else(|_| Err(Unusable::Failed("the attempt was cut short".to_owned())))
}

/// What to do about records whose key is gone.
pub(super) fn lost_key(problem: Problem, record: &Path, account: &str) -> Problem {
    let message = format!(
        "the stored session `{}` can't be opened: {}",
        record.display(),
        problem.message
    );
    let mut lost = Problem::new(Kind::Vault, message);
    // Another vault is no help to a record whose key is in this one.
    lost.hints.extend(problem.hints.into_iter().next());
    lost.hint(format!(
        "if the key is gone for good: `loopdesk logout {account} --forget`, then `loopdesk login {account}`"
    ))
}

const KEY_LEN: usize = 32;
/// 64 bits: there are never more than a handful of keys.
const ID_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_text() {
        let key = DataKey::random().unwrap();
        let again = DataKey::from_text(&format!(" {}\n", &*key.to_text())).unwrap();
        assert_eq!(key.bytes(), again.bytes());
        assert_eq!(key.id(), again.id());
        assert_ne!(key.id(), DataKey::random().unwrap().id());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let short = STANDARD.encode([0; 31]);
        let long = STANDARD.encode([0; 33]);
        let longer = STANDARD.encode([0; 64]);
        for text in ["", "hello", &short, &long, &longer] {
            assert!(DataKey::from_text(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn d4_debug_shows_no_key() {
        let key = DataKey::for_tests(7);
        let shown = format!("{key:?}");
        assert!(
            !shown.contains("7, 7") && !shown.contains(&*key.to_text()),
            "{shown}"
        );
    }

    #[tokio::test]
    async fn r9_no_new_key_while_records_exist() {
        let home = tempfile::tempdir().unwrap();
        let paths = super::super::testing::paths(home.path());
        let vault = Vault::new(VaultKind::Keyfile, &paths);
        assert!(vault.key_or_new(true).await.is_err());
        assert!(!paths.key_file().exists());
        let key = vault.key_or_new(false).await.unwrap();
        let again = Vault::new(VaultKind::Keyfile, &paths);
        assert_eq!(again.key().await.unwrap().id(), key.id());
        // Gone while we run: memory still has it, and a login puts it back.
        std::fs::remove_file(paths.key_file()).unwrap();
        assert_eq!(vault.key().await.unwrap().id(), key.id());
        assert_eq!(vault.key_or_new(true).await.unwrap().id(), key.id());
        assert!(paths.key_file().exists());
    }

    #[tokio::test]
    async fn r9_another_vault_adopts_the_key_or_says_why_not() {
        let home = tempfile::tempdir().unwrap();
        let paths = super::super::testing::paths(home.path());
        let vault = Vault::new(VaultKind::Keyfile, &paths);
        let key = Arc::new(DataKey::for_tests(3));
        vault.adopt(&key).await.unwrap();
        vault.adopt(&key).await.unwrap();
        let other = Arc::new(DataKey::for_tests(4));
        let problem = vault.adopt(&other).await.unwrap_err();
        assert!(problem.message.contains("another data key"), "{problem}");
    }
}
