//! A pair that must not live on at Zendesk unless it is taken into use (R8), noted on disk from
//! before it could exist until it is surely dead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::journal::{self, AnswerJournal};
use super::{Error, Store};
use crate::config::AccountName;
use crate::session::crypto::data_key::DataKey;
use crate::session::model::binding::Binding;
use crate::session::model::token_pair::Pair;

/// A pair that is to be ended unless it is forgotten. Dropping it leaves that to the next round.
#[derive(Debug)]
pub(in crate::session) struct OrphanedPair {
    journal: AnswerJournal,
    _claim: OrphanClaim,
}

impl OrphanedPair {
    /// A place for the answer that will bring a pair. Blocks.
    ///
    /// # Errors
    /// Where it is not on disk.
    pub(in crate::session) fn expected(
        account: &AccountName,
        binding: &Binding,
        store: &Store,
        key: &Arc<DataKey>,
    ) -> Result<Self, Error> {
        let place = store.reserve_orphan(account)?;
        Ok(Self {
            _claim: store.orphan_claims().take(&place.path),
            journal: journal(place, aad(binding), key),
        })
    }

    /// A pair that is about to be replaced. Blocks.
    ///
    /// # Errors
    /// Where it is not on disk.
    pub(in crate::session) fn of(
        account: &AccountName,
        binding: &Binding,
        store: &Store,
        key: &Arc<DataKey>,
        pair: &Pair,
    ) -> Result<Self, Error> {
        let leftover = Self::expected(account, binding, store, key)?;
        leftover
            .journal
            .keep(pair.obtained_at, &journal::as_answer(pair));
        Ok(leftover)
    }

    /// Where the answer that brings the pair is kept.
    pub(in crate::session) fn journal(&self) -> &AnswerJournal {
        &self.journal
    }

    /// It is in use, or dead.
    pub(in crate::session) fn forget(self) {
        // Should this fail, the next start finds that out by itself.
        drop(std::fs::remove_file(&self.journal.place.path));
    }
}

/// What binds such a pair's file to what it belongs to.
pub(in crate::session) fn aad(binding: &Binding) -> Vec<u8> {
    journal::aad(binding, PURPOSE)
}

/// Keeps what comes of the file at `place`.
pub(in crate::session) fn journal(
    place: journal::JournalFile,
    aad: Vec<u8>,
    key: &Arc<DataKey>,
) -> AnswerJournal {
    AnswerJournal {
        place,
        aad,
        key: Arc::clone(key),
    }
}

/// The leftovers that somebody works on. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct OrphanClaims(Arc<Mutex<BTreeSet<PathBuf>>>);

impl OrphanClaims {
    fn take(&self, path: &Path) -> OrphanClaim {
        self.paths().insert(path.to_owned());
        OrphanClaim {
            of: self.clone(),
            path: path.to_owned(),
        }
    }

    /// Works on the file at `path`, unless somebody does already.
    pub(in crate::session) fn try_claim(&self, path: &Path) -> Option<OrphanClaim> {
        let is_free = self.paths().insert(path.to_owned());
        is_free.then(|| OrphanClaim {
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
pub(in crate::session) struct OrphanClaim {
    of: OrphanClaims,
    path: PathBuf,
}

impl Drop for OrphanClaim {
    fn drop(&mut self) {
        self.of.paths().remove(&self.path);
    }
}

const PURPOSE: &str = "leftover";
