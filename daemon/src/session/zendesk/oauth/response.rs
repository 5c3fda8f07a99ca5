//! What the token endpoint's answer means for the session (R4). The answers of Zendesk, other
//! servers, captive portals and proxies differ in status, types and fields. No such difference may
//! cost a token pair.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use loopdesk_protocol::text;
use serde_json::{Map, Value};

use super::{EXPIRES_IN, REFRESH_EXPIRES_IN};
use crate::config::{Account, GrantType};
use crate::session::model::oauth_error::{Cause, ErrorBody};
use crate::session::model::outcome::{Grant, LIFETIMES, TokenOutcome};
use crate::session::model::token_pair::AccessToken;
use crate::session::zendesk::plain;

/// Reads the answer to a request that was sent at `asked_at`.
pub(super) fn read(
    response: &Response<Bytes>,
    account: &Account,
    asked_at: Timestamp,
) -> TokenOutcome {
    let status = response.status();
    let object = serde_json::from_slice::<Value>(&plain::text(response.body()));
    match object {
        Ok(Value::Object(object)) if status.is_success() => granted(status, &object, asked_at),
        Ok(_) if status.is_success() => without_token(status),
        Err(_) if status.is_success() => undecided(format!(
            "{status} came with something that isn't JSON: a captive portal, or a proxy"
        )),
        Ok(Value::Object(object)) => refused(status, account, ErrorBody::read(status, &object)),
        Ok(_) | Err(_) => undecided(format!("the token endpoint answered {status}")),
    }
}

/// The tokens in an answer and their properties, each field in any plausible type.
fn granted(status: StatusCode, object: &Map<String, Value>, asked_at: Timestamp) -> TokenOutcome {
    let Some(access) = token(object, "access_token") else {
        return without_token(status);
    };
    let Some(access) = AccessToken::new(access.into()) else {
        return undecided("Zendesk sent an access token that can't be put in a header".to_owned());
    };
    TokenOutcome::Granted(Grant {
        access,
        refresh: token(object, "refresh_token").map(|token| token.to_owned().into()),
        asked_at,
        expires_in: object.get(EXPIRES_IN).and_then(lifetime),
        refresh_expires_in: object.get(REFRESH_EXPIRES_IN).and_then(lifetime),
        scopes: object.get("scope").and_then(scopes),
    })
}

/// What a refusal means. Only `invalid_grant` ends a session, and never that of a client with a
/// secret, which doesn't use a grant that could be revoked.
fn refused(status: StatusCode, account: &Account, error: ErrorBody) -> TokenOutcome {
    // RFC 6749 section 5.2 defines 400 and 401. Any other error in this format below 500 is a
    // decision too, except for the statuses that a middlebox sends on its own behalf.
    let is_decision = status.is_client_error()
        && !matches!(
            status,
            StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::TOO_EARLY
                | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        );
    if !is_decision {
        return undecided(format!("the token endpoint answered {status}"));
    }
    if error.code() != INVALID_GRANT {
        return TokenOutcome::Refused(Cause::of(status, &error).rejection(account, &error));
    }
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED
            if account.grant == GrantType::ClientCredentials =>
        {
            TokenOutcome::Refused(Cause::ClientMayNot.rejection(account, &error))
        }
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => TokenOutcome::InvalidGrant(error),
        _ => undecided(format!(
            "the token endpoint answered {status} with {INVALID_GRANT}"
        )),
    }
}

fn token<'o>(object: &'o Map<String, Value>, name: &str) -> Option<&'o str> {
    object.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// The granted scopes. RFC 6749 section 3.3 separates them by spaces; some servers send a list.
fn scopes(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(scopes) => Some(scopes.split(' ').map(text::line).collect()),
        Value::Array(scopes) => {
            let scopes = scopes.iter().filter_map(Value::as_str);
            Some(scopes.map(text::line).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// A plausible lifetime: not zero, negative, or longer than ten years.
fn lifetime(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and the range is checked next"
    )]
    let seconds = seconds as u64;
    LIFETIMES
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

fn without_token(status: StatusCode) -> TokenOutcome {
    undecided(format!(
        "the token endpoint answered {status} without a token"
    ))
}

fn undecided(why: String) -> TokenOutcome {
    TokenOutcome::Transient {
        why,
        may_have_acted: true,
    }
}

/// The only error code that ends a session (R4).
const INVALID_GRANT: &str = "invalid_grant";
