//! Refusals in the log: one line a minute for each kind and each user, with their number.
//!
//! Callers decide how often they are refused. So what they cause in the log is bounded by the
//! number of users, and that number by a constant: users beyond it are counted together.

use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The user that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whom {
    /// The user whom this daemon serves.
    Own,
    /// Another user of this machine.
    Other(u32),
    /// The system doesn't tell which.
    Unknown,
    /// Users beyond those that are counted one by one.
    Further,
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("own"),
            Self::Other(uid) => write!(f, "{uid}"),
            Self::Unknown => f.write_str("unknown"),
            Self::Further => f.write_str("further"),
        }
    }
}

/// Records that a caller was refused: the first time is logged at once, and repetitions within a
/// minute are logged as a number when that minute is over. `code` is the refusal's.
pub fn refused(user: Whom, code: &'static str) {
    let said = tally().note(Instant::now(), user, code);
    match said {
        Some(said) => said.log(),
        None => tracing::debug!(code, %user, "refused again"),
    }
}

/// Logs what would be due later: the process is about to end.
pub(super) fn rest() {
    let due = tally().due(Instant::now() + PERIOD);
    due.iter().for_each(RefusalLine::log);
}

/// Logs what is due, and returns when to call again.
pub(super) fn tick(now: Instant) -> Option<Instant> {
    let due = tally().due(now);
    due.iter().for_each(RefusalLine::log);
    tally().next()
}

fn tally() -> MutexGuard<'static, RefusalTally> {
    static TALLY: LazyLock<Mutex<RefusalTally>> = LazyLock::new(Mutex::default);
    TALLY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Refusals that are counted but not yet logged.
#[derive(Debug, Default)]
struct RefusalTally(HashMap<(Whom, &'static str), RefusalCount>);

#[derive(Debug)]
struct RefusalCount {
    refusals: u64,
    /// When they are logged; a count of zero is dropped then.
    at: Instant,
}

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
struct RefusalLine {
    user: Whom,
    code: &'static str,
    refusals: u64,
}

impl RefusalLine {
    fn log(&self) {
        let Self {
            user,
            code,
            refusals,
        } = self;
        tracing::info!(code, %user, times = refusals, "refused");
    }
}

impl RefusalTally {
    fn note(&mut self, now: Instant, user: Whom, code: &'static str) -> Option<RefusalLine> {
        let user = match user {
            Whom::Other(_) if !self.has_place(now, user) => Whom::Further,
            Whom::Own | Whom::Other(_) | Whom::Unknown | Whom::Further => user,
        };
        if let Some(count) = self.0.get_mut(&(user, code)) {
            count.refusals += 1;
            return None;
        }
        let (refusals, at) = (0, now + PERIOD);
        self.0.insert((user, code), RefusalCount { refusals, at });
        Some(RefusalLine {
            user,
            code,
            refusals: 1,
        })
    }

    /// Whether this user is counted separately.
    fn has_place(&mut self, now: Instant, user: Whom) -> bool {
        if self.0.len() >= USERS_MAX {
            self.0
                .retain(|_, count| count.refusals > 0 || count.at > now);
        }
        let mut others: Vec<_> = self.0.keys().map(|(user, _)| *user).collect();
        others.retain(|user| matches!(user, Whom::Other(_)));
        others.sort_unstable_by_key(ToString::to_string);
        others.dedup();
        others.contains(&user) || others.len() < USERS_MAX
    }

    fn due(&mut self, now: Instant) -> Vec<RefusalLine> {
        let mut due = Vec::new();
        self.0.retain(|(user, code), count| {
            if count.at > now {
                return true;
            }
            let refusals = std::mem::take(&mut count.refusals);
            count.at = now + PERIOD;
            if refusals > 0 {
                due.push(RefusalLine {
                    user: *user,
                    code,
                    refusals,
                });
            }
            refusals > 0
        });
        due
    }

    fn next(&self) -> Option<Instant> {
        self.0.values().map(|count| count.at).min()
    }
}

const PERIOD: Duration = Duration::from_secs(60);
/// More users than share any one machine; a container host may have thousands.
const USERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(user: Whom, refusals: u64) -> RefusalLine {
        RefusalLine {
            user,
            code: "other-user",
            refusals,
        }
    }

    #[test]
    fn d1_a_users_refusals_are_one_line_a_minute_with_their_number() {
        let (mut tally, start) = (RefusalTally::default(), Instant::now());
        let user = Whom::Other(1001);
        assert_eq!(tally.note(start, user, "other-user"), Some(said(user, 1)));
        for _ in 0..9_999 {
            assert_eq!(tally.note(start, user, "other-user"), None);
        }
        assert_eq!(tally.next(), Some(start + PERIOD));
        assert_eq!(tally.due(start + PERIOD / 2), []);
        assert_eq!(tally.due(start + PERIOD), [said(user, 9_999)]);
        // Once more within the next minute, and never after that.
        assert_eq!(tally.note(start + PERIOD, user, "other-user"), None);
        assert_eq!(tally.due(start + PERIOD * 2), [said(user, 1)]);
        assert_eq!(tally.due(start + PERIOD * 3), []);
        assert_eq!(tally.next(), None, "nothing is left of a user who is gone");
    }

    #[test]
    fn d1_users_beyond_a_number_are_counted_together() {
        let (mut tally, start) = (RefusalTally::default(), Instant::now());
        let lines = |tally: &mut RefusalTally, at| {
            (0..65_536)
                .filter_map(|uid| tally.note(at, Whom::Other(uid), "other-user"))
                .count()
        };
        assert_eq!(lines(&mut tally, start), USERS_MAX + 1);
        let due = tally.due(start + PERIOD);
        assert_eq!(due, [said(Whom::Further, 65_536 - USERS_MAX as u64 - 1)]);
        assert!(lines(&mut tally, start + PERIOD) <= USERS_MAX);
        let own = tally.note(start, Whom::Own, "unknown-host");
        assert_eq!(own.unwrap().refusals, 1, "the owner's are apart");
    }
}
