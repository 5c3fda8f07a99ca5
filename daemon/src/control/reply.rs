//! JSON in, JSON out, and a status for each kind of problem.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use loopdesk_protocol::{Kind, Problem, key};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::body::Body;
use crate::telemetry::redact;

/// The answer to a call that has a body and can fail.
pub(super) async fn told<T: DeserializeOwned, R: Serialize>(
    body: Incoming,
    act: impl AsyncFnOnce(T) -> Result<R, Problem>,
) -> Response<Body> {
    match read(body).await {
        Ok(asked) => from(act(asked).await),
        Err(failed) => problem(&failed),
    }
}

/// As [`told`], for the calls that hand a new local key over.
pub(super) async fn told_with_key<T: DeserializeOwned>(
    body: Incoming,
    act: impl AsyncFnOnce(T) -> Result<key::Created, Problem>,
) -> Response<Body> {
    match read(body).await {
        Ok(asked) => from_with_key(act(asked).await),
        Err(failed) => problem(&failed),
    }
}

/// Reads a request's body.
pub(super) async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, Problem> {
    let wrong =
        |why: String| Problem::new(Kind::Usage, format!("the request can't be read: {why}"));
    let bytes = Limited::new(body, REQUEST_MAX)
        .collect()
        .await
        .map_err(|e| wrong(e.to_string()))?
        .to_bytes();
    // The parser's own words quote what it didn't expect, which may be a secret.
    serde_json::from_slice(&bytes).map_err(|e| {
        wrong(format!(
            "it is no such JSON at line {}, column {}",
            e.line(),
            e.column()
        ))
    })
}

/// The answer to a call that can fail.
pub(super) fn from<T: Serialize>(result: Result<T, Problem>) -> Response<Body> {
    match result {
        Ok(value) => json(&value),
        Err(failed) => problem(&failed),
    }
}

/// As [`from`], for the one answer that hands a new local key over.
fn from_with_key(result: Result<key::Created, Problem>) -> Response<Body> {
    match result {
        Ok(created) => with_status(StatusCode::OK, &created, redact::bytes_but_local_keys),
        Err(failed) => problem(&failed),
    }
}

/// A success.
pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    with_status(StatusCode::OK, value, redact::bytes)
}

/// A failure.
pub(super) fn problem(problem: &Problem) -> Response<Body> {
    let status = match problem.kind {
        Kind::Usage => StatusCode::BAD_REQUEST,
        Kind::Login => StatusCode::UNAUTHORIZED,
        Kind::Trouble => StatusCode::CONFLICT,
        Kind::Config => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Zendesk => StatusCode::BAD_GATEWAY,
        Kind::Daemon | Kind::Vault => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    with_status(status, problem, redact::bytes)
}

/// A body with its type.
pub(super) fn typed(body: Body, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn with_status(
    status: StatusCode,
    value: &impl Serialize,
    redact: fn(&[u8]) -> Cow<'_, [u8]>,
) -> Response<Body> {
    let (status, text) = match serde_json::to_vec(value) {
        Ok(text) => (status, Zeroizing::new(text)),
        Err(error) => {
            tracing::error!(%error, "an answer of the control API can't be written");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                Zeroizing::new(b"{}".to_vec()),
            )
        }
    };
    // What Zendesk, the system or a person has said stands in problems (D4).
    let text = redact(&text).into_owned();
    let mut response = typed(Body::full(text), "application/json");
    *response.status_mut() = status;
    response
}

/// Requests hold names and at most one address that a person has pasted.
const REQUEST_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use loopdesk_protocol::SecretText;
    use loopdesk_protocol::account::Person;

    use super::*;

    const KEY: &str = "ldk_Q3vT9xKa_7nBfVbX2mQyZs0aLcWkE4rTgUiOpHjDx93NvM1qAeRy8IuZ5Jh";

    async fn said(response: Response<Body>) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn created() -> key::Created {
        key::Created {
            key: key::Key {
                name: "nightly".to_owned(),
                id: KEY[..12].to_owned(),
                account: "acme".to_owned(),
                person: Person {
                    id: 1,
                    name: "Ann".to_owned(),
                    email: None,
                    role: None,
                },
                rights: key::Rights::default(),
                state: key::State::Active,
                created_at: Timestamp::UNIX_EPOCH,
                expires_at: None,
                old_secret_until: None,
                note: None,
                last_used: None,
                requests: 0,
            },
            secret: SecretText::new(KEY.to_owned()),
            keyless: false,
            base_urls: Vec::new(),
        }
    }

    #[tokio::test]
    async fn d4_a_new_key_is_handed_over_once_and_no_other_answer_holds_one() {
        let token = "an-access-token-0123456789";
        let _hidden = redact::hide(token);
        let mut answer = created();
        answer.key.note = Some(token.to_owned());
        let text = said(from_with_key(Ok(answer.clone()))).await;
        assert!(text.contains(KEY), "{text}");
        assert!(!text.contains(token), "{text}");
        let text = said(json(&answer)).await;
        assert!(!text.contains(KEY) && text.contains(&KEY[..12]), "{text}");
        let failed = Problem::new(Kind::Usage, format!("there is no key `{KEY}`"));
        for response in [problem(&failed), from_with_key(Err(failed.clone()))] {
            assert!(!said(response).await.contains(&KEY[14..]));
        }
    }
}
