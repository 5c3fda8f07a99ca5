//! What was reported, on disk.
//!
//! A lost or damaged file only means that a notification is repeated, so nothing here fails.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::diff::NotifiedState;

/// What was reported for each account.
pub(super) async fn read(path: &Path) -> BTreeMap<String, NotifiedState> {
    let path = path.to_owned();
    let file = tokio::task::spawn_blocking(move || fs::read(path)).await;
    let Ok(Ok(bytes)) = file else {
        return BTreeMap::new();
    };
    match serde_json::from_slice::<MemoryFile>(&bytes) {
        Ok(file) => file.accounts,
        Err(error) => {
            tracing::info!(%error, "can't read the notifications sent so far; some may repeat");
            BTreeMap::new()
        }
    }
}

/// Writes it to disk.
pub(super) async fn write(path: &Path, accounts: &BTreeMap<String, NotifiedState>) {
    let file = MemoryFile {
        version: 1,
        accounts: accounts.clone(),
    };
    let path = path.to_owned();
    let written = tokio::task::spawn_blocking(move || replace(&path, &file)).await;
    if let Ok(Err(error)) = written {
        tracing::warn!(%error, "can't record a notification; a restart may repeat it");
    }
}

fn replace(path: &Path, file: &MemoryFile) -> io::Result<()> {
    let text = serde_json::to_vec(file)?;
    let new = PathBuf::from(format!("{}.new", path.display()));
    let mut to = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    to.write_all(&text)?;
    fs::rename(&new, path)
}

#[derive(Debug, Serialize, Deserialize)]
struct MemoryFile {
    version: u32,
    accounts: BTreeMap<String, NotifiedState>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_or_damaged_file_means_that_nothing_was_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notices.json");
        assert!(read(&path).await.is_empty());
        let told = BTreeMap::from([("acme".to_owned(), NotifiedState::default())]);
        write(&path, &told).await;
        assert_eq!(read(&path).await, told);
        fs::write(&path, "{").unwrap();
        assert!(read(&path).await.is_empty());
    }
}
