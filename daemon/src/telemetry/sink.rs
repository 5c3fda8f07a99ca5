//! Destinations of the log: the journal, standard error as inherited, or a file of the daemon's
//! own.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;

use super::queue::{LogLine, Sink};

/// Standard error, whatever it is. Its size is up to the process that provided it.
pub(super) struct Stderr;

impl Sink for Stderr {
    fn write(&mut self, lines: &[LogLine]) -> Result<(), usize> {
        write_all(&mut io::stderr(), &joined(lines)).map_err(|_| lines.len())
    }
}

/// A file of the daemon's own, which it keeps small: once the file has grown large, its content
/// moves to `FILE.1`, replacing what was there before.
pub(super) struct OwnFile {
    path: PathBuf,
    file: File,
}

impl OwnFile {
    /// Opens `path` for appending.
    ///
    /// # Errors
    /// If the file can't be opened, or isn't a regular file of this user's.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .custom_flags(nofollow)
            .open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() || meta.uid() != rustix::process::getuid().as_raw() {
            return Err(io::Error::other("it isn't a file of this user's"));
        }
        file.set_permissions(Permissions::from_mode(0o600))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Makes room for `more` bytes. The file stays the same one, since standard error leads there
    /// too: its lines are copied, and then the file is truncated.
    fn make_room(&mut self, more: usize) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length == 0 || length.saturating_add(more as u64) <= SIZE_MAX {
            return Ok(());
        }
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        let new = PathBuf::from(&old).with_extension("new");
        let _absent = std::fs::remove_file(&new);
        std::fs::copy(&self.path, &new)?;
        std::fs::rename(&new, old)?;
        self.file.set_len(0)
    }
}

impl Sink for OwnFile {
    fn write(&mut self, lines: &[LogLine]) -> Result<(), usize> {
        let mut rest = lines;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(fitting(rest));
            let text = joined(now);
            // If there is no room for a copy, the old lines are dropped.
            if self.make_room(text.len()).is_err() {
                drop(self.file.set_len(0));
            }
            self.file.write_all(&text).map_err(|_| rest.len())?;
            rest = later;
        }
        Ok(())
    }

    fn reopen(&mut self) {
        match Self::open(&self.path) {
            Ok(new) => *self = new,
            Err(error) => tracing::error!(%error, "can't reopen the log"),
        }
    }
}

/// How many of these lines, at least one, are written at once: a fraction of the file's maximum
/// size.
fn fitting(lines: &[LogLine]) -> usize {
    let mut bytes = 0;
    let fits = |line: &&LogLine| {
        bytes += line.text.len() as u64;
        bytes <= SIZE_MAX / 4
    };
    lines.iter().take_while(fits).count().max(1)
}

fn joined(lines: &[LogLine]) -> Vec<u8> {
    let mut text = Vec::with_capacity(lines.iter().map(|line| line.text.len()).sum());
    for line in lines {
        text.extend_from_slice(&line.text);
    }
    text
}

/// Standard error may have been made non-blocking by a process that shares it.
fn write_all(stderr: &mut io::Stderr, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match stderr.write(text) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => text = text.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut writable = [PollFd::new(&*stderr, PollFlags::OUT)];
                // The next attempt shows what the wait came to.
                let _ready = rustix::event::poll(&mut writable, None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Weeks of a quiet daemon, and small enough to open in an editor.
const SIZE_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine {
            level: Level::INFO,
            text: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn d1_a_file_of_its_own_never_grows_beyond_twice_its_size() {
        let home = tempfile::tempdir().unwrap();
        let (path, old) = (home.path().join("log"), home.path().join("log.1"));
        let mut file = OwnFile::open(&path).unwrap();
        let standard_error = OpenOptions::new().append(true).open(&path).unwrap();
        let long = line(&format!("{}\n", "x".repeat(99_999)));
        for _ in 0..100 {
            file.write(std::slice::from_ref(&long)).unwrap();
            let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
            assert!(size(&path) <= SIZE_MAX && size(&old) <= SIZE_MAX);
        }
        let many: Vec<_> = (0..40).map(|_| line(&"y".repeat(99_999))).collect();
        file.write(&many).unwrap();
        assert!(
            std::fs::metadata(&path).unwrap().len() <= SIZE_MAX,
            "of a batch, too"
        );
        (&standard_error).write_all(b"dying words\n").unwrap();
        file.write(&[line("after\n")]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("dying words\nafter\n"), "one file for both");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let others = std::fs::read_dir(home.path()).unwrap().count();
        assert_eq!(others, 2, "nothing else is left");
    }

    #[test]
    fn what_was_moved_away_is_opened_anew_when_asked() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        let mut file = OwnFile::open(&path).unwrap();
        file.write(&[line("one\n")]).unwrap();
        std::fs::rename(&path, home.path().join("moved")).unwrap();
        file.write(&[line("two\n")]).unwrap();
        file.reopen();
        file.write(&[line("three\n")]).unwrap();
        let read = |name| std::fs::read_to_string(home.path().join(name)).unwrap();
        assert_eq!(
            (read("moved").as_str(), read("log").as_str()),
            ("one\ntwo\n", "three\n")
        );
    }

    #[test]
    fn d1_a_link_in_its_place_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("log");
        std::os::unix::fs::symlink("/etc/hostname", &link).unwrap();
        assert!(OwnFile::open(&link).is_err());
    }
}
