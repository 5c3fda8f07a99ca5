//! Calls about a token: whose it is, whether it works, and its revocation.
//!
//! They go only to the origin that issued the token (S5).

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use jiff::Timestamp;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::text;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::plain;
use crate::config::Account;
use crate::session::model::checks::{ProbeResult, Revocation, TokenCheck};
use crate::session::model::oauth_error::{Cause, ErrorBody};
use crate::session::model::rejection::RefreshRejection;
use crate::session::model::token_pair::AccessToken;
use crate::upstream::Upstream;

/// Asks whether `token` works.
pub(in crate::session) async fn check(
    account: &Account,
    upstream: &Upstream,
    token: &AccessToken,
) -> TokenCheck {
    let response = match call(account, upstream, token, Method::GET, CURRENT).await {
        Ok(response) => response,
        Err(why) => return TokenCheck::Unclear(why),
    };
    read_check(&response)
}

/// Revokes `token`, and its refresh token with it (ZENDESK.md, Ending a token).
pub(in crate::session) async fn revoke(
    account: &Account,
    upstream: &Upstream,
    token: &AccessToken,
) -> Revocation {
    match call(account, upstream, token, Method::DELETE, CURRENT).await {
        Ok(response) if response.status().is_success() => Revocation::Done,
        Ok(response) if response.status() == StatusCode::UNAUTHORIZED => Revocation::WasDead,
        Ok(response) => Revocation::Failed(format!(
            "{} answered {} to the revocation",
            account.oauth_origin,
            response.status()
        )),
        Err(why) => Revocation::Failed(why),
    }
}

/// Asks whose `token` it is.
///
/// # Errors
/// If Zendesk doesn't answer as documented, or the token doesn't stand for a user.
pub(in crate::session) async fn person(
    account: &Account,
    upstream: &Upstream,
    token: &AccessToken,
) -> Result<Person, String> {
    let response = call(account, upstream, token, Method::GET, ME).await?;
    read_person(&response)
}

/// Asks whether `token` works, and whether it still stands for a user.
pub(in crate::session) async fn probe(
    account: &Account,
    upstream: &Upstream,
    token: &AccessToken,
) -> ProbeResult {
    let current = match call(account, upstream, token, Method::GET, CURRENT).await {
        Ok(response) => response,
        Err(why) => return ProbeResult::Unclear(why),
    };
    if let Some(rejection) = read_refusal(account, &current) {
        return ProbeResult::Refused(rejection);
    }
    let (expires_at, refresh_expires_at) = match read_check(&current) {
        TokenCheck::Alive {
            expires_at,
            refresh_expires_at,
        } => (expires_at, refresh_expires_at),
        TokenCheck::Dead => return ProbeResult::Dead,
        TokenCheck::Unclear(why) => return ProbeResult::Unclear(why),
    };
    let me = match call(account, upstream, token, Method::GET, ME).await {
        Ok(response) => response,
        Err(why) => return ProbeResult::Unclear(why),
    };
    if let Some(rejection) = read_refusal(account, &me) {
        return ProbeResult::Refused(rejection);
    }
    match read_me(&me) {
        Ok(Me { user }) if user.id.is_none() => ProbeResult::Anonymous,
        Ok(Me { user }) if user.suspended == Some(true) => {
            ProbeResult::Refused(Cause::Suspended.rejection(account, &ErrorBody::default()))
        }
        Ok(me) => match person_of(me) {
            Ok(person) => ProbeResult::Alive {
                person,
                expires_at,
                refresh_expires_at,
            },
            Err(why) => ProbeResult::Unclear(why),
        },
        Err(why) => ProbeResult::Unclear(why),
    }
}

async fn call(
    account: &Account,
    upstream: &Upstream,
    token: &AccessToken,
    method: Method,
    path: &str,
) -> Result<Response<Bytes>, String> {
    let request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", account.oauth_origin))
        .header(AUTHORIZATION, token.header().clone())
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .body(Bytes::new())
        .map_err(|e| e.to_string())?;
    let response = upstream.call(request, DEADLINE).await;
    response.map_err(|failure| failure.to_string())
}

fn read_check(response: &Response<Bytes>) -> TokenCheck {
    #[derive(Deserialize)]
    struct Current {
        token: Token,
    }
    #[derive(Deserialize)]
    struct Token {
        expires_at: Option<Timestamp>,
        #[serde(default)]
        refresh_token_expires_at: Option<Timestamp>,
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        return TokenCheck::Dead;
    }
    if !response.status().is_success() {
        return TokenCheck::Unclear(format!("tokens/current answered {}", response.status()));
    }
    match serde_json::from_slice::<Current>(&plain::text(response.body())) {
        Ok(Current { token }) => TokenCheck::Alive {
            expires_at: token.expires_at,
            refresh_expires_at: token.refresh_token_expires_at,
        },
        Err(_) => TokenCheck::Unclear("tokens/current gave an unexpected answer".to_owned()),
    }
}

/// A definite refusal in Zendesk's own error format. A captive portal's page doesn't count, nor
/// does a missing scope, which the account may never have asked for.
fn read_refusal(account: &Account, response: &Response<Bytes>) -> Option<RefreshRejection> {
    let status = response.status();
    if !matches!(status, StatusCode::FORBIDDEN | StatusCode::PAYMENT_REQUIRED) {
        return None;
    }
    let object: Map<String, Value> = serde_json::from_slice(&plain::text(response.body())).ok()?;
    let error = ErrorBody::read(status, &object);
    (!error.is_about_scopes()).then(|| Cause::of(status, &error).rejection(account, &error))
}

fn read_person(response: &Response<Bytes>) -> Result<Person, String> {
    person_of(read_me(response)?)
}

#[derive(Deserialize)]
struct Me {
    user: User,
}

#[derive(Deserialize)]
struct User {
    id: Option<u64>,
    name: Option<String>,
    email: Option<String>,
    role: Option<String>,
    #[serde(default)]
    suspended: Option<bool>,
}

fn read_me(response: &Response<Bytes>) -> Result<Me, String> {
    if !response.status().is_success() {
        return Err(format!("users/me answered {}", response.status()));
    }
    serde_json::from_slice(&plain::text(response.body()))
        .map_err(|_| "users/me answered with something that isn't a user".to_owned())
}

fn person_of(me: Me) -> Result<Person, String> {
    // Without valid credentials, users/me answers 200 with an "Anonymous user" whose id is null.
    let id = me
        .user
        .id
        .ok_or("users/me answered without an id: the token doesn't stand for a user")?;
    Ok(Person {
        id,
        name: match me.user.name {
            Some(name) => text::line(&name),
            None => format!("user {id}"),
        },
        email: me.user.email.as_deref().map(text::line),
        role: me.user.role.as_deref().map(text::line),
    })
}

const CURRENT: &str = "/api/v2/oauth/tokens/current.json";
const ME: &str = "/api/v2/users/me.json";

/// Requests wait for this check, so it must end before their own deadline.
const DEADLINE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &'static str) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from_static(body.as_bytes()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    }

    #[test]
    fn r2_only_401_means_that_a_token_is_dead() {
        assert_eq!(read_check(&response(401, "")), TokenCheck::Dead);
        for (status, body) in [
            (200, "<html>"),
            (403, "{}"),
            (404, "{}"),
            (500, ""),
            (302, ""),
        ] {
            let found = read_check(&response(status, body));
            assert!(
                matches!(found, TokenCheck::Unclear(_)),
                "{status}: {found:?}"
            );
        }
    }

    #[test]
    fn a_working_token_has_its_expiry() {
        let body =
            r#"{"token":{"client_id":1,"expires_at":"2026-11-24T00:00:00Z","scopes":["read"]}}"#;
        let expected = TokenCheck::Alive {
            expires_at: Some("2026-11-24T00:00:00Z".parse().unwrap()),
            refresh_expires_at: None,
        };
        assert_eq!(read_check(&response(200, body)), expected);
        let never = read_check(&response(200, r#"{"token":{"expires_at":null}}"#));
        assert!(matches!(
            never,
            TokenCheck::Alive {
                expires_at: None,
                ..
            }
        ));
    }

    #[test]
    fn an_anonymous_user_isn_t_a_person() {
        let anonymous =
            r#"{"user":{"id":null,"name":"Anonymous user","email":"invalid@example.com"}}"#;
        assert!(read_person(&response(200, anonymous)).is_err());
        let ann = r#"{"user":{"id":7,"name":"Ann","email":"ann@example.com","role":"agent"}}"#;
        let person = read_person(&response(200, ann)).unwrap();
        assert_eq!((person.id, person.name.as_str()), (7, "Ann"));
    }
}
