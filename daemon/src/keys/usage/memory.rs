//! Key usage on disk.
//!
//! If the file is lost or damaged, only this history is lost. So reading never fails, and invalid
//! entries are skipped.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::AccountName;
use crate::durable;
use crate::keys::counter::UsageRow;
use crate::keys::format::KeyId;
use crate::program;

/// What survives the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::keys) struct SavedUsage {
    pub(in crate::keys) of_keys: Vec<(KeyId, UsageRow)>,
    pub(in crate::keys) keyless: Vec<(AccountName, UsageRow)>,
}

/// Reads the file at `path`. May block.
pub(in crate::keys) fn read(path: &Path) -> SavedUsage {
    let bytes = match durable::read_file(path, FILE_MAX + 1) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return SavedUsage::default(),
        Err(error) => {
            tracing::info!(%error, "can't read key usage: counting starts over");
            return SavedUsage::default();
        }
    };
    parse(&bytes).unwrap_or_else(|why| {
        tracing::info!(why, "can't read key usage: counting starts over");
        SavedUsage::default()
    })
}

/// Replaces the file at `path`. May block.
///
/// # Errors
/// The file can't be written. The old one is still there.
pub(in crate::keys) fn write(path: &Path, remembered: &SavedUsage) -> io::Result<()> {
    let file = UsageFile {
        version: VERSION,
        keys: remembered.of_keys.iter().map(StoredKeyUsage::of).collect(),
        keyless: remembered.keyless.iter().map(StoredCaller::of).collect(),
    };
    let text = serde_json::to_vec(&file)?;
    let temp = path.with_added_extension("new");
    match fs::remove_file(&temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut new = durable::create_new(&temp)?;
    // No fsync: losing the latest counts in a power cut does no harm.
    let written = new.write_all(&text).and_then(|()| fs::rename(&temp, path));
    if written.is_err() {
        drop(fs::remove_file(&temp));
    }
    written
}

pub(in crate::keys) fn parse(bytes: &[u8]) -> Result<SavedUsage, &'static str> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_MAX) {
        return Err("it is too large");
    }
    let file: UsageFile = serde_json::from_slice(bytes).map_err(|_| "it is damaged")?;
    if file.version != VERSION {
        return Err("it was written by another release");
    }
    let mut remembered = SavedUsage {
        of_keys: file
            .keys
            .into_iter()
            .filter_map(StoredKeyUsage::read)
            .collect(),
        keyless: Vec::new(),
    };
    for (account, row) in file.keyless.into_iter().filter_map(StoredCaller::read) {
        let of_account = remembered.keyless.iter().filter(|(of, _)| *of == account);
        if of_account.count() < CALLERS_MAX {
            remembered.keyless.push((account, row));
        }
    }
    Ok(remembered)
}

#[derive(Serialize, Deserialize)]
struct UsageFile {
    version: u32,
    #[serde(default)]
    keys: Vec<StoredKeyUsage>,
    #[serde(default)]
    keyless: Vec<StoredCaller>,
}

#[derive(Serialize, Deserialize)]
struct StoredKeyUsage {
    id: String,
    #[serde(flatten)]
    row: StoredRow,
}

#[derive(Serialize, Deserialize)]
struct StoredCaller {
    account: String,
    #[serde(flatten)]
    row: StoredRow,
}

#[derive(Serialize, Deserialize)]
struct StoredRow {
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    program: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<u32>,
    requests: u64,
    /// Older releases didn't store this, and most callers use TCP.
    #[serde(default = "yes")]
    over_tcp: bool,
}

fn yes() -> bool {
    true
}

impl StoredKeyUsage {
    fn of((id, row): &(KeyId, UsageRow)) -> Self {
        Self {
            id: id.to_string(),
            row: StoredRow::of(row),
        }
    }

    fn read(self) -> Option<(KeyId, UsageRow)> {
        Some((self.id.parse().ok()?, self.row.read()))
    }
}

impl StoredCaller {
    fn of((account, row): &(AccountName, UsageRow)) -> Self {
        Self {
            account: account.to_string(),
            row: StoredRow::of(row),
        }
    }

    fn read(self) -> Option<(AccountName, UsageRow)> {
        Some((self.account.parse().ok()?, self.row.read()))
    }
}

impl StoredRow {
    fn of(row: &UsageRow) -> Self {
        let row = row.clone();
        Self {
            at: row.at,
            program: row.program,
            process: row.process,
            requests: row.requests,
            over_tcp: row.over_tcp,
        }
    }

    fn read(self) -> UsageRow {
        // The file may have been edited, and names are printed on terminals.
        let program = self.program.filter(|name| program::is_presentable(name));
        UsageRow {
            at: self.at,
            process: self.process.filter(|_| program.is_some()),
            program,
            requests: self.requests,
            over_tcp: self.over_tcp,
        }
    }
}

/// Programs that are remembered for each account. A longer list would be of no use to a reader.
pub(super) const CALLERS_MAX: usize = 64;

const VERSION: u32 = 1;
/// Enough for thousands of keys and every account's callers.
const FILE_MAX: u64 = 4 << 20;

#[cfg(test)]
mod tests;
