//! The daemon's periodic tasks: signs of life for the supervisor, and a check whether its binary
//! was replaced.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::listeners::Listeners;
use crate::clock::Clock;
use crate::session::Sessions;
use crate::supervise::binary_upgrade::{BinaryUpgrade, LOOK};
use crate::supervise::notify;

/// The daemon's life cycle as its supervisor sees it.
#[derive(Debug)]
pub(super) struct Watchdog {
    sessions: Sessions,
    clock: Clock,
    /// `None` if nothing would start the new binary.
    upgrade: Option<BinaryUpgrade>,
    look: Interval,
    alive: Option<Interval>,
}

/// What a tick is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchdogTick {
    /// The supervisor was sent a sign of life.
    Alive,
    /// Time to check whether another binary has replaced this one.
    Look,
}

impl Watchdog {
    /// `is_activated`: the supervisor holds sockets, so clients that connect during the switch wait
    /// instead of failing.
    pub(super) fn new(sessions: Sessions, is_activated: bool, clock: Clock) -> Self {
        let can_hand_over = is_activated && notify::is_supervised();
        let upgrade = can_hand_over.then(BinaryUpgrade::of_this_process);
        let upgrade = upgrade.and_then(|watched| {
            let failed = |error: &_| tracing::warn!(%error, "a new binary won't be noticed");
            watched.inspect_err(failed).ok()
        });
        Self {
            sessions,
            upgrade,
            look: every(LOOK.min(clock.glance())),
            alive: notify::watchdog().map(every),
            clock,
        }
    }

    /// Waits for the next tick. Can be cancelled.
    pub(super) async fn tick(&mut self) -> WatchdogTick {
        let alive = async {
            match &mut self.alive {
                Some(interval) => interval.tick().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = alive => {
                // Sent from one of the threads that serve: if none of them gets to it, the daemon
                // hangs.
                tokio::spawn(async { notify::alive() });
                WatchdogTick::Alive
            }
            _ = self.look.tick(), if self.upgrade.is_some() => WatchdogTick::Look,
        }
    }

    /// Whether another binary should take over now.
    pub(super) fn is_over(&mut self, listeners: &Listeners) -> bool {
        let Some(upgrade) = &mut self.upgrade else {
            return false;
        };
        let sessions = self.sessions.all();
        let is_busy = listeners.is_busy() || sessions.iter().any(|session| session.is_logging_in());
        let is_due = upgrade.is_due(self.clock.now(), !is_busy);
        if is_due {
            tracing::info!("stopping, so that the new binary can start");
        }
        is_due
    }

    /// Keeps the supervisor waiting while the daemon finishes what is under way. Doesn't return.
    pub(super) async fn until_the_end(&mut self) {
        self.upgrade = None;
        let patient_until = Instant::now() + LONGEST_END;
        notify::extend(EXTENSION);
        let mut extend = every(EXTENSION / 3);
        loop {
            tokio::select! {
                _ = self.tick() => {}
                _ = extend.tick() => {
                    if Instant::now() < patient_until {
                        notify::extend(EXTENSION);
                    }
                }
            }
        }
    }
}

/// Ticks each `period`, first after one, and never twice in a row after a pause.
pub(super) fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// How long stopping may take, however short the unit's own `TimeoutStopSec=` is: twice a refresh
/// that waits for a slow Zendesk.
const LONGEST_END: Duration = Duration::from_secs(60);

/// How long a supervisor waits after the last notification before it kills the daemon.
const EXTENSION: Duration = Duration::from_secs(30);
