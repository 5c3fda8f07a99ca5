//! The one source of wall-clock time.
//!
//! Tokens expire by wall-clock time, even while a laptop sleeps; monotonic clocks stand still then,
//! on Linux and on macOS. All code that compares times with an expiry asks this clock, so that a
//! test can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Tells the time. Clones share one source.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// How far a test has moved the time, in milliseconds.
    offset: Option<Offset>,
}

#[derive(Clone, Debug)]
enum Offset {
    Shared(Arc<AtomicI64>),
    /// The text of a file that another process writes.
    #[cfg(all(feature = "failpoints", debug_assertions))]
    Driven(Arc<std::path::Path>),
}

impl Clock {
    /// The system's time.
    pub fn system() -> Self {
        Self::default()
    }

    /// The system's time, and a handle that moves it.
    pub fn movable() -> (Self, Mover) {
        let offset = Arc::new(AtomicI64::new(0));
        let clock = Self {
            offset: Some(Offset::Shared(Arc::clone(&offset))),
        };
        (clock, Mover { offset })
    }

    /// The system's time plus as many milliseconds as `file` says.
    #[cfg(all(feature = "failpoints", debug_assertions))]
    pub(crate) fn driven(file: std::path::PathBuf) -> Self {
        Self {
            offset: Some(Offset::Driven(file.into())),
        }
    }

    /// How long to sleep at most before looking at the clock again: timers stand still while a
    /// laptop sleeps, and the clock may be set (R6).
    pub fn glance(&self) -> Duration {
        match &self.offset {
            None | Some(Offset::Shared(_)) => GLANCE,
            #[cfg(all(feature = "failpoints", debug_assertions))]
            Some(Offset::Driven(_)) => Duration::from_millis(2),
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        let now = Timestamp::now();
        match &self.offset {
            Some(offset) => now
                .checked_add(SignedDuration::from_millis(offset.millis()))
                .unwrap_or(now),
            None => now,
        }
    }

    /// How long it is until `then`; zero if that has passed.
    pub fn until(&self, then: Timestamp) -> Duration {
        Duration::try_from(then.duration_since(self.now())).unwrap_or_default()
    }
}

impl Offset {
    fn millis(&self) -> i64 {
        match self {
            Self::Shared(offset) => offset.load(Ordering::Relaxed),
            #[cfg(all(feature = "failpoints", debug_assertions))]
            Self::Driven(file) => {
                let text = std::fs::read_to_string(file).unwrap_or_default();
                text.trim().parse().unwrap_or_default()
            }
        }
    }
}

/// Moves a clock, for tests.
#[derive(Clone, Debug)]
pub struct Mover {
    offset: Arc<AtomicI64>,
}

impl Mover {
    /// Lets the clock jump by `by`, backwards if it is negative.
    pub fn jump(&self, by: SignedDuration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.offset.fetch_add(millis, Ordering::Relaxed);
    }
}

/// What R6 promises: a suspend or a clock step is noticed within this time.
const GLANCE: Duration = Duration::from_secs(30);
