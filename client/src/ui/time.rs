//! Times and durations as text.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use std::time::Duration;

/// The current time and the user's time zone.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    now: Option<Timestamp>,
    zone: TimeZone,
}

impl Clock {
    /// The system's time and zone.
    pub(crate) fn system() -> Self {
        Self {
            now: None,
            zone: TimeZone::system(),
        }
    }

    /// A stopped clock.
    #[cfg(test)]
    pub(crate) fn fixed(now: &str) -> Self {
        Self {
            now: Some(now.parse().unwrap()),
            zone: TimeZone::fixed(jiff::tz::offset(1)),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        self.now.unwrap_or_else(Timestamp::now)
    }

    /// `in 23 h 59 min`, `3 h ago`, `now`.
    pub(crate) fn relative(&self, moment: Timestamp) -> String {
        let distance = moment.duration_since(self.now());
        if distance.as_secs() == 0 {
            "now".to_owned()
        } else if distance.is_positive() {
            format!("in {}", span(distance))
        } else {
            format!("{} ago", span(distance.abs()))
        }
    }

    /// `2026-11-24 18:00`.
    pub(crate) fn moment(&self, moment: Timestamp) -> String {
        self.format("%Y-%m-%d %H:%M", moment)
    }

    /// `18:00`.
    pub(crate) fn time_of_day(&self, moment: Timestamp) -> String {
        self.format("%H:%M", moment)
    }

    /// `Tue 2026-11-24`.
    pub(crate) fn day(&self, moment: Timestamp) -> String {
        self.format("%a %Y-%m-%d", moment)
    }

    /// `in 23 h 59 min (2026-11-24 18:00)`.
    pub(crate) fn both(&self, moment: Timestamp) -> String {
        format!("{} ({})", self.relative(moment), self.moment(moment))
    }

    fn format(&self, format: &str, moment: Timestamp) -> String {
        moment
            .to_zoned_datetime(self.zone.clone())
            .strftime(format)
            .to_string()
    }
}

/// `90 days`, `47 h 59 min`, `12 min`, `8 s`.
pub(crate) fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    match (hours, minutes) {
        (72.., _) => format!("{} days", hours / 24),
        (1.., 0) => format!("{hours} h"),
        (1.., _) => format!("{hours} h {minutes} min"),
        (_, 1..) => format!("{minutes} min"),
        _ => format!("{seconds} s"),
    }
}

/// Parses `30s`, `5m` or `1h 30m`.
///
/// # Errors
/// The expected form, as a sentence.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|d| Duration::try_from(d).ok())
        .filter(|d| *d <= TIMEOUT_MAX)
        .ok_or_else(|| "use a duration of up to a day, such as `30s`, `5m` or `1h 30m`".to_owned())
}

/// Parses `90m`, `12h` or `90d` into seconds.
///
/// # Errors
/// The expected form, as a sentence.
pub(crate) fn lifetime(text: &str) -> Result<u64, String> {
    let seconds = text
        .parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let seconds = seconds.ok().map(|duration| duration.as_secs());
    seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "use a duration such as `90m`, `12h` or `90d`".to_owned())
}

/// A longer wait is most likely a mistyped unit.
const TIMEOUT_MAX: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_their_largest_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (172_799, "47 h 59 min"),
            (259_199, "71 h 59 min"),
            (259_200, "3 days"),
            (7_776_000, "90 days"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn times_are_shown_in_the_users_zone() {
        let clock = Clock::fixed("2026-11-23T17:00:00Z");
        let later = "2026-11-24T16:30:00Z".parse().unwrap();
        assert_eq!(clock.both(later), "in 23 h 30 min (2026-11-24 17:30)");
        assert_eq!(clock.day(later), "Tue 2026-11-24");
        assert_eq!(clock.time_of_day(later), "17:30");
        let earlier = "2026-11-23T16:59:00Z".parse().unwrap();
        assert_eq!(clock.relative(earlier), "1 min ago");
        assert_eq!(clock.relative(clock.now()), "now");
    }

    #[test]
    fn time_outs_need_a_unit() {
        assert_eq!(timeout("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(timeout("1h 30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(timeout("0s"), Ok(Duration::ZERO));
        for wrong in ["30", "", "-5s", "25h", "soon"] {
            assert!(timeout(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lifetimes_know_days_and_need_a_unit() {
        assert_eq!(lifetime("90d"), Ok(7_776_000));
        assert_eq!(lifetime("1h 30m"), Ok(5_400));
        for wrong in ["90", "", "0s", "-5d", "1month", "never"] {
            assert!(lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
