//! When to refresh, and when to try again. Pure calculations: callers pass the time in.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Whether a refresh may wait for uploads in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Urgency {
    /// Yes, this long.
    Planned { patience: Duration },
    /// No: until it is done, every request fails.
    Forced,
}

/// How long before its expiry a token that lives for `lifetime` is replaced.
///
/// A quarter of the lifetime, so that several attempts fit in; at least half a second, because an
/// answer takes that long; and at most half the lifetime, or short-lived tokens would be replaced
/// continuously.
pub(in crate::session) fn margin(lifetime: Duration) -> Duration {
    (lifetime / 4)
        .clamp(MARGIN_MIN, MARGIN_MAX)
        .min(lifetime / 2)
}

/// When a pair is due for a refresh. `spread`, in `0.0..1.0`, is the jitter.
///
/// The jitter only delays: refreshes are never closer together than lifetime − margin.
pub(in crate::session) fn due(
    obtained: Timestamp,
    expires: Timestamp,
    refresh_expires: Option<Timestamp>,
    spread: f64,
) -> Timestamp {
    let lifetime = between(obtained, expires);
    let margin = margin(lifetime);
    let early = margin.saturating_sub(margin.div_f64(4.0).mul_f64(unit(spread)));
    let before_expiry = shift(expires, -signed(early));
    let daily = DAILY.saturating_sub(DAILY_JITTER.mul_f64(unit(spread)));
    // A server that grants short sessions must not end one between two daily refreshes.
    let within = refresh_expires.map_or(daily, |end| {
        let half = between(obtained, end) / 2;
        half.max(SESSION_MIN).min(daily)
    });
    before_expiry.min(shift(obtained, signed(within)))
}

/// A day after `at`, plus up to an hour. `spread`, in `0.0..1.0`, is the jitter.
pub(in crate::session) fn tomorrow(at: Timestamp, spread: f64) -> Timestamp {
    shift(at, signed(DAILY + DAILY_JITTER.mul_f64(unit(spread))))
}

/// How long a planned refresh may wait, from `now` on, for uploads in flight to finish.
///
/// Half the margin, but at most a minute, is reserved for the refresh itself: twice its own time
/// limit.
pub(in crate::session) fn patience(
    now: Timestamp,
    obtained: Timestamp,
    expires: Timestamp,
) -> Duration {
    let reserve = (margin(between(obtained, expires)) / 2).min(RESERVE_MAX);
    between(now, expires).saturating_sub(reserve)
}

/// How long to wait after `failures` failures in a row. `spread`, in `0.0..1.0`, is the jitter.
pub(in crate::session) fn back_off(failures: u32, spread: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let whole = BACK_OFF_FIRST
        .saturating_mul(1 << doublings)
        .min(BACK_OFF_MAX);
    // Between half and all of it: spread out, but never immediate.
    whole.div_f64(2.0) + whole.div_f64(2.0).mul_f64(unit(spread))
}

/// `at + by`, or `at` if that is out of range.
pub(in crate::session) fn shift(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

/// The time from `earlier` to `later`; zero if they are the other way round.
pub(in crate::session) fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// A random jitter in `0.0..1.0`.
pub(in crate::session) fn spread() -> f64 {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(random) / (f64::from(u32::MAX) + 1.0)
}

pub(in crate::session) fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn unit(spread: f64) -> f64 {
    if spread.is_finite() {
        spread.clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// About as long as a slow refresh takes.
const MARGIN_MIN: Duration = Duration::from_millis(500);
/// Enough for a dozen attempts. More would only waste granted lifetime.
const MARGIN_MAX: Duration = Duration::from_secs(600);
/// A laptop that is awake for only a day still extends its session (R7).
const DAILY: Duration = Duration::from_secs(24 * 3600);
/// A fleet that is switched on at nine must not refresh at nine.
const DAILY_JITTER: Duration = Duration::from_secs(3600);
/// Some sessions have a fixed end that refreshing doesn't extend: don't refresh ever more often as
/// it approaches.
const SESSION_MIN: Duration = Duration::from_secs(60);
/// Time reserved for the POST when uploads delay a planned refresh.
const RESERVE_MAX: Duration = Duration::from_secs(60);
/// By then a lost packet has been resent and a proxy has restarted.
const BACK_OFF_FIRST: Duration = Duration::from_millis(500);
/// Zendesk's incidents last minutes; the token in use often outlives them.
const BACK_OFF_MAX: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    #[test]
    fn the_margin_fits_the_lifetime() {
        let cases = [
            (1_000, 500),
            (600, 300),
            (3_000, 750),
            (300_000, 75_000),
            (1_800_000, 450_000),
            (172_800_000, 600_000),
        ];
        for (lifetime, expected) in cases {
            let found = margin(Duration::from_millis(lifetime));
            assert_eq!(found, Duration::from_millis(expected), "{lifetime} ms");
        }
    }

    #[test]
    fn r7_a_long_lived_token_is_refreshed_daily() {
        let long = Some(at(7_776_000_000));
        assert_eq!(due(at(0), at(172_800_000), long, 0.0), at(86_400_000));
        assert_eq!(due(at(0), at(172_800_000), None, 0.0), at(86_400_000));
        let short = Some(at(7_200_000));
        assert_eq!(due(at(0), at(172_800_000), short, 0.0), at(3_600_000));
    }

    #[test]
    fn back_off_grows_to_its_cap() {
        assert_eq!(back_off(1, 1.0), Duration::from_millis(500));
        assert_eq!(back_off(1, 0.0), Duration::from_millis(250));
        assert_eq!(back_off(3, 1.0), Duration::from_secs(2));
        assert_eq!(back_off(u32::MAX, 1.0), BACK_OFF_MAX);
        assert_eq!(back_off(0, f64::NAN), Duration::from_millis(250));
    }

    proptest! {
        #[test]
        fn a_refresh_is_due_after_half_the_lifetime_and_before_expiry(
            lifetime in 1_i64..200_000_000, spread in 0.0_f64..1.0
        ) {
            let (obtained, expires) = (at(0), at(lifetime));
            let due = due(obtained, expires, None, spread);
            prop_assert!(due < expires);
            let gap = between(obtained, due) + Duration::from_millis(1);
            let whole = between(obtained, expires);
            prop_assert!(gap >= (whole - margin(whole)).min(DAILY - DAILY_JITTER));
            prop_assert!(patience(due, obtained, expires) < between(due, expires) + Duration::from_nanos(1));
        }

        #[test]
        fn sums_at_the_ends_of_time_don_t_panic(a in any::<i64>(), b in any::<i64>(), s in any::<f64>()) {
            let near = |x: i64| Timestamp::from_second(x % 200_000_000_000).unwrap();
            let (a, b) = (near(a), near(b));
            due(a, b, None, s);
            due(a, b, Some(a), s);
            tomorrow(a, s);
            patience(a, a, b);
            shift(a, SignedDuration::MAX);
        }
    }
}
