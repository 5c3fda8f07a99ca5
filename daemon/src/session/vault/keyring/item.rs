//! loopdesk's entry in the Secret Service's default collection, for `keyring-core`.
//!
//! The stores that come with `keyring` search the whole service and unlock locked items; KeePassXC
//! even prompts for every closed database before it searches. The daemon must not cause prompts by
//! itself (R9), so this searches only one collection, and only while it is open.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ::keyring::Error;
use keyring_core::Entry;
use keyring_core::api::{Credential, CredentialApi};
use secret_service::EncryptionType;
use secret_service::blocking::{Collection, Item, SecretService};

use super::{SERVICE, USER};

/// The entry. Every call opens its own connection.
pub(super) fn entry() -> Result<Entry, Error> {
    Ok(Entry::new_with_credential(Arc::new(DataKeyItem)))
}

#[derive(Clone, Copy, Debug)]
struct DataKeyItem;

impl CredentialApi for DataKeyItem {
    fn set_secret(&self, secret: &[u8]) -> Result<(), Error> {
        with_collection(|collection| {
            // Never replace another item.
            let (replace, kind) = (false, "text/plain");
            let made = collection.create_item(LABEL, attributes(), secret, replace, kind);
            made.map(drop).map_err(error)
        })
    }

    fn get_secret(&self) -> Result<Vec<u8>, Error> {
        with_item(|item| item.get_secret().map_err(error))
    }

    fn delete_credential(&self) -> Result<(), Error> {
        with_item(|item| item.delete().map_err(error))
    }

    fn get_credential(&self) -> Result<Option<Arc<Credential>>, Error> {
        with_item(|_| Ok(None))
    }

    fn get_specifiers(&self) -> Option<(String, String)> {
        Some((SERVICE.to_owned(), USER.to_owned()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn debug_fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

fn with_item<T>(work: impl FnOnce(&Item<'_>) -> Result<T, Error>) -> Result<T, Error> {
    with_collection(|collection| {
        let items = collection.search_items(attributes()).map_err(error)?;
        match &items[..] {
            [] => Err(Error::NoEntry),
            [item] => work(item),
            _ => Err(Error::Ambiguous(Vec::new())),
        }
    })
}

fn with_collection<T>(work: impl FnOnce(&Collection<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let service = SecretService::connect(EncryptionType::Dh).map_err(error)?;
    let collection = service.get_default_collection().map_err(error)?;
    collection.ensure_unlocked().map_err(error)?;
    work(&collection)
}

fn error(error: secret_service::Error) -> Error {
    if matches!(error, secret_service::Error::Locked) {
        return Error::NoStorageAccess(Box::new(error));
    }
    Error::PlatformFailure(Box::new(error))
}

/// The attributes that identify the item.
pub(super) fn attributes() -> HashMap<&'static str, &'static str> {
    HashMap::from([("service", SERVICE), ("username", USER)])
}

/// The name that Seahorse and KeePassXC show.
const LABEL: &str = "loopdesk: data key of the stored sessions";
