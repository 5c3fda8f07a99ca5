//! The `oauth2` crate's HTTP client: its requests in the encoding that is wanted, and Zendesk's
//! answers in the only form that the crate reads.
//!
//! The crate takes every status but 200 for an error, wants an exact JSON content type, rejects
//! `"expires_in":"1800"`, and encodes forms only.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use jiff::Timestamp;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use serde_json::{Map, Value};

use crate::config::TokenEncoding;
use crate::failpoint;
use crate::session::model::oauth_error::ErrorBody;
use crate::session::model::outcome::{LIFETIMES, TokenOutcome};
use crate::session::store::journal::AnswerJournal;
use crate::session::zendesk::plain;
use crate::upstream::Upstream;

/// Carries one token request.
#[derive(Debug)]
pub(in crate::session) struct Http<'a> {
    upstream: &'a Upstream,
    encoding: TokenEncoding,
    /// Where an answer is kept, and when it was asked for.
    keeper: Option<(&'a AnswerJournal, Timestamp)>,
}

impl<'a> Http<'a> {
    pub(in crate::session) fn new(
        upstream: &'a Upstream,
        encoding: TokenEncoding,
        keeper: Option<(&'a AnswerJournal, Timestamp)>,
    ) -> Self {
        Self {
            upstream,
            encoding,
            keeper,
        }
    }

    async fn carry(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = encode(request, self.encoding)?;
        failpoint::reach(failpoint::POST);
        let response = self.upstream.call(request, DEADLINE).await;
        let response = response.map_err(|failure| {
            let why = failure.to_string();
            if failure.may_have_acted() {
                TokenOutcome::Lost(why)
            } else {
                TokenOutcome::unsendable(why)
            }
        })?;
        // Without an await since the last byte: nothing comes between its arrival and this.
        if response.status().is_success() {
            if let Some((keeper, asked_at)) = self.keeper {
                keeper.keep(asked_at, response.body());
            }
            failpoint::reach(failpoint::ANSWER_READ);
        }
        normalise(&response)
    }
}

/// An answer that came before this process was started.
#[derive(Debug)]
pub(in crate::session) struct Before(pub(in crate::session) Bytes);

impl<'c> AsyncHttpClient<'c> for Before {
    type Error = HttpError;
    type Future = std::future::Ready<Result<HttpResponse, HttpError>>;

    fn call(&'c self, _: HttpRequest) -> Self::Future {
        std::future::ready(normalise(&Response::new(self.0.clone())))
    }
}

impl<'c> AsyncHttpClient<'c> for Http<'_> {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.carry(request))
    }
}

/// No tokens.
#[derive(Debug, thiserror::Error)]
pub(in crate::session) enum HttpError {
    /// An answer that isn't the token endpoint's, or no answer: already judged.
    #[error("no answer of the token endpoint")]
    Judged(Box<TokenOutcome>),
    /// The token endpoint refuses.
    #[error("the token endpoint refuses")]
    Refused(StatusCode, Box<ErrorBody>),
}

impl From<TokenOutcome> for HttpError {
    fn from(answer: TokenOutcome) -> Self {
        Self::Judged(Box::new(answer))
    }
}

/// The request in the wanted encoding, lifetimes as JSON numbers.
fn encode(request: HttpRequest, encoding: TokenEncoding) -> Result<Request<Bytes>, HttpError> {
    let (mut parts, form) = request.into_parts();
    parts
        .headers
        .insert(ACCEPT, HeaderValue::from_static("application/json"));
    if encoding == TokenEncoding::Form {
        return Ok(Request::from_parts(parts, form.into()));
    }
    let mut object = Map::new();
    for (name, value) in url::form_urlencoded::parse(&form) {
        let value = match (name.as_ref(), value.parse::<u64>()) {
            (EXPIRES_IN | REFRESH_EXPIRES_IN, Ok(number)) => Value::from(number),
            _ => Value::from(value.as_ref()),
        };
        object.insert(name.into_owned(), value);
    }
    let body = serde_json::to_vec(&object)
        .map_err(|e| TokenOutcome::unsendable(format!("the request can't be encoded: {e}")))?;
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Request::from_parts(parts, body.into()))
}

/// Zendesk's answer in the form that the crate reads, or what it means if it isn't one.
fn normalise(response: &Response<Bytes>) -> Result<HttpResponse, HttpError> {
    let status = response.status();
    let object = serde_json::from_slice::<Value>(&plain::text(response.body()));
    if status.is_success() {
        return match object {
            Ok(Value::Object(object)) if is_text(&object, "access_token") => {
                Ok(answer(&granted(object)))
            }
            Ok(_) => transient(format!(
                "the token endpoint answered {status} without a token"
            )),
            Err(_) => transient(format!(
                "{status} came with something that is no JSON: a captive portal, or a proxy"
            )),
        };
    }
    // RFC 6749 section 5.2 names 400 and 401; anything of the kind below 500 is a decision, except
    // what a middlebox says in its own name.
    let undecided = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::TOO_EARLY
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
    );
    let Ok(Value::Object(object)) = object else {
        return transient(format!("the token endpoint answered {status}"));
    };
    if !status.is_client_error() || undecided {
        return transient(format!("the token endpoint answered {status}"));
    }
    let said = ErrorBody::read(status, &object);
    let is_oauth = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
    if said.code() == INVALID_GRANT && !is_oauth {
        return transient(format!(
            "the token endpoint answered {status} with {INVALID_GRANT}"
        ));
    }
    Err(HttpError::Refused(status, Box::new(said)))
}

/// The answer's fields, each in the type that the crate wants, or left out.
fn granted(mut object: Map<String, Value>) -> Map<String, Value> {
    for name in [EXPIRES_IN, REFRESH_EXPIRES_IN] {
        if let Some(seconds) = object.remove(name).as_ref().and_then(lifetime) {
            object.insert(name.to_owned(), seconds.into());
        }
    }
    if !is_text(&object, "token_type") {
        object.insert("token_type".to_owned(), "bearer".into());
    }
    if !is_text(&object, "refresh_token") {
        object.remove("refresh_token");
    }
    match object.remove("scope") {
        Some(Value::String(scope)) => {
            object.insert("scope".to_owned(), scope.into());
        }
        Some(Value::Array(scopes)) => {
            let scopes: Vec<&str> = scopes.iter().filter_map(Value::as_str).collect();
            object.insert("scope".to_owned(), scopes.join(" ").into());
        }
        _ => {}
    }
    let known = |name: &str| {
        matches!(
            name,
            "access_token" | "refresh_token" | "token_type" | "scope"
        ) || matches!(name, EXPIRES_IN | REFRESH_EXPIRES_IN)
    };
    object.retain(|name, _| known(name));
    object
}

/// A lifetime that can be meant: not zero, negative, or longer than ten years.
fn lifetime(value: &Value) -> Option<u64> {
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
    LIFETIMES.contains(&seconds).then_some(seconds)
}

fn is_text(object: &Map<String, Value>, name: &str) -> bool {
    matches!(object.get(name), Some(Value::String(text)) if !text.is_empty())
}

fn answer(object: &Map<String, Value>) -> HttpResponse {
    let body = serde_json::to_vec(object).unwrap_or_default();
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn transient<T>(why: String) -> Result<T, HttpError> {
    Err(HttpError::from(TokenOutcome::Transient {
        why,
        may_have_acted: true,
    }))
}

/// The one word that ends a session (R4).
pub(in crate::session) const INVALID_GRANT: &str = "invalid_grant";
pub(in crate::session) const EXPIRES_IN: &str = "expires_in";
pub(in crate::session) const REFRESH_EXPIRES_IN: &str = "refresh_token_expires_in";

/// Impatience is expensive: an answer that comes after we have hung up is a lost pair.
const DEADLINE: Duration = Duration::from_secs(30);

#[cfg(test)]
pub(in crate::session) mod tests {
    use super::*;

    /// What `status` and `body` come out as, for the tests of the whole.
    pub(in crate::session::zendesk::oauth) fn judge(
        status: u16,
        body: &str,
    ) -> Result<HttpResponse, HttpError> {
        let mut response = Response::new(Bytes::copy_from_slice(body.as_bytes()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        normalise(&response)
    }

    fn request() -> HttpRequest {
        Request::builder()
            .uri("https://acme.zendesk.com/oauth/tokens")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(b"grant_type=refresh_token&refresh_token=a%2Bb&expires_in=172800".to_vec())
            .unwrap()
    }

    #[test]
    fn zendesk_gets_json_with_numbers_as_numbers() {
        let json = encode(request(), TokenEncoding::Json).unwrap();
        assert_eq!(json.headers()[CONTENT_TYPE], "application/json");
        let body: Value = serde_json::from_slice(json.body()).unwrap();
        let expected = serde_json::json!({
            "grant_type": "refresh_token", "refresh_token": "a+b", "expires_in": 172_800,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_server_that_wants_forms_gets_forms() {
        let form = encode(request(), TokenEncoding::Form).unwrap();
        assert_eq!(form.body(), &request().into_body());
        assert_eq!(
            form.headers()[CONTENT_TYPE],
            "application/x-www-form-urlencoded"
        );
    }
}
