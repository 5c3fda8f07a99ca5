//! Where the daemon's own words go.
//!
//! To the journal where systemd started the daemon, to standard error otherwise (launchd and the
//! command line put that into a file). `LOOPDESK_LOG` takes the directives of
//! `tracing_subscriber::EnvFilter`; the default is `info`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging for the whole process.
///
/// # Errors
/// A sentence, where `LOOPDESK_LOG` can't be understood.
pub fn init() -> Result<(), String> {
    let filter = match std::env::var(VARIABLE) {
        Ok(text) => EnvFilter::try_new(&text)
            .map_err(|e| format!("{VARIABLE} is `{text}`, which can't be understood: {e}"))?,
        Err(_) => EnvFilter::new(DEFAULT),
    };
    #[cfg(target_os = "linux")]
    if journal::is_stderr()
        && let Ok(layer) = tracing_journald::layer()
    {
        tracing_subscriber::registry()
            .with(filter)
            .with(layer.with_syslog_identifier("loopdeskd".to_owned()))
            .try_init()
            .map_err(|e| e.to_string())?;
        return Ok(());
    }
    let stderr = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    tracing_subscriber::registry()
        .with(filter)
        .with(stderr)
        .try_init()
        .map_err(|e| e.to_string())
}

const VARIABLE: &str = "LOOPDESK_LOG";

/// Our own words from `info` on; of the libraries only what somebody may have to act on. notify
/// warns whenever a watched folder goes away, which the reload reports itself.
const DEFAULT: &str = "warn,loopdeskd=info,notify=error";

#[cfg(target_os = "linux")]
mod journal {
    use std::os::unix::fs::MetadataExt;

    /// Whether standard error is the journal's own stream (systemd.exec(5), `$JOURNAL_STREAM`):
    /// only then is the journal where a person would look.
    pub(super) fn is_stderr() -> bool {
        let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
            return false;
        };
        let Ok(meta) = std::fs::metadata("/proc/self/fd/2") else {
            return false;
        };
        stream == format!("{}:{}", meta.dev(), meta.ino())
    }
}
