//! An account's pairs: its own, which serves requests, and the read-only one, which serves only keys
//! that may only read.
//!
//! Each pair has its own state machine, record, journal, gate and schedule, and neither stands in for
//! the other.

mod retire;

pub(super) use self::retire::Retirement;
use super::refresher::Refresher;

/// The background tasks of one account.
#[derive(Debug)]
pub(super) struct Workers {
    pub(super) refreshers: [Refresher; 2],
    pub(super) retirement: Retirement,
}

impl Workers {
    /// Runs until both refreshers have stopped.
    pub(super) async fn run(self) {
        let [primary, read_only] = self.refreshers;
        let refreshing = async { tokio::join!(primary.run(), read_only.run()) };
        tokio::select! {
            _ = refreshing => {}
            () = self.retirement.run() => {}
        }
    }
}

#[cfg(test)]
mod tests;
