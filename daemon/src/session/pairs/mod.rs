//! An account's pairs: its own, which serves requests, and the read-only one, which serves those who
//! may only read and nobody else.
//!
//! Each pair has a state machine, a record, a journal, a gate and a schedule of its own, and neither
//! stands in for the other.

mod retire;

pub(super) use self::retire::Retirement;
use super::refresher::Refresher;

/// The tasks of one account.
#[derive(Debug)]
pub(super) struct Workers {
    pub(super) refreshers: [Refresher; 2],
    pub(super) retirement: Retirement,
}

impl Workers {
    /// Runs until both refreshers have ended.
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
