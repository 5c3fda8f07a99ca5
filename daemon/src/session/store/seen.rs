//! The records as they were last seen, to notice when another process changes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Hashes of the records as this process last read or wrote them.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<BTreeMap<PathBuf, [u8; 32]>>>);

impl Seen {
    /// Remembers `bytes` as the record at `path`; `None` if there is none.
    pub(super) fn note(&self, path: &Path, bytes: Option<&[u8]>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match bytes {
            Some(bytes) => seen.insert(path.to_owned(), Sha256::digest(bytes).into()),
            None => seen.remove(path),
        };
    }

    /// Whether the record at `path` had these bytes when it was last seen.
    pub(super) fn is(&self, path: &Path, bytes: &[u8]) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now: [u8; 32] = Sha256::digest(bytes).into();
        seen.get(path) == Some(&now)
    }
}
