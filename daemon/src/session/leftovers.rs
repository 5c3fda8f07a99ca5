//! Pairs that nobody will use and that must not live on at Zendesk (R8).
//!
//! Each has a file from before it could exist until it is surely dead: the pair that a login is
//! about to get, and the one that a login replaces. Whatever a crash leaves behind, the next start
//! ends all of them but the pair that is in use.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::ExposeSecret;

use super::Setup;
use super::crypto::data_key::DataKey;
use super::ending::end_pair;
use super::kept::{self, Keeper, Kept};
use super::model::blocking::blocking;
use super::model::token_pair::{AccessToken, Generation, Held, Pair, Renewal};
use super::oauth;
use super::record::{Sealed, Stored};
use super::store::Store;
use super::vault::Vault;
use crate::config::AccountName;

/// A pair that is to be ended unless it is forgotten. Dropping it leaves that to the next round.
#[derive(Debug)]
pub(super) struct Leftover {
    keeper: Keeper,
    _taken: Taken,
}

impl Leftover {
    /// A place for the answer that will bring a pair. Blocks.
    ///
    /// # Errors
    /// Where it is not on disk.
    pub(super) fn expected(
        setup: &Setup,
        store: &Store,
        key: &Arc<DataKey>,
    ) -> Result<Self, super::store::Error> {
        let place = store.note_leftover(&setup.account.name)?;
        Ok(Self {
            _taken: store.in_hand().take(&place.path),
            keeper: keeper(setup, place, key),
        })
    }

    /// A pair that is about to be replaced. Blocks.
    ///
    /// # Errors
    /// Where it is not on disk.
    pub(super) fn of(
        setup: &Setup,
        store: &Store,
        key: &Arc<DataKey>,
        pair: &Pair,
    ) -> Result<Self, super::store::Error> {
        let leftover = Self::expected(setup, store, key)?;
        leftover
            .keeper
            .keep(pair.obtained_at, &kept::as_answer(pair));
        Ok(leftover)
    }

    /// Where the answer that brings the pair is kept.
    pub(super) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// It is in use, or dead.
    pub(super) fn forget(self) {
        // Should this fail, the next start finds that out by itself.
        drop(std::fs::remove_file(&self.keeper.place.path));
    }
}

/// Ends the leftovers of earlier runs, all but `in_use`.
pub(super) async fn end_all(
    setup: Arc<Setup>,
    store: Store,
    vault: Arc<Vault>,
    in_use: Option<Arc<Held>>,
) {
    let account = setup.account.name.clone();
    let listing = store.clone();
    let found = blocking(move || listing.leftovers(&account)).await;
    for (path, sealed) in found.unwrap_or_default() {
        let Some(_taken) = store.in_hand().take_if_free(&path) else {
            continue;
        };
        // Nothing had come yet.
        let is_over = sealed.is_empty() || {
            let Ok(key) = vault.key().await else {
                return;
            };
            end_one(&setup, &store, &key, &path, &sealed, in_use.as_deref()).await
        };
        if is_over {
            drop(std::fs::remove_file(&path));
        }
    }
}

/// Whether the leftover in the file at `path` needs no more work.
async fn end_one(
    setup: &Setup,
    store: &Store,
    key: &Arc<DataKey>,
    path: &Path,
    sealed: &[u8],
    in_use: Option<&Held>,
) -> bool {
    let account = &setup.account.name;
    let aad = kept::aad(&setup.binding, PURPOSE);
    let Some(kept) = Kept::open(sealed, &aad, key) else {
        // Of another configuration: it is sent nowhere else (S5).
        tracing::debug!(%account, path = %path.display(), "a leftover can't be opened");
        return false;
    };
    let Some(grant) = oauth::reread(&setup.account, &kept).await else {
        return true;
    };
    let is_in_use = |held: &Held| held.pair.access.expose_secret() == grant.access.expose_secret();
    if in_use.is_some_and(is_in_use) || is_stored(store, account, key, &grant.access).await {
        return true;
    }
    let renewal = match &grant.refresh {
        Some(token) => Renewal::RefreshToken(token.clone()),
        None => Renewal::ClientSecret(String::new().into()),
    };
    let pair = grant.begin(Generation::default(), renewal);
    let keeper = store.leftover(path).ok();
    let keeper = keeper.map(|place| keeper_of(place, aad, key));
    match end_pair(setup, &pair, keeper.as_ref()).await {
        Ok(()) => {
            tracing::info!(%account, "a pair that an earlier login left behind is revoked");
            true
        }
        Err(why) => {
            tracing::warn!(%account, why, "a pair of an earlier login is not revoked yet");
            false
        }
    }
}

/// Whether a record of any of the account's pairs holds this token: a page of a login may bring a
/// pair for another role than the one it was opened for.
async fn is_stored(
    store: &Store,
    account: &AccountName,
    key: &Arc<DataKey>,
    access: &AccessToken,
) -> bool {
    let (store, account, key) = (store.clone(), account.clone(), Arc::clone(key));
    let access = access.clone();
    let looking = blocking(move || {
        let records = store.records(&account);
        records.iter().any(|(path, bytes)| {
            let record = Sealed::parse(path, bytes).and_then(|sealed| sealed.open(&key));
            matches!(record, Ok(Stored::Live(held))
                if held.pair.access.expose_secret() == access.expose_secret())
        })
    });
    looking.await.unwrap_or(true)
}

fn keeper(setup: &Setup, place: kept::Place, key: &Arc<DataKey>) -> Keeper {
    keeper_of(place, kept::aad(&setup.binding, PURPOSE), key)
}

fn keeper_of(place: kept::Place, aad: Vec<u8>, key: &Arc<DataKey>) -> Keeper {
    Keeper {
        place,
        aad,
        key: Arc::clone(key),
    }
}

/// The leftovers that somebody works on. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct InHand(Arc<Mutex<BTreeSet<PathBuf>>>);

impl InHand {
    fn take(&self, path: &Path) -> Taken {
        self.paths().insert(path.to_owned());
        Taken {
            of: self.clone(),
            path: path.to_owned(),
        }
    }

    /// Works on the file at `path`, unless somebody does already.
    pub(super) fn take_if_free(&self, path: &Path) -> Option<Taken> {
        let is_free = self.paths().insert(path.to_owned());
        is_free.then(|| Taken {
            of: self.clone(),
            path: path.to_owned(),
        })
    }

    fn paths(&self) -> std::sync::MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody works on it as long as this lives.
#[derive(Debug)]
pub(super) struct Taken {
    of: InHand,
    path: PathBuf,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.of.paths().remove(&self.path);
    }
}

const PURPOSE: &str = "leftover";
