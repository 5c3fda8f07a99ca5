//! Records and journals on disk: durable before they are used, and never half-written (R3).
//!
//! Every call blocks, so the refresher runs them on blocking threads.

pub(in crate::session) mod host_id;
pub(in crate::session) mod journal;
pub(in crate::session) mod orphan;
pub(in crate::session) mod record;
mod seen;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use self::journal::JournalFile;
use self::orphan::OrphanClaims;
use self::seen::Seen;
use super::model::binding::RecordRole;
use super::model::token_pair::Generation;
use crate::config::AccountName;
pub(super) use crate::durable::{DurableError, write_through};
use crate::durable::{NO_FOLLOW, check_folder, create_new, make_folder, sync_folder};
use crate::failpoint;

/// The folder of the records.
#[derive(Clone, Debug)]
pub(super) struct Store {
    dir: PathBuf,
    role: RecordRole,
    /// The records as this process last read or wrote them.
    seen: Seen,
    orphan_claims: OrphanClaims,
}

impl Store {
    /// The store in the folder `dir`. Doesn't touch the disk yet.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            role: RecordRole::Primary,
            seen: Seen::default(),
            orphan_claims: OrphanClaims::default(),
        }
    }

    /// The same folder, for the pairs of another role.
    pub(super) fn of(&self, role: impl Into<RecordRole>) -> Self {
        Self {
            role: role.into(),
            ..self.clone()
        }
    }

    /// The folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of `account`'s record.
    pub(super) fn path(&self, account: &AccountName) -> PathBuf {
        self.file(account, "session")
    }

    /// The record of `account`, if there is one.
    ///
    /// # Errors
    /// If the folder can't be trusted, or the file can't be read.
    pub(super) fn read(&self, account: &AccountName) -> Result<Option<Vec<u8>>, DurableError> {
        let path = self.path(account);
        match check_folder(&self.dir) {
            Ok(()) => {}
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error),
        }
        let bytes = read_file(&path).map_err(|e| DurableError::new("read", &path, e))?;
        self.seen.note(&path, bytes.as_deref());
        Ok(bytes)
    }

    /// The record of `account`, if another process has written it since this one last read or wrote
    /// it.
    ///
    /// # Errors
    /// If the file can't be read.
    pub(super) fn changed(&self, account: &AccountName) -> Result<Option<Vec<u8>>, DurableError> {
        let path = self.path(account);
        let bytes = read_file(&path).map_err(|e| DurableError::new("read", &path, e))?;
        Ok(bytes.filter(|bytes| !self.seen.is(&path, bytes)))
    }

    /// The readable records of all pairs of `account`. They don't count as seen.
    pub(super) fn records(&self, account: &AccountName) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = RecordRole::ALL.map(|role| self.of(role).path(account));
        let read = |path: PathBuf| Some((path.clone(), read_file(&path).ok()??));
        paths.into_iter().filter_map(read).collect()
    }

    /// Accepts these bytes, which another process wrote, as the last seen record.
    pub(super) fn adopt(&self, account: &AccountName, bytes: &[u8]) {
        self.seen.note(&self.path(account), Some(bytes));
    }

    /// Whether any account has a record. If so, there must be a key that opens it.
    pub(super) fn has_records(&self) -> bool {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return false;
        };
        entries
            .flatten()
            .any(|entry| Path::new(&entry.file_name()).extension() == Some("session".as_ref()))
    }

    /// Proves that a record can be written now, by allocating its space on disk.
    ///
    /// # Errors
    /// If the space can't be allocated.
    pub(super) fn prepare(&self, account: &AccountName) -> Result<Slot, DurableError> {
        make_folder(&self.dir)?;
        // A unique name: a login may test the disk while a refresh has its slot.
        let number = SLOTS.fetch_add(1, Ordering::Relaxed);
        let path = self.file(account, &format!("{}-{number}.new", std::process::id()));
        let mut file = create_new(&path).map_err(|e| DurableError::new("create", &path, e))?;
        let reserved = file
            .write_all(&[0; RESERVED])
            .and_then(|()| file.sync_data())
            .and_then(|()| file.rewind());
        if let Err(error) = reserved {
            drop(fs::remove_file(&path));
            return Err(DurableError::new("write", &path, error));
        }
        failpoint::reach(failpoint::SLOT_MADE);
        Ok(Slot {
            file,
            temp: path,
            target: self.path(account),
            store: self.clone(),
        })
    }

    /// Removes slots that a crash left behind.
    pub(super) fn sweep(&self, account: &AccountName) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        let start = self.stem(account);
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // Account names contain no dot and no role begins with a digit, so the file can't be
            // another account's or role's.
            let number = name.strip_prefix(&start);
            let is_slot = number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            if is_slot && name.ends_with(".new") {
                drop(fs::remove_file(entry.path()));
            }
        }
    }

    /// Proves that a record can be written now, and leaves nothing behind.
    ///
    /// # Errors
    /// If the space can't be allocated.
    pub(super) fn is_writable(&self, account: &AccountName) -> Result<(), DurableError> {
        self.prepare(account).map(Slot::discard)
    }

    /// Notes that a refresh for `generation` is about to be sent, and reserves space for its
    /// answer.
    ///
    /// # Errors
    /// If the note can't be made durable.
    pub(super) fn note_refresh(
        &self,
        account: &AccountName,
        generation: Generation,
    ) -> Result<JournalFile, DurableError> {
        make_folder(&self.dir)?;
        let path = self.file(account, "journal");
        self.reserve(account, &path, &format!("{JOURNAL_HEADER}{generation}\n"))
            .map_err(|e| DurableError::new("write", &path, e))
    }

    /// The journaled answer to the noted refresh, as far as it was written.
    pub(super) fn journaled_answer(&self, account: &AccountName) -> Option<Vec<u8>> {
        let bytes = read_file(&self.file(account, "journal")).ok()??;
        let end = bytes.iter().position(|b| *b == b'\n')?;
        Some(bytes.get(end..)?.trim_ascii().to_vec())
    }

    /// Removes the note: the refresh has been answered.
    pub(super) fn clear_note(&self, account: &AccountName) {
        // If that fails, it does no harm: a record of the noted generation exists already.
        drop(fs::remove_file(self.file(account, "journal")));
        failpoint::reach(failpoint::NOTE_REMOVED);
    }

    /// Reserves space for the answer to a login, whose pair is orphaned unless it is used.
    ///
    /// # Errors
    /// If the space can't be allocated.
    pub(super) fn reserve_orphan(
        &self,
        account: &AccountName,
    ) -> Result<JournalFile, DurableError> {
        make_folder(&self.dir)?;
        let number = SLOTS.fetch_add(1, Ordering::Relaxed);
        let path = self.file(
            account,
            &format!("{}-{number}.leftover", std::process::id()),
        );
        self.reserve(account, &path, ORPHAN_HEADER)
            .map_err(|e| DurableError::new("write", &path, e))
    }

    /// The orphaned pairs that this process is working on.
    pub(super) fn orphan_claims(&self) -> &OrphanClaims {
        &self.orphan_claims
    }

    /// The orphaned pairs of `account`: their files' paths and sealed contents.
    pub(super) fn orphans(&self, account: &AccountName) -> Vec<(PathBuf, Vec<u8>)> {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return Vec::new();
        };
        let start = self.stem(account);
        let names = entries.flatten().map(|entry| entry.file_name());
        let orphans = names.filter(|name| {
            let name = name.to_string_lossy();
            // No role begins with a digit, so the file can't be another role's.
            let number = name.strip_prefix(&start);
            number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
                && name.ends_with(".leftover")
        });
        orphans
            .filter_map(|name| {
                let path = self.dir.join(name);
                let bytes = read_file(&path).ok()??;
                let sealed = bytes
                    .strip_prefix(ORPHAN_HEADER.as_bytes())?
                    .trim_ascii()
                    .to_vec();
                Some((path, sealed))
            })
            .collect()
    }

    /// The journal of an orphaned pair, to write another answer to.
    ///
    /// # Errors
    /// If the file can't be opened.
    pub(super) fn reopen_orphan(&self, path: &Path) -> io::Result<JournalFile> {
        Ok(JournalFile {
            file: OpenOptions::new()
                .write(true)
                .custom_flags(NO_FOLLOW)
                .open(path)?,
            path: path.to_owned(),
            at: u64::try_from(ORPHAN_HEADER.len()).unwrap_or(u64::MAX),
        })
    }

    /// Creates the file `path` with the first line `head` and allocated space after it.
    fn reserve(&self, account: &AccountName, path: &Path, head: &str) -> io::Result<JournalFile> {
        // Under another name first: the old file must stay intact until the new one is complete.
        let number = SLOTS.fetch_add(1, Ordering::Relaxed);
        let temp = self.file(account, &format!("{}-{number}.new", std::process::id()));
        let mut file = create_new(&temp)?;
        failpoint::reach(failpoint::NOTE_OPENED);
        let written = file
            .write_all(head.as_bytes())
            .and_then(|()| file.write_all(&[b' '; RESERVED]))
            .and_then(|()| file.sync_all())
            .and_then(|()| {
                failpoint::reach(failpoint::NOTE_WRITTEN);
                fs::rename(&temp, path)
            });
        if let Err(error) = written {
            drop(fs::remove_file(&temp));
            return Err(error);
        }
        sync_folder(&self.dir)?;
        failpoint::reach(failpoint::NOTE_DURABLE);
        Ok(JournalFile {
            file,
            path: path.to_owned(),
            at: u64::try_from(head.len()).unwrap_or(u64::MAX),
        })
    }

    /// The generation of a refresh that was noted, and may have been sent without an answer.
    pub(super) fn noted(&self, account: &AccountName) -> Option<Generation> {
        let bytes = read_file(&self.file(account, "journal")).ok()??;
        let line = bytes.split(|b| *b == b'\n').next()?;
        let text = std::str::from_utf8(line).ok()?;
        let number = text.strip_prefix(JOURNAL_HEADER)?.parse().ok()?;
        Some(Generation::new(number))
    }

    /// Removes the record of `account`.
    ///
    /// # Errors
    /// If it can't be removed, or the removal not be made durable.
    pub(super) fn erase(&self, account: &AccountName) -> Result<(), DurableError> {
        let path = self.path(account);
        self.clear_note(account);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(DurableError::new("remove", &path, error)),
        }
        failpoint::reach(failpoint::ERASED);
        self.seen.note(&self.path(account), None);
        sync_folder(&self.dir).map_err(|e| DurableError::new("remove", &path, e))
    }

    /// Renames an unusable record to make way for a new one.
    ///
    /// # Errors
    /// If it can't be renamed.
    pub(super) fn set_aside(&self, account: &AccountName) -> Result<(), DurableError> {
        let path = self.path(account);
        let mut aside = OsString::from(&path);
        aside.push(".old");
        match fs::rename(&path, &aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DurableError::new("move", &path, error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The path of `account`'s file with this extension.
    pub(super) fn file(&self, account: &AccountName, extension: &str) -> PathBuf {
        self.dir.join(format!("{}{extension}", self.stem(account)))
    }

    /// How the names of the role's files begin: `acme.`, `acme.read-only.`
    fn stem(&self, account: &AccountName) -> String {
        match self.role {
            RecordRole::Primary => format!("{account}."),
            RecordRole::ReadOnly | RecordRole::Spare => format!("{account}.{}.", self.role.name()),
        }
    }
}

/// Allocated space on disk for a record.
#[derive(Debug)]
pub(super) struct Slot {
    file: File,
    temp: PathBuf,
    target: PathBuf,
    store: Store,
}

impl Slot {
    /// Replaces the record with `bytes`. When this returns, they survive a power cut.
    ///
    /// # Errors
    /// If they may not. Then either the old record or the new one is intact.
    pub(super) fn commit(mut self, bytes: &[u8]) -> Result<(), DurableError> {
        self.put(bytes)
            .map_err(|e| DurableError::new("write", &self.target, e))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.file.write_all(bytes)?;
        self.file.set_len(length)?;
        failpoint::reach(failpoint::WRITTEN);
        self.file.sync_all()?;
        failpoint::reach(failpoint::DURABLE);
        // Whether or not the rest succeeds, these bytes are this process's.
        self.store.seen.note(&self.target, Some(bytes));
        fs::rename(&self.temp, &self.target)?;
        failpoint::reach(failpoint::RENAMED);
        sync_folder(&self.store.dir)?;
        failpoint::reach(failpoint::FOLDER_DURABLE);
        Ok(())
    }

    /// Frees the space.
    pub(super) fn discard(self) {
        drop(fs::remove_file(&self.temp));
    }
}

fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    crate::durable::read_file(path, RECORD_MAX)
}

static SLOTS: AtomicU64 = AtomicU64::new(0);

/// Tokens, a person and a header take less than 4 KiB; with JWTs, less than 12.
const RESERVED: usize = 16 * 1024;
/// A longer file isn't a record.
const RECORD_MAX: u64 = 1024 * 1024;
const JOURNAL_HEADER: &str = "loopdesk-journal 1 refresh-sent ";
const ORPHAN_HEADER: &str = "loopdesk-leftover 1\n";

#[cfg(test)]
mod tests;
