//! The journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), one datagram an event.
//!
//! The message is the whole event, fields included: `journalctl` shows nothing else by itself.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::redact;

/// Whether standard error is the journal's own stream (systemd.exec(5), `$JOURNAL_STREAM`): only
/// then is the journal where a person would look.
pub(super) fn is_stderr() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(meta) = std::fs::metadata("/proc/self/fd/2") else {
        return false;
    };
    stream == format!("{}:{}", meta.dev(), meta.ino())
}

/// The way to the journal.
pub(super) struct Journal(UnixDatagram);

impl Journal {
    /// # Errors
    /// Where there is no journal.
    pub(super) fn connect() -> io::Result<Self> {
        Self::at(Path::new("/run/systemd/journal/socket"))
    }

    fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        Ok(Self(socket))
    }
}

impl<'a> MakeWriter<'a> for Journal {
    type Writer = Entry<'a>;

    fn make_writer(&'a self) -> Entry<'a> {
        Entry {
            socket: &self.0,
            priority: priority(Level::INFO),
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Entry<'a> {
        Entry {
            socket: &self.0,
            priority: priority(*meta.level()),
        }
    }
}

/// One event, which is written at once and whole.
pub(super) struct Entry<'a> {
    socket: &'a UnixDatagram,
    priority: u8,
}

impl Write for Entry<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let clean = redact::bytes(text);
        let message = clean.strip_suffix(b"\n").unwrap_or(&clean);
        let message = message.get(..MESSAGE_MAX).unwrap_or(message);
        let mut datagram = format!(
            "PRIORITY={}\nSYSLOG_IDENTIFIER=loopdeskd\nMESSAGE\n",
            self.priority
        )
        .into_bytes();
        let length = u64::try_from(message.len()).unwrap_or_default();
        datagram.extend_from_slice(&length.to_le_bytes());
        datagram.extend_from_slice(message);
        datagram.push(b'\n');
        self.socket.send(&datagram)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// syslog(3): from `err` to `debug`.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Longer entries need a file descriptor; nothing that anybody reads is as long.
const MESSAGE_MAX: usize = 48 * 1024;

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn d4_an_event_is_one_entry_with_its_priority_and_without_secrets() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("socket");
        let journald = UnixDatagram::bind(&path).unwrap();
        let layer = tracing_subscriber::fmt::layer()
            .without_time()
            .with_level(false)
            .with_ansi(false)
            .with_writer(Journal::at(&path).unwrap());
        let secret = "j0urnal-5ecret-0123456789";
        let _hidden = redact::hide(secret);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!(account = "acme", secret, "two\nlines");
        });
        let mut buffer = [0; 1024];
        let length = journald.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]);
        assert!(
            text.starts_with("PRIORITY=4\nSYSLOG_IDENTIFIER=loopdeskd\nMESSAGE\n"),
            "{text}"
        );
        assert!(text.contains("account=\"acme\""), "{text}");
        assert!(text.contains("secret=\"[redacted]\""), "{text}");
        assert!(!text.contains("5ecret"), "{text}");
    }
}
