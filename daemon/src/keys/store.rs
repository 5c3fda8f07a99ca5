//! `keys.toml` on disk, and the mark beside it.
//!
//! The mark is a line in a file of its own: the number of the last change. By it a file that is
//! missing is told from a first start, and an older copy, in which revoked keys live on, from the
//! file as it was last written. The file changes first and the mark after it, so that after a crash
//! the mark may be one behind, which is mended, and is never ahead.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use jiff::Timestamp;
use loopdesk_protocol::{Kind, Paths, Problem};

use super::file::{self, Contents, Damage};
use crate::durable::{self, Steps};
use crate::failpoint;

/// The two files.
#[derive(Debug)]
pub(super) struct Store {
    file: PathBuf,
    mark: PathBuf,
    folder: PathBuf,
}

/// What is on disk.
#[derive(Debug)]
pub(super) enum Found {
    /// The file, as it was last written; or none, as there never was one.
    Keys(Contents, Option<Stamp>),
    /// Something that can't be trusted.
    Nothing(Problem),
}

/// Changes with every write, and whenever owner or mode do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64, u64),
    access: (u32, u32),
    written: (i64, i64),
    changed: (i64, i64),
}

impl Store {
    pub(super) fn new(paths: &Paths) -> Self {
        Self {
            file: paths.local_keys_file(),
            mark: paths.local_keys_mark_file(),
            folder: paths.state_dir().to_owned(),
        }
    }

    /// How the file looks from outside, to notice that it has changed.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        std::fs::symlink_metadata(&self.file)
            .ok()
            .as_ref()
            .map(Stamp::of)
    }

    /// Reads both files. May block.
    pub(super) fn read(&self) -> Found {
        match durable::check_folder(&self.folder) {
            Ok(()) => {}
            Err(error) if error.is_missing() => return Found::Keys(Contents::default(), None),
            Err(error) => return Found::Nothing(closing(error.problem())),
        }
        let mark = self.read_mark();
        match (self.read_file(), mark) {
            (Ok(None), Mark::None) => Found::Keys(Contents::default(), None),
            (Ok(None), Mark::Unknown | Mark::Change(_)) => Found::Nothing(self.missing()),
            (Ok(Some((contents, _))), Mark::Change(last)) if contents.generation < last => {
                Found::Nothing(self.older())
            }
            (Ok(Some((contents, stamp))), mark) => {
                if mark != Mark::Change(contents.generation)
                    && let Err(error) = self.write_mark(contents.generation)
                {
                    tracing::warn!(%error, "the mark of the local keys stays behind");
                }
                Found::Keys(contents, Some(stamp))
            }
            (Err(problem), _) => Found::Nothing(problem),
        }
    }

    /// Puts `contents` in the file's place. When this returns, they survive a power cut. May block.
    ///
    /// # Errors
    /// Where that isn't certain. The old file is then still there, or the new one is.
    pub(super) fn write(&self, contents: &Contents, now: Timestamp) -> Result<(), Problem> {
        durable::make_folder(&self.folder).map_err(|e| e.problem())?;
        let internal = |why| Problem::new(Kind::Internal, format!("keys can't be written: {why}"));
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
            .hint("revoke keys that nobody uses: `loopdesk key list` shows them"));
        }
        durable::replace(&self.file, text.as_bytes(), &STEPS).map_err(|e| e.problem())?;
        // The change holds without it: the next start, or the next change, brings it up to date.
        if let Err(error) = self.write_mark(contents.generation) {
            tracing::warn!(%error, "the mark of the local keys stays behind");
        }
        Ok(())
    }

    fn read_file(&self) -> Result<Option<(Contents, Stamp)>, Problem> {
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
        Ok(Some((contents, Stamp::of(&meta))))
    }

    /// A file that another could have written says nothing.
    fn check(&self, meta: &Metadata) -> Result<(), Problem> {
        let own = rustix::process::getuid().as_raw();
        if !meta.is_file() {
            return Err(self.damaged_by("it is no ordinary file"));
        }
        if meta.uid() != own {
            let why = format!("it belongs to user {}, not to {own}", meta.uid());
            let command = format!("sudo chown \"$USER\" {}", self.file.display());
            return Err(self
                .problem(&why)
                .hint(format!("make it yours: `{command}`")));
        }
        let mode = meta.mode() & 0o7777;
        if mode & 0o077 != 0 {
            let why = match mode & 0o022 {
                0 => format!("others may read it (mode {mode:04o})"),
                _ => format!("others may write to it (mode {mode:04o})"),
            };
            return Err(self
                .problem(&why)
                .hint(format!("close it: `chmod 600 {}`", self.file.display()))
                .hint("then see whether its keys are yours: `loopdesk key list`"));
        }
        Ok(())
    }

    fn read_mark(&self) -> Mark {
        let bytes = match durable::read_file(&self.mark, MARK_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Mark::None,
            Err(_) => return Mark::Unknown,
        };
        let text = std::str::from_utf8(&bytes).ok();
        let number = text.and_then(|text| text.strip_prefix(MARK)?.strip_suffix('\n'));
        let number = number.and_then(|number| number.parse().ok());
        number.map_or(Mark::Unknown, Mark::Change)
    }

    fn write_mark(&self, change: u64) -> Result<(), durable::Error> {
        let line = format!("{MARK}{change}\n");
        durable::replace(&self.mark, line.as_bytes(), &MARK_STEPS)
    }

    fn missing(&self) -> Problem {
        self.problem("it is missing, and there were keys in it")
            .hint("put it back from a backup; loopdesk notices")
            .hint(format!(
                "or begin anew, without any key: `rm {}`",
                self.mark.display()
            ))
    }

    fn older(&self) -> Problem {
        self.problem("it is an older copy: keys that were revoked since would let in again")
            .hint("put the newest back; loopdesk notices")
            .hint(format!(
                "or take this one for the newest: `rm {}`",
                self.mark.display()
            ))
    }

    fn damaged(&self, damage: &Damage) -> Problem {
        match damage {
            Damage::Newer(_) => self
                .problem(&damage.to_string())
                .hint("install that release of loopdesk again"),
            Damage::Changed | Damage::Nonsense(_) => self.damaged_by(&damage.to_string()),
        }
    }

    fn damaged_by(&self, why: &str) -> Problem {
        let (file, mark) = (self.file.display(), self.mark.display());
        self.problem(why)
            .hint("put it back from a backup; loopdesk notices")
            .hint(format!(
                "or begin anew, without any key: `mv {file} {file}.old && rm {mark}`"
            ))
    }

    fn unreadable(&self, error: &io::Error) -> Problem {
        // What open(2) says of a link that is not to be followed.
        let is_link = std::fs::symlink_metadata(&self.file).is_ok_and(|meta| meta.is_symlink());
        if is_link {
            return self.damaged_by("it is a symbolic link");
        }
        self.problem(&format!("it can't be read: {error}"))
            .hint(format!(
                "make it yours and readable: `chmod 600 {}`",
                self.file.display()
            ))
    }

    fn problem(&self, why: &str) -> Problem {
        let file = self.file.display();
        closing(Problem::new(
            Kind::Vault,
            format!("the keys in `{file}` can't be used: {why}"),
        ))
    }
}

/// Says what follows from a problem with the file.
fn closing(problem: Problem) -> Problem {
    Problem {
        message: format!("{}; every local key is refused", problem.message),
        ..problem
    }
}

/// What the mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// There has never been a key.
    None,
    /// There have been keys, and nobody knows which change was the last.
    Unknown,
    /// The last change.
    Change(u64),
}

impl Stamp {
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
/// Some thousand keys with long rules.
const FILE_MAX: u64 = 4 << 20;

#[cfg(test)]
mod tests;
