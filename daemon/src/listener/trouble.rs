//! What is logged while no connection can be accepted: the first error, then a line a minute.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

/// The errors of one listener. A system that is out of descriptors fails twenty times a second.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    told_at: Option<Instant>,
    untold: u64,
}

impl Trouble {
    /// Waits a moment after `error`, which says nothing about one connection only.
    pub(crate) async fn met(&mut self, error: &io::Error, whose: &str) {
        if self.is_news(Instant::now()) {
            let untold = std::mem::take(&mut self.untold);
            tracing::warn!(%error, untold, whose, "no connection can be accepted");
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

/// Long enough not to spin, short enough not to be felt.
const BACKOFF: Duration = Duration::from_millis(50);

/// Nobody looks more often, and a log of a night of trouble stays short.
const PAUSE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn o3_trouble_is_told_at_once_and_then_once_a_minute() {
        let mut trouble = Trouble::default();
        let mut told = Vec::new();
        for _ in 0..20 * 150 {
            if trouble.is_news(Instant::now()) {
                told.push(std::mem::take(&mut trouble.untold));
            }
            tokio::time::advance(BACKOFF).await;
        }
        assert_eq!(told, [0, 1199, 1199]);
    }
}
