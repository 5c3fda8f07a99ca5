//! Token pairs that must be revoked unless they are used (R8). Each is on disk from before Zendesk
//! can issue it until it is certainly revoked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::journal::{self, AnswerJournal};
use super::{DurableError, Store};
use crate::config::AccountName;
use crate::session::crypto::data_key::DataKey;
use crate::session::model::binding::Binding;
use crate::session::model::token_pair::Pair;

/// A pair that must be revoked unless [`OrphanedPair::forget`] is called. Dropping this leaves the
/// revocation to the next cleanup.
#[derive(Debug)]
pub(in crate::session) struct OrphanedPair {
    journal: AnswerJournal,
    _claim: OrphanClaim,
}

impl OrphanedPair {
    /// Reserves space for an answer that will bring a pair. Blocks.
    ///
    /// # Errors
    /// If the space can't be made durable.
    pub(in crate::session) fn expected(
        account: &AccountName,
        binding: &Binding,
        store: &Store,
        key: &Arc<DataKey>,
    ) -> Result<Self, DurableError> {
        let place = store.reserve_orphan(account)?;
        Ok(Self {
            _claim: store.orphan_claims().claim(&place.path),
            journal: journal(place, aad(binding), key),
        })
    }

    /// Saves a pair that is about to be replaced. Blocks.
    ///
    /// # Errors
    /// If the space for it can't be made durable.
    pub(in crate::session) fn of(
        account: &AccountName,
        binding: &Binding,
        store: &Store,
        key: &Arc<DataKey>,
        pair: &Pair,
    ) -> Result<Self, DurableError> {
        let orphan = Self::expected(account, binding, store, key)?;
        orphan
            .journal
            .write(pair.obtained_at, &journal::as_answer(pair));
        Ok(orphan)
    }

    /// Where to write the answer that brings the pair.
    pub(in crate::session) fn journal(&self) -> &AnswerJournal {
        &self.journal
    }

    /// The pair is in use, or revoked: removes its file.
    pub(in crate::session) fn forget(self) {
        // If this fails, the next start finds that out for itself.
        drop(std::fs::remove_file(&self.journal.place.path));
    }
}

/// The associated data of an orphaned pair's file.
pub(in crate::session) fn aad(binding: &Binding) -> Vec<u8> {
    journal::aad(binding, PURPOSE)
}

/// The journal in the file at `place`.
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

/// The files of the orphaned pairs that are being worked on. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct OrphanClaims(Arc<Mutex<BTreeSet<PathBuf>>>);

impl OrphanClaims {
    fn claim(&self, path: &Path) -> OrphanClaim {
        self.paths().insert(path.to_owned());
        OrphanClaim {
            of: self.clone(),
            path: path.to_owned(),
        }
    }

    /// Claims the file at `path`, unless it is claimed already.
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

/// Claims a file until it is dropped.
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
