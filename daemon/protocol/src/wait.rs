//! `GET /v1/wait?account=NAME&timeout_ms=N&waited_ms=N`: answers once an account's requests are
//! served.
//!
//! The answer is the account's [`crate::status::AccountStatus`] as soon as its state
//! [serves](crate::status::State::serves). For an account that is signed out or whose session has
//! ended, the answer is a problem of kind `login` at once, since waiting doesn't help. In every
//! other state the daemon waits; a timeout is a problem of kind `timeout` that names the reason.
//! Hanging up ends the wait.

use std::fmt::Write as _;
use std::time::Duration;

use crate::call::{Call, Query};
use crate::problem::{Kind, Problem};
use crate::status::AccountStatus;

/// Waits for an account.
pub const CALL: Call<WaitRequest, AccountStatus> = Call::get("/v1/wait");

/// Asks to wait for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitRequest {
    /// The account; the default account if absent.
    pub account: Option<String>,
    /// How long to wait at most.
    pub timeout: Duration,
    /// How long the caller has waited already.
    pub waited: Duration,
}

impl Query for WaitRequest {
    fn query(&self) -> String {
        let (timeout, waited) = (self.timeout.as_millis(), self.waited.as_millis());
        let mut text = format!("timeout_ms={timeout}&waited_ms={waited}");
        if let Some(account) = &self.account {
            text.push_str("&account=");
            encode(account, &mut text);
        }
        text
    }

    /// Ignores unknown parameters.
    fn from_query(query: &str) -> Result<Self, Problem> {
        let mut account = None;
        let mut timeout = None;
        let mut waited = Duration::ZERO;
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "account" => {
                    let name = decode(value).ok_or_else(|| unreadable(name, value))?;
                    account = Some(name);
                }
                "timeout_ms" => {
                    let millis = value.parse().map_err(|_| unreadable(name, value))?;
                    timeout = Some(Duration::from_millis(millis));
                }
                "waited_ms" => {
                    let millis = value.parse().map_err(|_| unreadable(name, value))?;
                    waited = Duration::from_millis(millis);
                }
                _ => {}
            }
        }
        let timeout =
            timeout.ok_or_else(|| Problem::new(Kind::Usage, "`timeout_ms` is missing"))?;
        Ok(Self {
            account,
            timeout,
            waited,
        })
    }
}

/// The problem of a timeout, with the time that really passed.
pub fn too_long(waited: Duration, why: &str) -> Problem {
    let waited = match waited.as_secs() {
        0..10 => format!("{:.1}", waited.as_secs_f64()),
        seconds => seconds.to_string(),
    };
    Problem::new(Kind::Timeout, format!("waited {waited} s: {why}"))
}

fn unreadable(name: &str, value: &str) -> Problem {
    Problem::new(Kind::Usage, format!("`{name}={value}` can't be read"))
}

fn encode(text: &str, to: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            to.push(char::from(byte));
        } else {
            let _ = write!(to, "%{byte:02X}");
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = rest.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_survives_the_round_trip() {
        for account in [None, Some("acme"), Some("a&b=c %é"), Some("")] {
            let request = WaitRequest {
                account: account.map(ToOwned::to_owned),
                timeout: Duration::from_millis(30_000),
                waited: Duration::from_millis(1_500),
            };
            let query = request.query();
            let target = format!("{}?{query}", CALL.path);
            assert!(target.parse::<http::Uri>().is_ok(), "{target}");
            assert_eq!(WaitRequest::from_query(&query).unwrap(), request);
        }
    }

    #[test]
    fn bad_parameters_are_named() {
        for (query, name) in [
            ("", "timeout_ms"),
            ("timeout_ms=soon", "timeout_ms"),
            ("timeout_ms=1&account=%zz", "account"),
            ("timeout_ms=1&account=%f", "account"),
        ] {
            let problem = WaitRequest::from_query(query).unwrap_err();
            assert!(problem.message.contains(name), "{query}: {problem}");
        }
    }
}
