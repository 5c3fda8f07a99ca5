//! Logs failures to accept connections: the first error at once, then a line a minute.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

/// The errors of one listener. A system out of descriptors fails twenty times a second.
#[derive(Debug, Default)]
pub(crate) struct AcceptBackoff {
    told_at: Option<Instant>,
    untold: u64,
}

impl AcceptBackoff {
    /// Waits a moment after `error`, which doesn't concern a single connection.
    pub(crate) async fn met(&mut self, error: &io::Error, whose: &str) {
        if self.is_news(Instant::now()) {
            let untold = std::mem::take(&mut self.untold);
            tracing::warn!(%error, untold, whose, "can't accept connections");
        }
        tokio::time::sleep(BACKOFF).await;
    }

    fn is_news(&mut self, now: Instant) -> bool {
        let is_due = self.told_at.is_none_or(|told| now - told >= PAUSE);
        if is_due {
            self.told_at = Some(now);
        } else {
            self.untold += 1;
        }
        is_due
    }
}

/// Long enough not to spin, short enough not to be noticed.
const BACKOFF: Duration = Duration::from_millis(50);

/// Often enough for a reader, and the log of a bad night stays short.
const PAUSE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn o3_trouble_is_told_at_once_and_then_once_a_minute() {
        let mut backoff = AcceptBackoff::default();
        let mut told = Vec::new();
        for _ in 0..20 * 150 {
            if backoff.is_news(Instant::now()) {
                told.push(std::mem::take(&mut backoff.untold));
            }
            tokio::time::advance(BACKOFF).await;
        }
        assert_eq!(told, [0, 1199, 1199]);
    }
}
