//! `keys.toml` on disk, and its change mark.
//!
//! The mark is a file of one line with the number of the last change. It distinguishes a missing key
//! file from a first start, and the latest key file from an older copy, in which revoked keys would work
//! again. The key file is written first and the mark second. So a crash may leave the mark one change
//! behind, which is repaired at the next read, but never ahead.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use jiff::Timestamp;
use loopdesk_protocol::{Kind, Paths, Problem};

use super::file::{self, FileError, KeyFileContents};
use crate::durable::{self, Steps};
use crate::failpoint;

/// The key file and its mark.
#[derive(Debug)]
pub(super) struct KeyStore {
    file: PathBuf,
    mark: PathBuf,
    folder: PathBuf,
}

/// What was found on disk.
#[derive(Debug)]
pub(super) enum KeyFileState {
    /// The latest key file, or the contents of an empty one if no key was ever created.
    Keys(KeyFileContents, Option<FileStamp>),
    /// A file that can't be trusted.
    Untrusted(Problem),
}

/// The file's metadata, which changes with every write and with its owner and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileStamp {
    file: (u64, u64, u64),
    access: (u32, u32),
    written: (i64, i64),
    changed: (i64, i64),
}

impl KeyStore {
    pub(super) fn new(paths: &Paths) -> Self {
        Self {
            file: paths.local_keys_file(),
            mark: paths.local_keys_mark_file(),
            folder: paths.state_dir().to_owned(),
        }
    }

    /// The current stamp of the key file, to detect changes.
    pub(super) fn stamp(&self) -> Option<FileStamp> {
        std::fs::symlink_metadata(&self.file)
            .ok()
            .as_ref()
            .map(FileStamp::of)
    }

    /// Reads both files. May block.
    pub(super) fn read(&self) -> KeyFileState {
        match durable::check_folder(&self.folder) {
            Ok(()) => {}
            Err(error) if error.is_missing() => {
                return KeyFileState::Keys(KeyFileContents::default(), None);
            }
            Err(error) => return KeyFileState::Untrusted(closing(error.problem())),
        }
        let mark = self.read_mark();
        match (self.read_file(), mark) {
            (Ok(None), ChangeMark::None) => KeyFileState::Keys(KeyFileContents::default(), None),
            (Ok(None), ChangeMark::Unknown | ChangeMark::Change(_)) => {
                KeyFileState::Untrusted(self.missing())
            }
            (Ok(Some((contents, _))), ChangeMark::Change(last)) if contents.generation < last => {
                KeyFileState::Untrusted(self.older())
            }
            (Ok(Some((contents, stamp))), mark) => {
                if mark != ChangeMark::Change(contents.generation)
                    && let Err(error) = self.write_mark(contents.generation)
                {
                    tracing::warn!(%error, "can't update the change mark of the local keys");
                }
                KeyFileState::Keys(contents, Some(stamp))
            }
            (Err(problem), _) => KeyFileState::Untrusted(problem),
        }
    }

    /// Replaces the key file. When this returns, `contents` survive a power cut. May block.
    ///
    /// # Errors
    /// A step failed. The file on disk is then either the old one or the new one, whole.
    pub(super) fn write(&self, contents: &KeyFileContents, now: Timestamp) -> Result<(), Problem> {
        durable::make_folder(&self.folder).map_err(|e| e.problem())?;
        let internal =
            |why| Problem::new(Kind::Internal, format!("the keys can't be written: {why}"));
        let text = file::render(contents, now).map_err(internal)?;
        if u64::try_from(text.len()).is_ok_and(|length| length > FILE_MAX) {
            return Err(Problem::new(
                Kind::Usage,
                format!(
                    "`{}` would grow beyond {} MiB",
                    self.file.display(),
                    FILE_MAX >> 20
                ),
            )
            .hint("run `loopdesk key list` and revoke the keys that are no longer used"));
        }
        durable::replace(&self.file, text.as_bytes(), &STEPS).map_err(|e| e.problem())?;
        // The change is valid without the mark; the next read or change repairs it.
        if let Err(error) = self.write_mark(contents.generation) {
            tracing::warn!(%error, "can't update the change mark of the local keys");
        }
        Ok(())
    }

    fn read_file(&self) -> Result<Option<(KeyFileContents, FileStamp)>, Problem> {
        let flags = durable::NO_FOLLOW | durable::NO_WAIT;
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&self.file);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unreadable(&error)),
        };
        let meta = file.metadata().map_err(|e| self.unreadable(&e))?;
        self.check(&meta)?;
        let mut bytes = Vec::new();
        let read = file.take(FILE_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|e| self.unreadable(&e))?;
        let contents = file::parse(&bytes).map_err(|damage| self.damaged(&damage))?;
        Ok(Some((contents, FileStamp::of(&meta))))
    }

    /// Rejects a file that another user could have written.
    fn check(&self, meta: &Metadata) -> Result<(), Problem> {
        let own = rustix::process::getuid().as_raw();
        if !meta.is_file() {
            return Err(self.damaged_by("it isn't a regular file"));
        }
        if meta.uid() != own {
            let why = format!("it belongs to user {}, not to {own}", meta.uid());
            let command = format!("sudo chown \"$USER\" {}", self.file.display());
            return Err(self.problem(&why).hint(format!("run `{command}`")));
        }
        let mode = meta.mode() & 0o7777;
        if mode & 0o077 != 0 {
            let why = match mode & 0o022 {
                0 => format!("others may read it (mode {mode:04o})"),
                _ => format!("others may write to it (mode {mode:04o})"),
            };
            return Err(self
                .problem(&why)
                .hint(format!("run `chmod 600 {}`", self.file.display()))
                .hint("then run `loopdesk key list` and check that all keys are yours"));
        }
        Ok(())
    }

    fn read_mark(&self) -> ChangeMark {
        let bytes = match durable::read_file(&self.mark, MARK_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return ChangeMark::None,
            Err(_) => return ChangeMark::Unknown,
        };
        let text = std::str::from_utf8(&bytes).ok();
        let number = text.and_then(|text| text.strip_prefix(MARK)?.strip_suffix('\n'));
        let number = number.and_then(|number| number.parse().ok());
        number.map_or(ChangeMark::Unknown, ChangeMark::Change)
    }

    fn write_mark(&self, change: u64) -> Result<(), durable::DurableError> {
        let line = format!("{MARK}{change}\n");
        durable::replace(&self.mark, line.as_bytes(), &MARK_STEPS)
    }

    fn missing(&self) -> Problem {
        self.problem("it is missing, although keys were created")
            .hint("restore it from a backup; loopdesk notices by itself")
            .hint(format!(
                "or run `rm {}` to start over without any keys",
                self.mark.display()
            ))
    }

    fn older(&self) -> Problem {
        self.problem("it is an older copy, in which keys that were revoked since would work again")
            .hint("restore the latest copy; loopdesk notices by itself")
            .hint(format!(
                "or run `rm {}` to accept this copy as the latest",
                self.mark.display()
            ))
    }

    fn damaged(&self, damage: &FileError) -> Problem {
        match damage {
            FileError::Newer(_) => self
                .problem(&damage.to_string())
                .hint("install that release of loopdesk again"),
            FileError::Changed | FileError::Nonsense(_) => self.damaged_by(&damage.to_string()),
        }
    }

    fn damaged_by(&self, why: &str) -> Problem {
        let (file, mark) = (self.file.display(), self.mark.display());
        self.problem(why)
            .hint("restore it from a backup; loopdesk notices by itself")
            .hint(format!(
                "or run `mv {file} {file}.old && rm {mark}` to start over without any keys"
            ))
    }

    fn unreadable(&self, error: &io::Error) -> Problem {
        // With O_NOFOLLOW, open(2) fails on a symbolic link, with an error that doesn't name it.
        let is_link = std::fs::symlink_metadata(&self.file).is_ok_and(|meta| meta.is_symlink());
        if is_link {
            return self.damaged_by("it is a symbolic link");
        }
        self.problem(&format!("it can't be read: {error}"))
            .hint(format!("run `chmod 600 {}`", self.file.display()))
    }

    fn problem(&self, why: &str) -> Problem {
        let file = self.file.display();
        closing(Problem::new(
            Kind::Vault,
            format!("the keys in `{file}` can't be used: {why}"),
        ))
    }
}

/// Adds what a problem with the file leads to.
fn closing(problem: Problem) -> Problem {
    Problem {
        message: format!("{}; every local key is refused", problem.message),
        ..problem
    }
}

/// The change mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChangeMark {
    /// No mark: no key was ever created.
    None,
    /// The mark can't be read: keys were created, but the last change is unknown.
    Unknown,
    /// The number of the last change.
    Change(u64),
}

impl FileStamp {
    fn of(meta: &Metadata) -> Self {
        Self {
            file: (meta.dev(), meta.ino(), meta.len()),
            access: (meta.mode(), meta.uid()),
            written: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

const STEPS: Steps = Steps {
    opened: failpoint::KEYS_OPENED,
    written: failpoint::KEYS_WRITTEN,
    durable: failpoint::KEYS_DURABLE,
    renamed: failpoint::KEYS_RENAMED,
    folder_durable: failpoint::KEYS_FOLDER_DURABLE,
};

const MARK_STEPS: Steps = Steps {
    opened: failpoint::MARK_OPENED,
    written: failpoint::MARK_WRITTEN,
    durable: failpoint::MARK_DURABLE,
    renamed: failpoint::MARK_RENAMED,
    folder_durable: failpoint::MARK_FOLDER_DURABLE,
};

const MARK: &str = "loopdesk-keys 1 last-change ";
const MARK_MAX: u64 = 256;
/// Enough for a thousand keys with long rules.
const FILE_MAX: u64 = 4 << 20;

#[cfg(test)]
mod tests;
