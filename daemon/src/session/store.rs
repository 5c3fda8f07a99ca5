//! Records and journals on disk: durable before they are used, whole or not there (R3).
//!
//! Every call blocks; the refresher makes them on threads that may.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use loopdesk_protocol::{Kind, Problem};

use super::pair::Generation;
use crate::config::AccountName;

/// The folder of the records.
#[derive(Clone, Debug)]
pub(super) struct Store {
    dir: PathBuf,
}

impl Store {
    /// The store in the folder `dir`. Nothing is touched yet.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the record of `account` is.
    pub(super) fn path(&self, account: &AccountName) -> PathBuf {
        self.file(account, "session")
    }

    /// The record of `account`, if there is one.
    ///
    /// # Errors
    /// Where the folder can't be trusted, or the file not be read.
    pub(super) fn read(&self, account: &AccountName) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(account);
        match check_folder(&self.dir) {
            Ok(()) => {}
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error),
        }
        read_file(&path).map_err(|e| Error::new("read", &path, e))
    }

    /// Whether any account has a record: then there must be a key, too.
    pub(super) fn has_records(&self) -> bool {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return false;
        };
        entries
            .flatten()
            .any(|entry| Path::new(&entry.file_name()).extension() == Some("session".as_ref()))
    }

    /// Proves that a record could be written now: its bytes already have their place on disk.
    ///
    /// # Errors
    /// Where they don't.
    pub(super) fn prepare(&self, account: &AccountName) -> Result<Slot, Error> {
        self.make_folder()?;
        // A name of its own: a login may try the disk while a refresh holds its place.
        let number = SLOTS.fetch_add(1, Ordering::Relaxed);
        let path = self.file(account, &format!("{}-{number}.new", std::process::id()));
        let mut file = create_new(&path).map_err(|e| Error::new("create", &path, e))?;
        let reserved = file
            .write_all(&[0; RESERVED])
            .and_then(|()| file.sync_data())
            .and_then(|()| file.rewind());
        if let Err(error) = reserved {
            drop(fs::remove_file(&path));
            return Err(Error::new("write", &path, error));
        }
        Ok(Slot {
            file,
            temp: path,
            target: self.path(account),
            dir: self.dir.clone(),
        })
    }

    /// Removes places that a crash has left behind.
    pub(super) fn sweep(&self, account: &AccountName) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        let start = format!("{account}.");
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // An account's name has no dot, so this is nobody else's.
            if name.starts_with(&start) && name.ends_with(".new") {
                drop(fs::remove_file(entry.path()));
            }
        }
    }

    /// Proves the same, and leaves nothing.
    ///
    /// # Errors
    /// As [`Store::prepare`].
    pub(super) fn is_writable(&self, account: &AccountName) -> Result<(), Error> {
        self.prepare(account).map(Slot::discard)
    }

    /// Notes that a refresh is about to be sent that will make `generation`.
    ///
    /// # Errors
    /// Where the note isn't on disk.
    pub(super) fn note_refresh(
        &self,
        account: &AccountName,
        generation: Generation,
    ) -> Result<(), Error> {
        self.make_folder()?;
        let path = self.file(account, "journal");
        let text = format!("{JOURNAL}{generation}\n");
        write_through(&path, text.as_bytes(), &self.dir).map_err(|e| Error::new("write", &path, e))
    }

    /// Forgets the note: whatever was asked has been answered.
    pub(super) fn clear_note(&self, account: &AccountName) {
        // A note that stays is harmless: its generation is on disk already.
        drop(fs::remove_file(self.file(account, "journal")));
    }

    /// The generation of a refresh that was sent and may never have been answered.
    pub(super) fn noted(&self, account: &AccountName) -> Option<Generation> {
        let bytes = read_file(&self.file(account, "journal")).ok()??;
        let text = std::str::from_utf8(&bytes).ok()?;
        let number = text.strip_prefix(JOURNAL)?.trim_end().parse().ok()?;
        Some(Generation::new(number))
    }

    /// Removes the record of `account`.
    ///
    /// # Errors
    /// Where it is still there.
    pub(super) fn erase(&self, account: &AccountName) -> Result<(), Error> {
        let path = self.path(account);
        self.clear_note(account);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::new("remove", &path, error)),
        }
        sync_folder(&self.dir).map_err(|e| Error::new("remove", &path, e))
    }

    /// Moves a record that can't be used out of the way of a new one, losing nothing.
    ///
    /// # Errors
    /// Where it is still in the way.
    pub(super) fn set_aside(&self, account: &AccountName) -> Result<(), Error> {
        let path = self.path(account);
        let mut aside = OsString::from(&path);
        aside.push(".old");
        match fs::rename(&path, &aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::new("move", &path, error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Where what is kept of `account` under this extension is.
    pub(super) fn file(&self, account: &AccountName, extension: &str) -> PathBuf {
        self.dir.join(format!("{account}.{extension}"))
    }

    fn make_folder(&self) -> Result<(), Error> {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir);
        made.map_err(|e| Error::new("create", &self.dir, e))?;
        check_folder(&self.dir)
    }
}

/// A place on disk that only waits for its bytes.
#[derive(Debug)]
pub(super) struct Slot {
    file: File,
    temp: PathBuf,
    target: PathBuf,
    dir: PathBuf,
}

impl Slot {
    /// Puts `bytes` in the record's place; when this returns, they survive a power cut.
    ///
    /// # Errors
    /// Where they may not. The old record is then still whole, or the new one is.
    pub(super) fn commit(mut self, bytes: &[u8]) -> Result<(), Error> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.file
            .write_all(bytes)
            .and_then(|()| self.file.set_len(length))
            .and_then(|()| self.file.sync_all())
            .and_then(|()| fs::rename(&self.temp, &self.target))
            .and_then(|()| sync_folder(&self.dir))
            .map_err(|e| Error::new("write", &self.target, e))
    }

    /// Gives the place back.
    pub(super) fn discard(self) {
        drop(fs::remove_file(&self.temp));
    }
}

/// Why something isn't on disk, or can't be read from there.
#[derive(Debug, thiserror::Error)]
#[error("can't {act} `{}`: {source}", .path.display())]
pub(super) struct Error {
    act: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Error {
    fn new(act: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            act,
            path: path.to_owned(),
            source,
        }
    }

    /// As people are told.
    pub(super) fn problem(&self) -> Problem {
        let problem = Problem::new(Kind::Vault, self.to_string());
        let is_full = matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        if is_full {
            return problem.hint("make room on that disk; loopdesk tries again by itself");
        }
        problem.hint(format!(
            "make it yours and writable: `chown -R \"$USER\" {0} && chmod -R u+rwX,go= {0}`",
            self.path.parent().unwrap_or(&self.path).display()
        ))
    }

    fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// A folder that others could write to, or swap, is no place for tokens.
fn check_folder(dir: &Path) -> Result<(), Error> {
    let wrong = |why: &str| Error::new("use", dir, io::Error::other(why.to_owned()));
    let meta = fs::symlink_metadata(dir).map_err(|e| Error::new("use", dir, e))?;
    if meta.file_type().is_symlink() {
        return Err(wrong("it is a symbolic link"));
    }
    if !meta.is_dir() {
        return Err(wrong("it is no folder"));
    }
    let own = rustix::process::getuid().as_raw();
    if meta.uid() != own {
        return Err(wrong(&format!(
            "it belongs to user {}, not to {own}",
            meta.uid()
        )));
    }
    if meta.mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
            .map_err(|e| Error::new("close to others", dir, e))?;
    }
    Ok(())
}

fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(NO_FOLLOW)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(RECORD_MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Writes a small file so that it is there, whole, after a power cut.
pub(super) fn write_through(path: &Path, bytes: &[u8], dir: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(NO_FOLLOW)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_folder(dir)
}

pub(super) fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[expect(
    clippy::cast_possible_wrap,
    reason = "the flag is a small constant on every system"
)]
const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

static SLOTS: AtomicU64 = AtomicU64::new(0);

/// Tokens, a person and a header are below 4 KiB, with JWTs below 12.
const RESERVED: usize = 16 * 1024;
/// More is no record.
const RECORD_MAX: u64 = 1024 * 1024;
const JOURNAL: &str = "loopdesk-journal 1 refresh-sent ";

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        store: Store,
        acme: AccountName,
        home: tempfile::TempDir,
    }

    fn bench() -> Bench {
        let home = tempfile::tempdir().unwrap();
        Bench {
            store: Store::new(home.path().join("state/sessions")),
            acme: "acme".parse().unwrap(),
            home,
        }
    }

    impl Bench {
        fn write(&self, bytes: &[u8]) -> Result<(), Error> {
            self.store.prepare(&self.acme)?.commit(bytes)
        }
    }

    #[test]
    fn d4_records_are_readable_by_their_owner_only() {
        let bench = bench();
        bench.write(b"one").unwrap();
        bench
            .store
            .note_refresh(&bench.acme, Generation::new(2))
            .unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&bench.store.dir), 0o700);
        assert_eq!(mode(&bench.store.path(&bench.acme)), 0o600);
        assert_eq!(mode(&bench.store.file(&bench.acme, "journal")), 0o600);
        fs::set_permissions(&bench.store.dir, fs::Permissions::from_mode(0o755)).unwrap();
        bench.write(b"two").unwrap();
        assert_eq!(mode(&bench.store.dir), 0o700, "closed again");
    }

    #[test]
    fn r3_a_record_is_replaced_whole_and_a_shorter_one_leaves_nothing_of_the_longer() {
        let bench = bench();
        assert_eq!(bench.store.read(&bench.acme).unwrap(), None);
        assert!(!bench.store.has_records());
        bench.write(&[b'x'; 20_000]).unwrap();
        bench.write(b"short").unwrap();
        assert_eq!(bench.store.read(&bench.acme).unwrap().unwrap(), b"short");
        assert!(bench.store.has_records());
        assert_eq!(fs::read_dir(&bench.store.dir).unwrap().count(), 1);
        bench.store.erase(&bench.acme).unwrap();
        assert!(!bench.store.has_records());
    }

    #[test]
    fn r3_a_crash_before_the_rename_leaves_the_old_record() {
        let bench = bench();
        bench.write(b"old").unwrap();
        let mut slot = bench.store.prepare(&bench.acme).unwrap();
        slot.file.write_all(b"half of the n").unwrap();
        drop(slot);
        assert_eq!(bench.store.read(&bench.acme).unwrap().unwrap(), b"old");
        bench.store.sweep(&bench.acme);
        assert_eq!(fs::read_dir(&bench.store.dir).unwrap().count(), 1);
        bench.write(b"new").unwrap();
        assert_eq!(bench.store.read(&bench.acme).unwrap().unwrap(), b"new");
    }

    #[test]
    fn the_journal_tells_which_refresh_was_sent() {
        let bench = bench();
        assert_eq!(bench.store.noted(&bench.acme), None);
        bench
            .store
            .note_refresh(&bench.acme, Generation::new(12))
            .unwrap();
        bench
            .store
            .note_refresh(&bench.acme, Generation::new(3))
            .unwrap();
        assert_eq!(bench.store.noted(&bench.acme), Some(Generation::new(3)));
        bench.store.clear_note(&bench.acme);
        assert_eq!(bench.store.noted(&bench.acme), None);
    }

    #[test]
    fn links_in_the_way_are_refused() {
        let bench = bench();
        let elsewhere = bench.home.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::create_dir(bench.home.path().join("state")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &bench.store.dir).unwrap();
        let error = bench.write(b"x").unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        fs::remove_file(&bench.store.dir).unwrap();
        bench.write(b"x").unwrap();
        let target = bench.store.path(&bench.acme);
        fs::remove_file(&target).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &target).unwrap();
        assert!(bench.store.read(&bench.acme).is_err());
    }

    #[test]
    fn a_record_that_can_t_be_used_is_moved_not_lost() {
        let bench = bench();
        bench.store.set_aside(&bench.acme).unwrap();
        bench.write(b"from the future").unwrap();
        bench.store.set_aside(&bench.acme).unwrap();
        assert_eq!(bench.store.read(&bench.acme).unwrap(), None);
        let aside = bench.store.dir.join("acme.session.old");
        assert_eq!(fs::read(aside).unwrap(), b"from the future");
    }

    #[test]
    fn a_problem_names_the_file_and_the_fix() {
        let bench = bench();
        fs::create_dir(bench.home.path().join("state")).unwrap();
        fs::write(&bench.store.dir, b"a file").unwrap();
        let problem = bench.write(b"x").unwrap_err().problem();
        assert!(problem.message.contains("sessions"), "{problem}");
        assert!(problem.hints[0].contains("chmod"), "{problem:?}");
    }
}
