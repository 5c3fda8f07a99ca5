//! How long the machine has been asleep.
//!
//! The clock of std and tokio stands still while a machine sleeps, and another clock goes on:
//! `CLOCK_BOOTTIME` against `CLOCK_MONOTONIC` on Linux, continuous against absolute time on macOS.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The difference between the two clocks since the start.
#[derive(Debug)]
pub(super) struct Asleep {
    began: Instant,
    began_through_sleep: Duration,
}

impl Asleep {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            began_through_sleep: through_sleep(),
        }
    }

    /// How much further one clock has advanced than the other.
    pub(super) fn so_far(&self) -> Duration {
        let passed = through_sleep().saturating_sub(self.began_through_sleep);
        difference(passed, self.began.elapsed())
    }
}

fn difference(passed: Duration, awake: Duration) -> Duration {
    passed.saturating_sub(awake)
}

/// The clock that goes on while the machine sleeps.
fn through_sleep() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    // mach_continuous_time; std uses the one that stands still, CLOCK_UPTIME_RAW.
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r10_a_machine_that_is_awake_has_not_slept() {
        let awake = Asleep::new();
        assert!(awake.so_far() < Duration::from_millis(100), "{awake:?}");
    }

    #[test]
    fn r10_a_lid_closed_for_a_night_is_a_night() {
        let (work, night) = (Duration::from_secs(3600), Duration::from_secs(8 * 3600));
        assert_eq!(difference(work + night, work), night);
        // Since they are read in this order, the second clock may be ahead.
        assert_eq!(
            difference(work, work + Duration::from_nanos(500)),
            Duration::ZERO
        );
    }
}
