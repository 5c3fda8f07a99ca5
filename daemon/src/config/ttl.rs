//! Lifetimes, of tokens and of local keys.

use jiff::{SpanRelativeTo, Unit};

/// A lifetime in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ttl(u64);

impl Ttl {
    /// What Zendesk allows for access tokens: 5 minutes to 48 hours
    /// (support.zendesk.com article 10212201463962).
    pub const ACCESS: std::ops::RangeInclusive<u64> = 300..=172_800;
    /// What Zendesk allows for refresh tokens: 7 to 90 days (same article).
    pub const REFRESH: std::ops::RangeInclusive<u64> = 604_800..=7_776_000;

    /// In less than a minute, a script hardly gets to use a key; ten years are as good as forever.
    pub const KEY: std::ops::RangeInclusive<u64> = 60..=315_360_000;

    /// The longest lifetime of an access token.
    pub const ACCESS_MAX: Self = Self(*Self::ACCESS.end());
    /// The longest lifetime of a refresh token: a laptop may stay closed that long.
    pub const REFRESH_MAX: Self = Self(*Self::REFRESH.end());

    /// The lifetime in seconds.
    pub fn as_secs(self) -> u64 {
        self.0
    }

    /// Parses a lifetime such as `30m`, `48h` or `90d` that is within `range` (seconds).
    ///
    /// # Errors
    /// `text` isn't a duration or is out of range.
    pub fn parse(text: &str, range: &std::ops::RangeInclusive<u64>) -> Result<Self, String> {
        Self::within(text, range, "Zendesk allows")
    }

    /// Parses the lifetime of a local key.
    ///
    /// # Errors
    /// `text` isn't a duration or is outside [`Ttl::KEY`].
    pub fn of_key(text: &str) -> Result<Self, String> {
        Self::within(text, &Self::KEY, "a key's age can be")
    }

    fn within(
        text: &str,
        range: &std::ops::RangeInclusive<u64>,
        rule: &str,
    ) -> Result<Self, String> {
        let seconds = text
            .parse::<jiff::Span>()
            .and_then(|span| span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())))
            .map_err(|_| {
                format!("`{text}` isn't a duration: use one such as `30m`, `48h` or `90d`")
            })?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked against the range below; out of range saturates"
        )]
        let whole = seconds as u64;
        if range.contains(&whole) {
            Ok(Self(whole))
        } else {
            Err(format!(
                "`{text}` is out of range: {rule} {} to {}",
                human(*range.start()),
                human(*range.end())
            ))
        }
    }
}

/// A lifetime as one would write it in the file.
pub(crate) fn human(seconds: u64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3_600 == 0 => format!("{}h", s / 3_600),
        s => format!("{}m", s / 60),
    }
}
