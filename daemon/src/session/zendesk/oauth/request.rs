//! The `oauth2` crate's HTTP client. It sends the requests in the encoding that the server wants
//! (the crate only encodes forms) and journals the answers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};
use jiff::Timestamp;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use serde_json::{Map, Value};

use super::{EXPIRES_IN, REFRESH_EXPIRES_IN};
use crate::config::TokenEncoding;
use crate::failpoint;
use crate::session::model::outcome::TokenOutcome;
use crate::session::store::journal::AnswerJournal;
use crate::upstream::Upstream;

/// Sends one token request.
#[derive(Debug)]
pub(super) struct TokenRequests<'a> {
    upstream: &'a Upstream,
    encoding: TokenEncoding,
    /// Where to write the answer first, and when the request was sent.
    journal: Option<(&'a AnswerJournal, Timestamp)>,
}

impl<'a> TokenRequests<'a> {
    pub(super) fn new(
        upstream: &'a Upstream,
        encoding: TokenEncoding,
        journal: Option<(&'a AnswerJournal, Timestamp)>,
    ) -> Self {
        Self {
            upstream,
            encoding,
            journal,
        }
    }

    async fn send(&self, request: HttpRequest) -> Answer {
        let request = encode(request, self.encoding).map_err(|e| {
            TokenOutcome::unsendable(format!("the token request can't be encoded: {e}"))
        })?;
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
        // No await since the last byte arrived, so that nothing can happen in between.
        if response.status().is_success() {
            if let Some((journal, asked_at)) = self.journal {
                journal.write(asked_at, response.body());
            }
            failpoint::reach(failpoint::ANSWER_READ);
        }
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for TokenRequests<'_> {
    type Error = Answered;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Answered>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async { Err(Answered(Box::new(self.send(request).await))) })
    }
}

/// The unread answer, or the outcome of a request without one. It is passed through the crate as an
/// error, because the crate's own reader treats every status but 200 as a failure, requires one
/// exact JSON content type and rejects `"expires_in":"1800"`.
#[derive(thiserror::Error)]
#[error("the answer bypasses the oauth2 crate")]
pub(super) struct Answered(pub(super) Box<Answer>);

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The answer may contain tokens.
        f.debug_struct("Answered").finish_non_exhaustive()
    }
}

type Answer = Result<Response<Bytes>, TokenOutcome>;

/// The request in the configured encoding, in JSON with lifetimes as numbers.
fn encode(
    request: HttpRequest,
    encoding: TokenEncoding,
) -> Result<Request<Bytes>, serde_json::Error> {
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
    let body = serde_json::to_vec(&object)?;
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Request::from_parts(parts, body.into()))
}

/// Impatience is expensive: an answer that arrives after we hang up is a lost token pair.
const DEADLINE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

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
    fn d4_an_answer_on_its_way_shows_no_token() {
        let body = Bytes::from_static(br#"{"access_token":"s3cret"}"#);
        let answered = Answered(Box::new(Ok(Response::new(body))));
        for text in [format!("{answered:?}"), answered.to_string()] {
            assert!(!text.contains("s3cret"), "{text}");
        }
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
