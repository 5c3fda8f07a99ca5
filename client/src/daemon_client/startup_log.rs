//! The output of a daemon that failed to start.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use loopdesk_protocol::text::is_invisible;

/// The log of a daemon that is being started.
#[derive(Debug)]
pub(super) struct StartupLog {
    path: PathBuf,
    file: File,
    start: u64,
}

impl StartupLog {
    /// Opens the file for appending. The daemon keeps it small.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        let start = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            start,
        })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A handle for the daemon's standard error.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// What was written since the file was opened.
    pub(super) fn output(&self) -> StartupOutput {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            // The daemon truncates the file when it grows large.
            let start = if length < self.start { 0 } else { self.start };
            file.seek(SeekFrom::Start(start.max(length.saturating_sub(READ_MAX))))?;
            let mut bytes = Vec::new();
            file.take(READ_MAX).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        StartupOutput::new(&read().unwrap_or_default())
    }
}

/// The lines of a failed program.
#[derive(Debug)]
pub(super) struct StartupOutput(Vec<String>);

impl StartupOutput {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let text = anstream::adapter::strip_bytes(bytes).into_vec();
        let lines = String::from_utf8_lossy(&text)
            .lines()
            .map(|line| {
                line.chars()
                    .filter(|c| !is_invisible(*c))
                    .collect::<String>()
            })
            .filter(|line| !line.trim().is_empty())
            .collect();
        Self(lines)
    }

    /// The last `error: …` and the `Hint: …` lines below it.
    pub(super) fn error(&self) -> Option<(String, Vec<String>)> {
        let at = self.0.iter().rposition(|line| line.starts_with(ERROR))?;
        let mut message = self.0.get(at)?.trim_start_matches(ERROR).to_owned();
        let mut hints = Vec::new();
        for line in self.0.iter().skip(at + 1) {
            if let Some(hint) = line.strip_prefix(HINT) {
                hints.push(hint.to_owned());
            } else if hints.is_empty() {
                message = format!("{message}\n{line}");
            }
        }
        Some((message, hints))
    }

    /// The last lines.
    pub(super) fn tail(&self) -> &[String] {
        self.0
            .get(self.0.len().saturating_sub(TAIL)..)
            .unwrap_or_default()
    }

    pub(super) fn last_line(&self) -> Option<&str> {
        self.0.last().map(|line| line.trim_start_matches(ERROR))
    }
}

const ERROR: &str = "error: ";
const HINT: &str = "Hint: ";

/// Holds a panic with its backtrace.
const READ_MAX: u64 = 16 << 10;

/// Few enough to fit below the message.
const TAIL: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_lines_of_this_start_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("loopdeskd.log");
        std::fs::write(&path, "error: of yesterday\n").unwrap();
        let log = StartupLog::open(&path).unwrap();
        assert!(log.output().error().is_none());
        log.handle()
            .unwrap()
            .write_all(b"noise\n\x1b[31merror: \x1b[0mport 8484\x07 is taken\nHint: run `a`\nHint: run `b`\n")
            .unwrap();
        let (message, hints) = log.output().error().unwrap();
        assert_eq!(message, "port 8484 is taken");
        assert_eq!(hints, ["run `a`", "run `b`"]);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_truncated_file_is_read_from_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("loopdeskd.log");
        std::fs::write(&path, "x\n".repeat(100)).unwrap();
        let log = StartupLog::open(&path).unwrap();
        log.handle().unwrap().set_len(0).unwrap();
        log.handle()
            .unwrap()
            .write_all(b"error: no room\n")
            .unwrap();
        assert_eq!(log.output().error().unwrap().0, "no room");
    }
}
