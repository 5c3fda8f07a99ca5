//! The journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), one datagram per event.
//!
//! The message is the whole event, fields included: `journalctl` doesn't show other fields by
//! default.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use tracing::Level;

use super::queue::{LogLine, Sink};

/// Whether standard error is connected to the journal (systemd.exec(5), `$JOURNAL_STREAM`): only
/// then would a user look there.
pub(super) fn is_stderr() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(meta) = std::fs::metadata("/proc/self/fd/2") else {
        return false;
    };
    stream == format!("{}:{}", meta.dev(), meta.ino())
}

/// The connection to the journal.
pub(super) struct Journal(UnixDatagram);

impl Journal {
    /// # Errors
    /// If there is no journal.
    pub(super) fn connect() -> io::Result<Self> {
        Self::at(Path::new("/run/systemd/journal/socket"))
    }

    fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        Ok(Self(socket))
    }
}

impl Sink for Journal {
    fn write(&mut self, lines: &[LogLine]) -> Result<(), usize> {
        let unsent = lines.iter().filter(|line| self.send(line).is_err());
        match unsent.count() {
            0 => Ok(()),
            lost => Err(lost),
        }
    }
}

impl Journal {
    fn send(&self, line: &LogLine) -> io::Result<()> {
        let message = line.text.strip_suffix(b"\n").unwrap_or(&line.text);
        let mut datagram = format!(
            "PRIORITY={}\nSYSLOG_IDENTIFIER=loopdeskd\nMESSAGE\n",
            priority(line.level)
        )
        .into_bytes();
        let length = u64::try_from(message.len()).unwrap_or_default();
        datagram.extend_from_slice(&length.to_le_bytes());
        datagram.extend_from_slice(message);
        datagram.push(b'\n');
        self.0.send(&datagram).map(drop)
    }
}

/// The priorities of syslog(3), from `err` to `debug`.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{event, redact};
    use super::*;

    #[test]
    fn d4_an_event_is_one_entry_with_its_priority_and_without_secrets() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("socket");
        let journald = UnixDatagram::bind(&path).unwrap();
        let secret = "j0urnal-5ecret-0123456789";
        let _hidden = redact::hide(secret);
        let text = format!("two\nlines account=\"acme\" secret=\"{secret}\"\n");
        let line = LogLine {
            level: Level::WARN,
            text: event::line(text.as_bytes(), false),
        };
        Journal::at(&path).unwrap().write(&[line]).unwrap();
        let mut buffer = [0; 1024];
        let length = journald.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]);
        assert!(
            text.starts_with("PRIORITY=4\nSYSLOG_IDENTIFIER=loopdeskd\nMESSAGE\n"),
            "{text}"
        );
        assert!(text.contains("two\\nlines account=\"acme\""), "{text}");
        assert!(text.ends_with("secret=\"[redacted]\"\n"), "{text}");
    }

    struct Quiet;

    impl super::super::queue::Duties for Quiet {
        fn tick(&mut self, _: std::time::Instant) -> Option<std::time::Instant> {
            None
        }

        fn lost(&mut self, _: usize) {}
    }

    #[test]
    fn d1_a_journal_that_takes_nothing_holds_up_nobody() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("socket");
        let journald = UnixDatagram::bind(&path).unwrap();
        let queue = super::super::queue::Queue::start(Journal::at(&path).unwrap(), Quiet).unwrap();
        for number in 0..100_000 {
            queue.push(LogLine {
                level: Level::INFO,
                text: format!("refused {number}\n").into_bytes(),
            });
        }
        // Nothing has been read yet; the next reads start from the beginning.
        let mut buffer = [0; 1024];
        for number in 0..1_000 {
            let length = journald.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]);
            assert!(text.ends_with(&format!("refused {number}\n")), "{text}");
        }
    }
}
