//! macOS's login keychain, which is unlocked at login.

use std::time::Duration;

use ::keyring::Error;
use apple_native_keyring_store::keychain::Store;
use keyring_core::Entry;
use keyring_core::api::CredentialStoreApi;

use super::{Keyring, Lookup, Opened, SERVICE, USER, VaultError};
use crate::telemetry::Foreign;

pub(super) fn entry() -> Result<Entry, Error> {
    Store::new()?.build(SERVICE, USER, None)
}

/// Whether the entry exists. The login keychain says so without a prompt.
pub(super) fn lookup() -> Result<Lookup, VaultError> {
    match super::entry()?.get_attributes() {
        Ok(_) => Ok(Lookup::Present),
        Err(Error::NoEntry) => Ok(Lookup::Absent),
        // The crate's name for a keychain that doesn't exist.
        Err(Error::NoStorageAccess(why)) => {
            Err(VaultError::Absent(Foreign::new(&why.to_string()).into()))
        }
        Err(error) => Err(super::convert_error(&error)),
    }
}

/// Reads the entry, which makes the system show its prompt.
pub(super) async fn unlock(keyring: &Keyring, limit: Duration) -> Result<Opened, VaultError> {
    match keyring.call(super::Call::Read, limit).await {
        Ok(_) | Err(VaultError::Missing) => Ok(Opened::Open),
        Err(VaultError::Slow) => Ok(Opened::Unanswered),
        Err(other) => Err(other),
    }
}

/// The keychain doesn't announce that it was unlocked, so only timed retries notice.
#[derive(Debug)]
pub(in crate::session) struct Signals(std::convert::Infallible);

impl Signals {
    pub(in crate::session) async fn subscribe() -> Option<Self> {
        std::future::ready(None).await
    }

    pub(in crate::session) async fn next(&mut self) -> Option<()> {
        match self.0 {}
    }
}
