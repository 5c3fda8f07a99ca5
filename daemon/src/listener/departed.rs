//! Connections whose client had left before they were accepted: at most one log line a minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts those connections. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(super) struct Departed(Arc<AtomicU64>);

impl Departed {
    /// Notes one such connection, whose request was never read.
    pub(super) fn note(&self) {
        if self.0.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        let count = Arc::clone(&self.0);
        // Log the first one at once, and those of the following minute together.
        let mut told = 1;
        tell(told);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(MINUTE).await;
                let more = count.fetch_sub(told, Ordering::Relaxed) - told;
                if more == 0 {
                    return;
                }
                tell(more);
                told = more;
            }
        });
    }
}

fn tell(connections: u64) {
    tracing::info!(
        connections,
        "dropped unread: the client closed before it was accepted"
    );
}

const MINUTE: Duration = Duration::from_secs(60);
