//! A token pair, and what is known about the session that it keeps alive.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use jiff::Timestamp;
use loopdesk_protocol::account::Person;
use secrecy::{ExposeSecret, SecretString};

use crate::telemetry::redact::{self, Hidden};

/// A pair's number. Each new pair of an account gets the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u64);

impl Generation {
    /// The generation with this number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The next generation.
    pub(in crate::session) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An account's counter, which numbers all of its pairs. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct Generations(Arc<AtomicU64>);

impl Generations {
    /// A number that no pair of the account has had yet.
    pub(in crate::session) fn next(&self) -> Generation {
        let before = self.0.fetch_add(1, Ordering::SeqCst);
        Generation(before.saturating_add(1))
    }

    /// The lowest number that the next pair can get.
    pub(in crate::session) fn upcoming(&self) -> Generation {
        Generation(self.0.load(Ordering::SeqCst)).next()
    }

    /// A pair with this number exists: the counter continues after it.
    pub(in crate::session) fn reach(&self, generation: Generation) {
        self.0.fetch_max(generation.0, Ordering::SeqCst);
    }
}

/// An access token, and the credential that gets the next one. `Debug` shows neither.
#[derive(Clone, Debug)]
pub(in crate::session) struct Pair {
    pub(in crate::session) generation: Generation,
    pub(in crate::session) access: AccessToken,
    pub(in crate::session) renewal: Renewal,
    pub(in crate::session) obtained_at: Timestamp,
    pub(in crate::session) expires_at: Timestamp,
    /// Zendesk didn't say when the token expires: `expires_at` is a cautious guess.
    pub(in crate::session) expiry_is_guessed: bool,
    pub(in crate::session) refresh_expires_at: Option<Timestamp>,
    pub(in crate::session) scopes: Vec<String>,
}

/// The credential that gets the next access token.
#[derive(Clone, Debug)]
pub(in crate::session) enum Renewal {
    /// A refresh token. It works once: the next pair brings its own.
    RefreshToken(Secret),
    /// A confidential client's secret. It doesn't change, and gets any number of tokens.
    ClientSecret(Secret),
}

impl Renewal {
    /// Whether a token request uses this up, so that a lost answer may end the session.
    pub(in crate::session) fn is_consumed(&self) -> bool {
        matches!(self, Self::RefreshToken(_))
    }
}

/// A secret that is masked in logs as long as this value exists (D4).
#[derive(Clone)]
pub(in crate::session) struct Secret {
    text: SecretString,
    _hidden: Arc<Hidden>,
}

impl From<SecretString> for Secret {
    fn from(text: SecretString) -> Self {
        Self {
            _hidden: Arc::new(redact::hide(text.expose_secret())),
            text,
        }
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        SecretString::from(text).into()
    }
}

impl ExposeSecret<str> for Secret {
    fn expose_secret(&self) -> &str {
        self.text.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// An access token that is known to fit in a header.
#[derive(Clone)]
pub(in crate::session) struct AccessToken {
    text: Secret,
    header: HeaderValue,
}

impl AccessToken {
    /// The token, unless it contains bytes that could end or split a header line.
    pub(in crate::session) fn new(text: SecretString) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_graphic();
        let token = text.expose_secret();
        if token.is_empty() || !token.bytes().all(plain) {
            return None;
        }
        let line = zeroize::Zeroizing::new(format!("Bearer {token}"));
        let mut header = HeaderValue::from_str(&line).ok()?;
        // Keeps it out of `Debug` output and out of HPACK's tables.
        header.set_sensitive(true);
        Some(Self {
            text: text.into(),
            header,
        })
    }

    /// The value of `Authorization`.
    pub(in crate::session) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

impl ExposeSecret<str> for AccessToken {
    fn expose_secret(&self) -> &str {
        self.text.expose_secret()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(..)")
    }
}

/// A pair and the person it belongs to: everything that has to survive a restart.
#[derive(Clone, Debug)]
pub(in crate::session) struct SessionTokens {
    pub(in crate::session) pair: Pair,
    pub(in crate::session) person: Arc<Person>,
    pub(in crate::session) logged_in_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d4_debug_shows_no_token() {
        let access = AccessToken::new("acc3ss".to_owned().into()).unwrap();
        let pair = Pair {
            generation: Generation::new(1),
            access,
            renewal: Renewal::RefreshToken("r3fresh".to_owned().into()),
            obtained_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::UNIX_EPOCH,
            expiry_is_guessed: false,
            refresh_expires_at: None,
            scopes: vec!["read".to_owned()],
        };
        let shown = format!("{pair:?} {:#?} {:?}", pair, pair.access.header());
        assert!(
            !shown.contains("acc3ss") && !shown.contains("r3fresh"),
            "{shown}"
        );
        assert!(shown.contains("read"), "the rest is shown: {shown}");
    }

    #[test]
    fn a_token_that_would_split_a_header_is_rejected() {
        for bad in ["", "a b", "a\r\nX-Evil: 1", "a\u{e9}", "a\0"] {
            assert!(AccessToken::new(bad.to_owned().into()).is_none(), "{bad:?}");
        }
        let jwt = "eyJhbGciOiJIUzI1NiJ9.e30.abc-_";
        let token = AccessToken::new(jwt.to_owned().into()).unwrap();
        assert_eq!(token.header().to_str().unwrap(), format!("Bearer {jwt}"));
    }
}
