//! Reads and writes JSON, and maps each kind of problem to a status.
//!
//! Answers aren't redacted here: texts of other programs are redacted where they are received, and
//! callers may see what they sent themselves (D7).

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use loopdesk_protocol::{Kind, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::lines::JsonLines;
use crate::body::Body;

/// Reads a request's body.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let wrong =
        |why: String| Problem::new(Kind::Usage, format!("the request can't be read: {why}"));
    let bytes = Limited::new(body, REQUEST_MAX)
        .collect()
        .await
        .map_err(|e| wrong(e.to_string()))?
        .to_bytes();
    // The parser's message quotes the unexpected text, which may be a secret.
    serde_json::from_slice(&bytes).map_err(|e| {
        wrong(format!(
            "unexpected JSON at line {}, column {}",
            e.line(),
            e.column()
        ))
    })
}

/// The answer to a call.
pub(super) fn from<T: Serialize>(result: Result<T, Problem>) -> Response<Body> {
    match result {
        Ok(value) => with_status(StatusCode::OK, &value),
        Err(failed) => problem(&failed),
    }
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
    with_status(status, problem)
}

/// An answer that is written line by line.
pub(super) fn lines<T: Serialize + Send + 'static>(lines: JsonLines<T>) -> Response<Body> {
    typed(Body::adapted(lines), "application/x-ndjson")
}

fn typed(body: Body, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn with_status(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let (status, text) = match serde_json::to_vec(value) {
        Ok(text) => (status, Zeroizing::new(text)),
        Err(error) => {
            tracing::error!(%error, "can't write an answer of the control API");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                Zeroizing::new(b"{}".to_vec()),
            )
        }
    };
    let mut response = typed(Body::full(text.to_vec()), "application/json");
    *response.status_mut() = status;
    response
}

/// Requests hold names and at most one pasted address.
const REQUEST_MAX: usize = 64 * 1024;
