//! Counts requests per minute.

use jiff::Timestamp;

/// Counts the requests of the current minute.
#[derive(Debug, Default)]
pub(super) struct Limits {
    minute: i64,
    used: u32,
}

/// What is left after one more request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    /// Seconds until the count starts again.
    pub(super) resets: i64,
    pub(super) is_exceeded: bool,
}

impl Limits {
    /// Counts one request. Without a budget, nothing is exceeded, and the headers show the plan
    /// that most accounts have.
    pub(super) fn take(&mut self, budget: Option<u32>, now: Timestamp) -> Left {
        let left = self.left(budget, now);
        if !left.is_exceeded {
            self.used += 1;
        }
        Left {
            remaining: left.remaining.saturating_sub(1),
            ..left
        }
    }

    /// What is left now.
    fn left(&mut self, budget: Option<u32>, now: Timestamp) -> Left {
        let minute = now.as_second().div_euclid(60);
        if self.minute != minute {
            *self = Self { minute, used: 0 };
        }
        let limit = budget.unwrap_or(ENTERPRISE);
        Left {
            limit,
            remaining: limit.saturating_sub(self.used),
            resets: 60 - now.as_second().rem_euclid(60),
            is_exceeded: budget.is_some_and(|budget| self.used >= budget),
        }
    }
}

/// Requests per minute of the plan "Suite Enterprise".
const ENTERPRISE: u32 = 700;
