//! `vault = "keyring"`: Secret Service on Linux, the login keychain on macOS.
//!
//! Every call blocks, some of them until a person answers a prompt. So one thread of the vault's
//! own makes them all, and those who wait do so for a limited time. A store is opened for every
//! call: one that outlives the bus, or was opened before there was one, fails for ever.

use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use keyring_core::Error;
use keyring_core::api::CredentialStoreApi;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{DataKey, Unusable};

/// The system's keyring.
#[derive(Debug)]
pub(super) struct Keyring {
    calls: Option<std_mpsc::Sender<Call>>,
}

impl Keyring {
    /// The keyring, on a thread of its own that ends with it.
    pub(super) fn start() -> Self {
        let (calls, queue) = std_mpsc::channel();
        let thread = std::thread::Builder::new().name("keyring".to_owned());
        let started = thread.spawn(move || serve(&queue));
        Self {
            calls: started.is_ok().then_some(calls),
        }
    }

    /// The key that the keyring holds.
    pub(super) async fn read(&self) -> Result<DataKey, Unusable> {
        self.call(Call::Read).await
    }

    /// Puts the key into the keyring, and proves that it can be read back.
    pub(super) async fn write(&self, key: DataKey) -> Result<(), Unusable> {
        self.call(|reply| Call::Write(key, reply)).await
    }

    async fn call<T>(
        &self,
        call: impl FnOnce(oneshot::Sender<Result<T, Unusable>>) -> Call,
    ) -> Result<T, Unusable> {
        let gone = || Unusable::Failed("its thread has stopped".to_owned());
        let (reply, answer) = oneshot::channel();
        let calls = self.calls.as_ref().ok_or_else(gone)?;
        calls.send(call(reply)).map_err(|_| gone())?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(gone())),
            Err(_) => Err(Unusable::Slow),
        }
    }
}

#[derive(Debug)]
enum Call {
    Read(oneshot::Sender<Result<DataKey, Unusable>>),
    Write(DataKey, oneshot::Sender<Result<(), Unusable>>),
}

fn serve(queue: &std_mpsc::Receiver<Call>) {
    for call in queue {
        // Whoever has stopped waiting gets no prompt, and no answer.
        match call {
            Call::Read(reply) if !reply.is_closed() => drop(reply.send(read())),
            Call::Write(key, reply) if !reply.is_closed() => drop(reply.send(write(&key))),
            Call::Read(_) | Call::Write(..) => {}
        }
    }
}

fn read() -> Result<DataKey, Unusable> {
    match system::look()? {
        Look::There => {}
        Look::NotThere => return Err(Unusable::Missing),
    }
    let entry = entry()?;
    let text = Zeroizing::new(entry.get_password().map_err(|e| unusable(&e))?);
    DataKey::from_text(&text).ok_or_else(|| Unusable::Failed("its entry holds no key".to_owned()))
}

fn write(key: &DataKey) -> Result<(), Unusable> {
    if let Look::There = system::look()? {
        return Err(Unusable::Failed("it holds a key already".to_owned()));
    }
    entry()?
        .set_password(&key.to_text())
        .map_err(|e| unusable(&e))?;
    match read() {
        Ok(found) if found.id() == key.id() => Ok(()),
        Ok(_) | Err(Unusable::Missing) => Err(Unusable::Failed(
            "it does not give back what was put in".to_owned(),
        )),
        Err(other) => Err(other),
    }
}

fn entry() -> Result<keyring_core::Entry, Unusable> {
    let store = system::open().map_err(|e| unusable(&e))?;
    store.build(SERVICE, USER, None).map_err(|e| unusable(&e))
}

/// What a keyring's error means. Only texts that can't quote a secret are passed on.
fn unusable(error: &Error) -> Unusable {
    match error {
        Error::NoEntry => Unusable::Missing,
        Error::NoStorageAccess(_) => Unusable::Locked,
        Error::PlatformFailure(why) => Unusable::Failed(why.to_string()),
        Error::Ambiguous(_) => Unusable::Failed(format!(
            "it holds several entries for service `{SERVICE}`, user `{USER}`: remove the wrong ones"
        )),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => {
            Unusable::Failed("its entry holds no key".to_owned())
        }
        Error::BadStoreFormat(_)
        | Error::TooLong(..)
        | Error::Invalid(..)
        | Error::NoDefaultStore
        | Error::NotSupportedByStore(_)
        | _ => Unusable::Failed("it refuses".to_owned()),
    }
}

/// Whether there is an entry that can be read without a prompt.
enum Look {
    There,
    NotThere,
}

#[cfg(not(target_os = "macos"))]
mod system {
    use std::collections::HashMap;
    use std::sync::Arc;

    use keyring_core::Error;
    use zbus::blocking::{Connection, Proxy};
    use zbus::zvariant::OwnedObjectPath;
    use zbus_secret_service_keyring_store::Store;

    use super::{Look, SERVICE, USER, Unusable};

    pub(super) fn open() -> Result<Arc<Store>, Error> {
        Store::new()
    }

    /// Looks without opening: the store would unlock what it finds locked, and that is a prompt
    /// (R9). By the Secret Service specification, `SearchItems` and `ReadAlias` never prompt.
    pub(super) fn look() -> Result<Look, Unusable> {
        let absent = |e: zbus::Error| Unusable::Absent(short(&e));
        let bus = Connection::session().map_err(absent)?;
        let service = Proxy::new(&bus, NAME, "/org/freedesktop/secrets", INTERFACE);
        let service = service.map_err(absent)?;
        let wanted = HashMap::from([("service", SERVICE), ("username", USER)]);
        let (unlocked, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            service.call("SearchItems", &(wanted,)).map_err(absent)?;
        if !locked.is_empty() {
            return Err(Unusable::Locked);
        }
        if !unlocked.is_empty() {
            return Ok(Look::There);
        }
        // A locked collection may tell nothing of its items: "not there" is no answer then.
        let default: OwnedObjectPath = service.call("ReadAlias", &("default",)).map_err(absent)?;
        if default.as_str() == "/" {
            return Err(Unusable::Failed(
                "it has no default collection: make one, for instance with Seahorse".to_owned(),
            ));
        }
        let collection = Proxy::new(&bus, NAME, default, "org.freedesktop.Secret.Collection");
        let is_locked: bool = collection
            .and_then(|collection| collection.get_property("Locked"))
            .map_err(|e| Unusable::Failed(short(&e)))?;
        if is_locked {
            return Err(Unusable::Locked);
        }
        Ok(Look::NotThere)
    }

    fn short(error: &zbus::Error) -> String {
        let text = error.to_string();
        text.lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(160)
            .collect()
    }

    const NAME: &str = "org.freedesktop.secrets";
    const INTERFACE: &str = "org.freedesktop.Secret.Service";
}

#[cfg(target_os = "macos")]
mod system {
    use std::sync::Arc;

    use apple_native_keyring_store::keychain::Store;
    use keyring_core::Error;

    use super::{Look, Unusable};

    pub(super) fn open() -> Result<Arc<Store>, Error> {
        Store::new()
    }

    /// The login keychain tells "no such item" without a prompt; it is unlocked with the desktop.
    pub(super) fn look() -> Result<Look, Unusable> {
        match super::entry()?.get_attributes() {
            Ok(_) => Ok(Look::There),
            Err(Error::NoEntry) => Ok(Look::NotThere),
            // What the crate calls so is a keychain that isn't there.
            Err(Error::NoStorageAccess(why)) => Err(Unusable::Absent(why.to_string())),
            Err(error) => Err(super::unusable(&error)),
        }
    }
}

const SERVICE: &str = "loopdesk";
const USER: &str = "data-key";

/// A keyring that is started by the first call takes a second or two; a prompt takes for ever.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d4_an_error_never_quotes_what_the_keyring_holds() {
        let error = Error::BadEncoding(b"s3cret\xff".to_vec());
        let Unusable::Failed(text) = unusable(&error) else {
            panic!("a failure");
        };
        assert!(!text.contains("s3cret") && !text.contains("115"), "{text}");
    }

    #[test]
    fn a_locked_keyring_is_not_an_empty_one() {
        let locked = Error::NoStorageAccess("locked".into());
        assert_eq!(unusable(&locked), Unusable::Locked);
        assert_eq!(unusable(&Error::NoEntry), Unusable::Missing);
    }

    #[tokio::test]
    #[ignore = "needs a session bus with an empty, unlocked Secret Service"]
    async fn r9_a_real_keyring_keeps_the_key() {
        let keyring = Keyring::start();
        assert_eq!(keyring.read().await.unwrap_err(), Unusable::Missing);
        let key = DataKey::for_tests(9);
        keyring.write(key.clone()).await.unwrap();
        assert_eq!(keyring.read().await.unwrap().id(), key.id());
        let other = keyring.write(DataKey::for_tests(8)).await;
        assert!(matches!(other, Err(Unusable::Failed(_))), "never replaced");
        let again = Keyring::start();
        assert_eq!(again.read().await.unwrap().bytes(), key.bytes());
    }

    #[tokio::test]
    #[ignore = "needs a session bus with a locked Secret Service"]
    async fn r9_a_real_keyring_that_is_locked_says_so_without_a_prompt() {
        let keyring = Keyring::start();
        assert_eq!(keyring.read().await.unwrap_err(), Unusable::Locked);
        let written = keyring.write(DataKey::for_tests(9)).await;
        assert_eq!(written.unwrap_err(), Unusable::Locked);
    }

    #[tokio::test]
    #[ignore = "needs an environment without a session bus"]
    async fn r9_without_a_bus_the_keyring_is_absent() {
        let absent = Keyring::start().read().await.unwrap_err();
        assert!(matches!(absent, Unusable::Absent(_)), "{absent:?}");
    }
}
