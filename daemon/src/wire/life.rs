//! What the daemon does now and then: it tells the supervisor that it lives, and looks whether its
//! program was replaced.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::doors::Doors;
use crate::clock::Clock;
use crate::session::Sessions;
use crate::supervise::notify;
use crate::supervise::successor::{LOOK, Successor};

/// The daemon's life as its supervisor sees it.
#[derive(Debug)]
pub(super) struct Life {
    sessions: Sessions,
    clock: Clock,
    /// Absent where nobody would start the new program.
    successor: Option<Successor>,
    look: Interval,
    alive: Option<Interval>,
    has_looked: bool,
}

impl Life {
    pub(super) fn new(sessions: Sessions, clock: Clock) -> Self {
        let successor = notify::is_supervised().then(Successor::of_this_process);
        let successor = successor.and_then(|watched| {
            let failed = |error: &_| tracing::warn!(%error, "a new program won't be noticed");
            watched.inspect_err(failed).ok()
        });
        Self {
            sessions,
            clock,
            successor,
            look: every(LOOK),
            alive: notify::watchdog().map(every),
            has_looked: false,
        }
    }

    /// Waits for the next moment at which something is to be done. Can be cancelled.
    pub(super) async fn beat(&mut self) {
        let alive = async {
            match &mut self.alive {
                Some(interval) => interval.tick().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = alive => {
                // From one of the threads that serve: if none of them gets to it, the daemon hangs.
                tokio::spawn(async { notify::alive() });
            }
            _ = self.look.tick(), if self.successor.is_some() => self.has_looked = false,
        }
    }

    /// Whether another program should take over now.
    pub(super) fn is_over(&mut self, doors: &Doors) -> bool {
        let Some(successor) = &mut self.successor else {
            return false;
        };
        if std::mem::replace(&mut self.has_looked, true) {
            return false;
        }
        let sessions = self.sessions.all();
        let is_busy = doors.is_busy() || sessions.iter().any(|session| session.is_logging_in());
        let is_due = successor.is_due(self.clock.now(), !is_busy);
        if is_due {
            tracing::info!("ends for the new program to be started");
        }
        is_due
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
