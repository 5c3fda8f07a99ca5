//! Logging.
//!
//! To the journal if systemd started the daemon, to the file that `LOOPDESK_LOG_FILE` names (the
//! command line sets it), to standard error otherwise. `LOOPDESK_LOG` takes the directives of
//! `tracing_subscriber::EnvFilter`; the default is `info`.
//!
//! ```text
//! event ─► redact, escape ─► queue ─► its thread ─► journal, file or standard error
//!          (event)           drops and counts       (sink, journal)
//! ```
//!
//! Logging never blocks. Each event passes through [`redact`] as text, panics included, so even a
//! talkative library can't reveal a live secret (D4). Text from other parties, in messages to users
//! and scripts, is [`Sent`] or [`Foreign`].

mod event;
#[cfg(target_os = "linux")]
mod journal;
mod local_keys;
mod queue;
pub mod redact;
mod refusals;
mod sink;
mod words;

use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub use self::refusals::{Whom, refused};
pub use self::words::{Foreign, Sent};

use self::event::Events;
use self::queue::{Duties, Queue, Sink};
use self::sink::{OwnFile, Stderr};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging for the whole process.
///
/// # Errors
/// If `LOOPDESK_LOG` can't be parsed, or the log can't be opened; the error is a sentence.
pub fn init() -> Result<(), String> {
    let filter = match std::env::var(VARIABLE) {
        Ok(text) => EnvFilter::try_new(&text)
            .map_err(|e| format!("{VARIABLE} is `{text}`, which can't be parsed: {e}"))?,
        Err(_) => EnvFilter::new(DEFAULT),
    };
    let layer = tracing_subscriber::fmt::layer();
    let events = tracing_subscriber::registry().with(filter);
    #[cfg(target_os = "linux")]
    if journal::is_stderr()
        && let Ok(journal) = journal::Journal::connect()
    {
        // The journal records time and level itself.
        let layer = layer.without_time().with_level(false).with_ansi(false);
        let layer = layer.with_writer(writer(journal, false)?);
        events.with(layer).try_init().map_err(|e| e.to_string())?;
        std::panic::set_hook(Box::new(panicked));
        return Ok(());
    }
    let file = std::env::var_os(FILE).filter(|path| !path.is_empty());
    let is_coloured =
        file.is_none() && io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let writer = match &file {
        Some(path) => {
            let opened = OwnFile::open(Path::new(path));
            let opened = opened.map_err(|e| {
                format!(
                    "the log `{}`, which {FILE} names, can't be opened: {e}",
                    Path::new(path).display()
                )
            })?;
            writer(opened, false)?
        }
        None => writer(Stderr, is_coloured)?,
    };
    events
        .with(layer.with_writer(writer).with_ansi(is_coloured))
        .try_init()
        .map_err(|e| e.to_string())?;
    std::panic::set_hook(Box::new(panicked));
    Ok(())
}

/// Reopens the log if it is a file of ours, which may have been moved away.
pub fn reopen() {
    if let Some(queue) = QUEUE.get() {
        queue.reopen();
    }
}

/// Waits a moment until everything logged is written: the process is about to end.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        refusals::rest();
        queue.flush(LAST_LINES);
    }
}

/// Writes why this process ends, which isn't an event, without secrets.
pub fn last_words(text: &str) {
    flush();
    // If standard error is closed, there is nowhere left to report to.
    let _unheard = io::stderr().write_all(&redact::bytes(text.as_bytes()));
}

fn writer(sink: impl Sink + 'static, is_coloured: bool) -> Result<Events, String> {
    let queue =
        Queue::start(sink, Reports).map_err(|e| format!("can't start the log thread: {e}"))?;
    Ok(Events {
        queue: QUEUE.get_or_init(|| queue).clone(),
        is_coloured,
    })
}

/// What the log reports about itself.
struct Reports;

impl Duties for Reports {
    fn tick(&mut self, now: Instant) -> Option<Instant> {
        refusals::tick(now)
    }

    fn lost(&mut self, lines: usize) {
        tracing::warn!(
            lines,
            "the log was too slow, and lines are missing before this one"
        );
    }
}

static QUEUE: OnceLock<Queue> = OnceLock::new();

/// The standard hook would write the panic's message to standard error unredacted.
fn panicked(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let said = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a payload that isn't text");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("?");
    tracing::error!(said, place, thread, "a panic: this is a bug in loopdesk");
}

const VARIABLE: &str = "LOOPDESK_LOG";
const FILE: &str = loopdesk_protocol::start::LOG_FILE;

/// A log that blocks must not delay the exit.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Our own events from `info` on, and from libraries only what may require action. notify warns
/// whenever a watched folder disappears, which the reload reports itself.
const DEFAULT: &str = "warn,loopdeskd=info,notify=error";

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    /// Formats events as `Events` does, and writes them at once.
    struct Lines(Sink);

    impl Write for Lines {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.write_all(&event::line(text, false))?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Write for Sink {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn d4_a_panic_is_an_event_without_secrets() {
        let secret = "5ecret-of-a-panic-0123456789";
        let _hidden = redact::hide(secret);
        let sink = Sink::default();
        let all = Arc::clone(&sink.0);
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || Lines(sink.clone()));
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(panicked));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            std::panic::catch_unwind(|| panic!("no {secret} here")).unwrap_err();
        });
        std::panic::set_hook(before);
        let text = String::from_utf8(all.lock().unwrap().clone()).unwrap();
        assert!(text.contains("no [redacted] here"), "{text}");
        assert!(text.contains("telemetry/mod.rs:"), "{text}");
    }

    #[test]
    fn d4_an_event_is_written_without_local_keys_whosever_they_are() {
        let key = "ldk_Q3vT9xKa_7nBfVbX2mQyZs0aLcWkE4rTgUiOpHjDx93NvM1qAeRy1uBby7";
        let basic =
            "YWdlbnRAZXhhbXBsZS5jb20vdG9rZW46bGRrX1EzdlQ5eEthXzduQmZWYlgybVF5WnMwYUxjV2tFNHJUZ1U=";
        let sink = Sink::default();
        let all = Arc::clone(&sink.0);
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || Lines(sink.clone()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(key, "Authorization: Basic {basic}");
        });
        let text = String::from_utf8(all.lock().unwrap().clone()).unwrap();
        assert!(text.contains("\"ldk_Q3vT9xKa_[redacted]\""), "{text}");
        assert!(text.contains("Basic [redacted]="), "{text}");
    }

    #[test]
    fn d4_an_event_is_written_without_the_without_the_secrets_in_its_message_and_fields() {
        let secret = "5ecret-of-an-event-0123456789";
        let _hidden = redact::hide(secret);
        let sink = Sink::default();
        let all = Arc::clone(&sink.0);
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || Lines(sink.clone()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let nested = Some(vec![secret]);
            tracing::info!(token = secret, ?nested, "Authorization: Bearer {secret}");
        });
        let text = String::from_utf8(all.lock().unwrap().clone()).unwrap();
        assert!(!text.contains(secret) && !text.contains("5ecret"), "{text}");
        assert_eq!(text.matches("[redacted]").count(), 3, "{text}");
        assert!(text.contains("Authorization: Bearer [redacted]"), "{text}");
    }
}
