//! Finds the key in a request, and removes it so that it never travels on to Zendesk.
//!
//! | where | what is taken for a key |
//! | --- | --- |
//! | `X-Loopdesk-Key: ldk_…` | any value |
//! | `Authorization: Bearer ldk_…`, `Token token="ldk_…"`, any other scheme or none | a credential that contains `ldk_` |
//! | `Authorization: Basic …` | a password or user name that contains `ldk_` |
//! | `Proxy-Authorization` | as in `Authorization` |
//! | the target | refused: what looks like a key, and `ldk_` in `access_token` |
//! | any other header | refused: what looks like a key |
//!
//! A key that is sent is always checked, even if it is mistyped: a script that was given a limited key
//! must never be served as if it had sent none. So headers are read as leniently as clients write them,
//! and what is found there must be a valid key, exactly.
//!
//! Copies of a key that are made here are overwritten when dropped. The bytes of the header itself belong
//! to hyper, which doesn't overwrite them.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, PROXY_AUTHORIZATION};
use http::{HeaderValue, Uri};
use loopdesk_protocol::key::PREFIX;
use zeroize::Zeroizing;

use super::error::KeyError;
use super::format::{self, KeyCandidate};
use crate::hop_by_hop;
use crate::percent;

/// What a request carries as a key. It doesn't hold the key itself, only what is needed to check it.
#[derive(Clone)]
pub struct PresentedKey(pub(super) KeyCandidate);

impl std::fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PresentedKey(..)")
    }
}

/// Finds the key that a request carries, whether or not it is valid.
///
/// # Errors
/// The request has two different keys, or one in its target or in another header.
pub fn extract(headers: &HeaderMap, uri: &Uri) -> Result<Option<PresentedKey>, KeyError> {
    if is_in_target(uri) {
        return Err(KeyError::InTarget);
    }
    let mut found: Option<KeyCandidate> = None;
    for (name, value) in headers {
        let mut differs = false;
        let mut take = |text: &[u8]| {
            let candidate = KeyCandidate::read(text);
            match &found {
                Some(known) => differs |= !known.is(&candidate),
                None => found = Some(candidate),
            }
        };
        match KeySlot::of(name) {
            KeySlot::Key => take(value.as_bytes().trim_ascii()),
            KeySlot::Authorization => each_in_authorization(value, take),
            KeySlot::None if looks_like_a_key(value.as_bytes()) => {
                return Err(KeyError::Misplaced(name.clone()));
            }
            KeySlot::None => {}
        }
        if differs {
            return Err(KeyError::Two);
        }
    }
    Ok(found.map(PresentedKey))
}

/// Removes every header that holds a key, whichever credential the request is sent on with.
pub fn strip(headers: &mut HeaderMap) {
    let holds = |name: &HeaderName, value: &HeaderValue| match KeySlot::of(name) {
        KeySlot::Key => true,
        KeySlot::Authorization => {
            let mut holds = false;
            each_in_authorization(value, |_| holds = true);
            holds
        }
        KeySlot::None => looks_like_a_key(value.as_bytes()),
    };
    let all = headers.iter().filter(|(name, value)| holds(name, value));
    let names: Vec<HeaderName> = all.map(|(name, _)| name.clone()).collect();
    hop_by_hop::retain(headers, |name| !names.contains(name));
}

/// How a header may carry a key.
enum KeySlot {
    Key,
    Authorization,
    None,
}

impl KeySlot {
    fn of(name: &HeaderName) -> Self {
        if name == AUTHORIZATION || name == PROXY_AUTHORIZATION {
            return Self::Authorization;
        }
        if name == KEY_HEADER {
            return Self::Key;
        }
        // Rack and CGI read `X_Loopdesk_Key` and `X-Loopdesk-Key` as one header.
        if name.as_str().contains('_') {
            return match name.as_str().replace('_', "-").as_str() {
                "x-loopdesk-key" => Self::Key,
                "proxy-authorization" => Self::Authorization,
                _ => Self::None,
            };
        }
        Self::None
    }
}

/// Calls `take` with everything in a value of `Authorization` that has to be checked as a key.
fn each_in_authorization(value: &HeaderValue, mut take: impl FnMut(&[u8])) {
    let value = value.as_bytes().trim_ascii();
    let scheme = value.split(|b| b.is_ascii_whitespace()).next();
    let scheme = scheme.unwrap_or_default();
    let rest = value.get(scheme.len()..).unwrap_or_default().trim_ascii();
    // Basic's Base64 alphabet has no `_`, so a value with the prefix in it isn't encoded.
    if scheme.eq_ignore_ascii_case(b"basic") && !holds_prefix(rest) {
        let Some(decoded) = decoded(rest) else {
            return;
        };
        let mut halves = decoded.splitn(2, |b| *b == b':');
        let user = halves.next().unwrap_or_default();
        // Clients that are set up for an API token append this to the user name.
        let user = user.strip_suffix(b"/token").unwrap_or(user);
        let password = halves.next().unwrap_or_default();
        for half in [user, password] {
            if holds_prefix(half) {
                take(half.trim_ascii());
            }
        }
    } else if holds_prefix(value) {
        take(token(if rest.is_empty() { value } else { rest }));
    }
}

/// The `x` of `x`, `"x"`, `token=x` and `token="x"`.
fn token(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"token=").unwrap_or(text);
    let inner = text.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\""));
    inner.unwrap_or(text)
}

/// Base64 as clients write it: in either alphabet, with or without padding, and perhaps wrapped by a
/// shell's `base64`.
fn decoded(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let decode = |text: &[u8]| {
        let mut decoded = Zeroizing::new(vec![0; text.len() / 4 * 3 + 3]);
        let length = LENIENT.decode_slice(text, &mut decoded[..]).ok()?;
        decoded.truncate(length);
        Some(decoded)
    };
    // The common form first.
    decode(text).or_else(|| {
        let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
        plain.extend(text.iter().filter_map(|byte| match byte {
            b'-' => Some(b'+'),
            b'_' => Some(b'/'),
            byte => (!byte.is_ascii_whitespace()).then_some(*byte),
        }));
        decode(&plain)
    })
}

/// Whether the target holds a key. Targets end up in the logs of every program that handles them.
fn is_in_target(uri: &Uri) -> bool {
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if is_in_text(target.as_bytes()) || holds_prefix(authority.as_bytes()) {
        return true;
    }
    // Zendesk decodes it, so look at the decoded form too.
    hides_letters(target.as_bytes())
        && is_in_text(&Zeroizing::new(percent::decoded(target.bytes())))
}

/// Whether `target` has an escape that can hide a part of a key or of `access_token=`. Most escapes are
/// brackets, colons, spaces and slashes, which can't.
fn hides_letters(target: &[u8]) -> bool {
    memchr::memchr_iter(b'%', target).any(|at| match target.get(at + 1..at + 3) {
        Some([b'4' | b'6' | b'7', _] | [b'3', b'0'..=b'9' | b'd' | b'D']) => true,
        Some([b'5', low]) => low.is_ascii_digit() || matches!(low, b'a' | b'A' | b'f' | b'F'),
        Some(escape) => escape == b"25",
        None => false,
    })
}

fn is_in_text(target: &[u8]) -> bool {
    looks_like_a_key(target)
        || places(target).any(|at| {
            let before = target.get(..at).unwrap_or_default();
            let pair = before.rsplit(|b| b"?&;".contains(b)).next();
            pair.is_some_and(|pair| pair.starts_with(b"access_token="))
        })
}

fn looks_like_a_key(text: &[u8]) -> bool {
    places(text).any(|at| {
        let rest = text.get(at + PREFIX.len()..).unwrap_or_default();
        format::goes_on_as_a_key(rest)
    })
}

fn holds_prefix(text: &[u8]) -> bool {
    places(text).next().is_some()
}

/// Where the prefix occurs.
fn places(text: &[u8]) -> impl Iterator<Item = usize> {
    // Search for its rarest byte: this runs on every header of every request.
    let candidates = memchr::memchr_iter(b'_', text);
    candidates.filter_map(|end| {
        let start = (end + 1).checked_sub(PREFIX.len())?;
        (text.get(start..=end)? == PREFIX.as_bytes()).then_some(start)
    })
}

/// The header for the key, for scripts that can set one.
pub const KEY_HEADER: HeaderName = HeaderName::from_static("x-loopdesk-key");

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests;
