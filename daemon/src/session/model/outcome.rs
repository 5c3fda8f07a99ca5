//! What the token endpoint's answer means for the session.

use std::ops::RangeInclusive;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::oauth_error::ErrorBody;
use crate::session::model::rejection::RefreshRejection;
use crate::session::model::schedule;
use crate::session::model::token_pair::{AccessToken, Generation, Pair, Renewal, Secret};

/// The outcome of a call to the token endpoint.
#[derive(Debug)]
pub(in crate::session) enum TokenOutcome {
    /// A new pair. The old one no longer works.
    Granted(Grant),
    /// A parsed `invalid_grant`: the refresh token, or the code, no longer works.
    InvalidGrant(ErrorBody),
    /// Another definite refusal: the pair still works, and a person has to act.
    Refused(RefreshRejection),
    /// Inconclusive: worth another try later.
    Transient {
        /// What happened, without secrets.
        why: String,
        /// Whether Zendesk may have replaced the pair regardless.
        may_have_acted: bool,
    },
    /// The request was sent, but no answer came, and why.
    Lost(String),
}

impl TokenOutcome {
    /// The request couldn't be sent at all.
    pub(in crate::session) fn unsendable(why: String) -> Self {
        Self::Transient {
            why,
            may_have_acted: false,
        }
    }
}

/// A new pair as Zendesk describes it. `Debug` shows no token.
#[derive(Debug)]
pub(in crate::session) struct Grant {
    pub(in crate::session) access: AccessToken,
    pub(in crate::session) refresh: Option<Secret>,
    pub(in crate::session) asked_at: Timestamp,
    pub(in crate::session) expires_in: Option<Duration>,
    pub(in crate::session) refresh_expires_in: Option<Duration>,
    pub(in crate::session) scopes: Option<Vec<String>>,
}

impl Grant {
    /// The pair that replaces `before`, from which it takes what the answer leaves out (RFC 6749
    /// section 6).
    pub(in crate::session) fn renew(self, generation: Generation, before: &Pair) -> Pair {
        let renewal = match (&before.renewal, &self.refresh) {
            (Renewal::RefreshToken(_), Some(token)) => Renewal::RefreshToken(token.clone()),
            // A client with a secret needs no refresh token, even if it gets one.
            (Renewal::RefreshToken(_), None) | (Renewal::ClientSecret(_), _) => {
                before.renewal.clone()
            }
        };
        self.into_pair(generation, renewal, Some(before))
    }

    /// The first pair of a login.
    pub(in crate::session) fn begin(self, generation: Generation, renewal: Renewal) -> Pair {
        self.into_pair(generation, renewal, None)
    }

    fn into_pair(self, generation: Generation, renewal: Renewal, before: Option<&Pair>) -> Pair {
        let lifetime = self
            .expires_in
            .or_else(|| jwt_lifetime(self.access.expose_secret(), self.asked_at));
        let from_now = |after: Duration| schedule::shift(self.asked_at, schedule::signed(after));
        let refresh_expires_at = match (self.refresh_expires_in, &self.refresh) {
            _ if !renewal.is_consumed() => None,
            (Some(after), _) => Some(from_now(after)),
            (None, Some(_)) => None,
            (None, None) => before.and_then(|pair| pair.refresh_expires_at),
        };
        Pair {
            generation,
            access: self.access,
            renewal,
            obtained_at: self.asked_at,
            expires_at: from_now(lifetime.unwrap_or(DEFAULT_LIFETIME)),
            expiry_is_guessed: lifetime.is_none(),
            refresh_expires_at,
            scopes: self
                .scopes
                .or_else(|| before.map(|pair| pair.scopes.clone()))
                .unwrap_or_default(),
        }
    }
}

/// The lifetime that a JWT claims. The signature isn't checked: nothing is authorized on the
/// strength of the claims.
fn jwt_lifetime(token: &str, asked_at: Timestamp) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
        iat: Option<f64>,
    }
    let mut parts = token.split('.');
    let (_header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    // Compares Zendesk's clock with itself: ours may be wrong.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds don't matter here")]
    let issued = claims
        .iat
        .unwrap_or(asked_at.as_millisecond() as f64 / 1000.0);
    Duration::try_from_secs_f64(claims.exp - issued)
        .ok()
        .filter(|lifetime| LIFETIMES.contains(&lifetime.as_secs()))
}

/// Zendesk's default for clients that don't ask (Zendesk article 10212201463962).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(1800);
/// Plausible lifetimes in seconds: Zendesk's longest is 90 days, other servers use years.
pub(in crate::session) const LIFETIMES: RangeInclusive<u64> = 1..=315_360_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(token: &str, expires_in: Option<u64>) -> Grant {
        Grant {
            access: AccessToken::new(token.to_owned().into()).unwrap(),
            refresh: Some("r".to_owned().into()),
            asked_at: Timestamp::from_second(1_000_000).unwrap(),
            expires_in: expires_in.map(Duration::from_secs),
            refresh_expires_in: None,
            scopes: None,
        }
    }

    fn jwt(claims: &str) -> String {
        format!(
            "eyJ0eXAiOiJhdCtqd3QifQ.{}.c2ln",
            URL_SAFE_NO_PAD.encode(claims)
        )
    }

    fn seconds(pair: &Pair) -> i64 {
        pair.expires_at.as_second() - pair.obtained_at.as_second()
    }

    #[test]
    fn expiry_comes_from_the_answer_then_the_jwt_then_a_guess() {
        let claims = jwt(r#"{"exp":5000600,"iat":5000000}"#);
        let pair = grant(&claims, Some(60)).begin(Generation::new(1), renewal());
        assert_eq!((seconds(&pair), pair.expiry_is_guessed), (60, false));
        // Measured by Zendesk's own clock, however wrong ours is.
        let pair = grant(&claims, None).begin(Generation::new(1), renewal());
        assert_eq!((seconds(&pair), pair.expiry_is_guessed), (600, false));
        let pair = grant(&jwt(r#"{"exp":1000300}"#), None).begin(Generation::new(1), renewal());
        assert_eq!((seconds(&pair), pair.expiry_is_guessed), (300, false));
        for unclear in [
            "opaque",
            "a.b.c",
            &jwt("{}"),
            &jwt(r#"{"exp":5,"iat":9}"#),
            &jwt(r#"{"exp":1e300}"#),
        ] {
            let pair = grant(unclear, None).begin(Generation::new(1), renewal());
            assert_eq!(
                (seconds(&pair), pair.expiry_is_guessed),
                (1800, true),
                "{unclear}"
            );
        }
    }

    #[test]
    fn what_a_refresh_leaves_out_stays_as_it_was() {
        let mut before = grant("a", Some(60)).begin(Generation::new(1), renewal());
        before.scopes = vec!["read".to_owned()];
        before.refresh_expires_at = Some(Timestamp::from_second(2_000_000).unwrap());
        let mut next = grant("b", Some(60));
        next.refresh = None;
        let next = next.renew(Generation::new(2), &before);
        assert_eq!(text(&next.renewal), "r");
        assert_eq!(next.scopes, ["read"]);
        assert_eq!(next.refresh_expires_at, before.refresh_expires_at);
    }

    #[test]
    fn a_client_keeps_its_secret_whatever_comes_with_a_token() {
        let secret = Renewal::ClientSecret("s3cret".to_owned().into());
        let before = grant("a", Some(60)).begin(Generation::new(1), secret);
        let next = grant("b", Some(60)).renew(Generation::new(2), &before);
        assert!(matches!(next.renewal, Renewal::ClientSecret(_)));
        assert_eq!(text(&next.renewal), "s3cret");
        assert_eq!(next.refresh_expires_at, None);
    }

    fn text(renewal: &Renewal) -> &str {
        match renewal {
            Renewal::RefreshToken(secret) | Renewal::ClientSecret(secret) => secret.expose_secret(),
        }
    }

    fn renewal() -> Renewal {
        Renewal::RefreshToken("r".to_owned().into())
    }
}
