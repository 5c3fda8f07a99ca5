//! `vault = "keyring"`: Secret Service on Linux, the login keychain on macOS.
//!
//! Every call blocks, sometimes until a person answers a prompt. So a separate thread makes all
//! calls, and callers wait for a limited time. Each call opens a new connection: one that outlives
//! the bus would fail forever.

#[cfg(not(target_os = "macos"))]
mod item;
#[cfg(target_os = "macos")]
#[path = "keychain.rs"]
mod system;
#[cfg(not(target_os = "macos"))]
#[path = "secret_service.rs"]
mod system;

use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use ::keyring::Error;
use loopdesk_protocol::{Kind, Problem, unlock};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

pub(in crate::session) use self::system::Signals;
use super::VaultError;
use crate::session::crypto::data_key::DataKey;
use crate::telemetry::Foreign;

/// The system's keyring.
#[derive(Debug)]
pub(super) struct Keyring {
    calls: Option<std_mpsc::Sender<Call>>,
}

impl Keyring {
    /// The keyring, with a thread that ends when the keyring is dropped.
    pub(super) fn start() -> Self {
        let (calls, queue) = std_mpsc::channel();
        let thread = std::thread::Builder::new().name("keyring".to_owned());
        let started = thread.spawn(move || serve(&queue));
        Self {
            calls: started.is_ok().then_some(calls),
        }
    }

    /// The key in the keyring.
    pub(super) async fn read(&self) -> Result<DataKey, VaultError> {
        self.call(Call::Read, PATIENCE).await
    }

    /// The key in the keyring, however long it takes to answer.
    pub(super) async fn read_patiently(&self) -> Result<DataKey, VaultError> {
        self.call(Call::Read, Duration::MAX).await
    }

    /// Stores the key in the keyring, and proves that it can be read back.
    pub(super) async fn write(&self, key: DataKey) -> Result<(), VaultError> {
        self.call(|reply| Call::Write(key, reply), PATIENCE).await
    }

    /// Removes the entry if it contains this key. Fails if it contains another one.
    pub(super) async fn remove(&self, key: DataKey) -> Result<(), VaultError> {
        self.call(|reply| Call::Remove(key, reply), PATIENCE).await
    }

    /// Has the keyring show its prompt, if it is locked. Dropping the future dismisses the prompt.
    pub(super) async fn unlock(&self) -> Result<Opened, VaultError> {
        system::unlock(self, unlock::PROMPT).await
    }

    async fn call<T>(
        &self,
        call: impl FnOnce(oneshot::Sender<Result<T, VaultError>>) -> Call,
        patience: Duration,
    ) -> Result<T, VaultError> {
        let gone = || VaultError::Failed("its thread has stopped".to_owned());
        let (reply, answer) = oneshot::channel();
        let calls = self.calls.as_ref().ok_or_else(gone)?;
        calls.send(call(reply)).map_err(|_| gone())?;
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(gone())),
            Err(_) => Err(VaultError::Slow),
        }
    }
}

/// How a prompt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// The keyring is open, perhaps without a prompt.
    Open,
    /// The prompt was dismissed.
    #[cfg_attr(
        target_os = "macos",
        expect(dead_code, reason = "the keychain reports it as a failure")
    )]
    Dismissed,
    /// The prompt wasn't answered in time.
    Unanswered,
}

impl Opened {
    /// Success if the keyring is open.
    ///
    /// # Errors
    /// If the prompt was dismissed or not answered.
    pub(super) fn result(self) -> Result<(), Problem> {
        let problem = match self {
            Self::Open => return Ok(()),
            Self::Dismissed => Problem::new(
                Kind::Vault,
                "the keyring is still locked: its prompt was dismissed",
            ),
            Self::Unanswered => Problem::new(
                Kind::Timeout,
                format!(
                    "the keyring is still locked: its prompt wasn't answered within {} s",
                    unlock::PROMPT.as_secs()
                ),
            ),
        };
        Err(problem.hint("show the prompt again: `loopdesk unlock`"))
    }
}

#[derive(Debug)]
enum Call {
    Read(oneshot::Sender<Result<DataKey, VaultError>>),
    Write(DataKey, oneshot::Sender<Result<(), VaultError>>),
    Remove(DataKey, oneshot::Sender<Result<(), VaultError>>),
}

fn serve(queue: &std_mpsc::Receiver<Call>) {
    for call in queue {
        // If the caller has stopped waiting, skip the call: nothing is written behind its back.
        match call {
            Call::Read(reply) if !reply.is_closed() => drop(reply.send(read())),
            Call::Write(key, reply) if !reply.is_closed() => drop(reply.send(write(&key))),
            Call::Remove(key, reply) if !reply.is_closed() => drop(reply.send(remove(&key))),
            Call::Read(_) | Call::Write(..) | Call::Remove(..) => {}
        }
    }
}

fn read() -> Result<DataKey, VaultError> {
    match system::lookup()? {
        Lookup::Present => {}
        Lookup::Absent => return Err(VaultError::Missing),
    }
    let entry = entry()?;
    let text = Zeroizing::new(entry.get_password().map_err(|e| convert_error(&e))?);
    DataKey::from_text(&text)
        .ok_or_else(|| VaultError::Failed("its entry doesn't contain a key".to_owned()))
}

fn write(key: &DataKey) -> Result<(), VaultError> {
    if let Lookup::Present = system::lookup()? {
        return Err(VaultError::Failed("it has a key already".to_owned()));
    }
    entry()?
        .set_password(&key.to_text())
        .map_err(|e| convert_error(&e))?;
    match read() {
        Ok(found) if found.id() == key.id() => Ok(()),
        Ok(_) | Err(VaultError::Missing) => Err(VaultError::Failed(
            "it doesn't return the key that was stored".to_owned(),
        )),
        Err(other) => Err(other),
    }
}

fn remove(key: &DataKey) -> Result<(), VaultError> {
    match read() {
        Ok(found) if found.id() == key.id() => {
            entry()?.delete_credential().map_err(|e| convert_error(&e))
        }
        Ok(_) => Err(VaultError::Another),
        Err(VaultError::Missing) => Ok(()),
        Err(other) => Err(other),
    }
}

fn entry() -> Result<keyring_core::Entry, VaultError> {
    system::entry().map_err(|e| convert_error(&e))
}

/// Converts a keyring's error. Only passes on texts that can't quote a secret.
fn convert_error(error: &Error) -> VaultError {
    match error {
        Error::NoEntry => VaultError::Missing,
        Error::NoStorageAccess(_) => VaultError::Locked,
        Error::PlatformFailure(why) => VaultError::Failed(Foreign::new(&why.to_string()).into()),
        Error::Ambiguous(_) => VaultError::Failed(format!(
            "it has several entries for service `{SERVICE}`, user `{USER}`: remove the wrong ones"
        )),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => {
            VaultError::Failed("its entry doesn't contain a key".to_owned())
        }
        Error::BadStoreFormat(_)
        | Error::TooLong(..)
        | Error::Invalid(..)
        | Error::NoDefaultStore
        | Error::NotSupportedByStore(_)
        | _ => VaultError::Failed("it rejected the call".to_owned()),
    }
}

/// Whether there is an entry that can be read without a prompt.
enum Lookup {
    Present,
    Absent,
}

/// The attributes that identify the entry.
pub(super) const SERVICE: &str = "loopdesk";
pub(super) const USER: &str = "data-key";

/// A keyring that the first call starts takes a second or two. One that is stuck never answers.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d4_an_error_never_quotes_the_keyring_s_contents() {
        let error = Error::BadEncoding(b"s3cret\xff".to_vec());
        let VaultError::Failed(text) = convert_error(&error) else {
            panic!("a failure");
        };
        assert!(!text.contains("s3cret") && !text.contains("115"), "{text}");
    }

    #[test]
    fn a_locked_keyring_is_not_an_empty_one() {
        let locked = Error::NoStorageAccess("locked".into());
        assert_eq!(convert_error(&locked), VaultError::Locked);
        assert_eq!(convert_error(&Error::NoEntry), VaultError::Missing);
    }
}
