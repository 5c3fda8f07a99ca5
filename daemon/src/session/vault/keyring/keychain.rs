//! macOS's login keychain, which is unlocked with the desktop.

use std::time::Duration;

use ::keyring::Error;
use apple_native_keyring_store::keychain::Store;
use keyring_core::Entry;
use keyring_core::api::CredentialStoreApi;

use super::{Keyring, Look, Opened, SERVICE, USER, VaultError};
use crate::telemetry::Foreign;

pub(super) fn entry() -> Result<Entry, Error> {
    Store::new()?.build(SERVICE, USER, None)
}

/// The login keychain tells "no such item" without a prompt.
pub(super) fn look() -> Result<Look, VaultError> {
    match super::entry()?.get_attributes() {
        Ok(_) => Ok(Look::There),
        Err(Error::NoEntry) => Ok(Look::NotThere),
        // What the crate calls so is a keychain that isn't there.
        Err(Error::NoStorageAccess(why)) => {
            Err(VaultError::Absent(Foreign::new(&why.to_string()).into()))
        }
        Err(error) => Err(super::unusable(&error)),
    }
}

/// Here reading is what makes the system ask.
pub(super) async fn unlock(keyring: &Keyring, limit: Duration) -> Result<Opened, VaultError> {
    match keyring.call(super::Call::Read, limit).await {
        Ok(_) | Err(VaultError::Missing) => Ok(Opened::Open),
        Err(VaultError::Slow) => Ok(Opened::Unanswered),
        Err(other) => Err(other),
    }
}

/// The keychain tells nobody when it is unlocked: time alone says when to ask again.
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
