//! An endpoint that repeats what it was sent, including the token. Zendesk has no known one; test
//! tools for webhooks and debug pages of other services are like this.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value};

use super::super::answer::Answer;
use super::super::call::Call;

/// `/api/v2/echo`: the request's headers as JSON, or as a page with `?as=html`, and the credential
/// in a response header as well.
pub(super) fn serve(call: &Call) -> Answer {
    let credential = call.header(AUTHORIZATION.as_str()).unwrap_or_default();
    let token = credential.rsplit(' ').next().unwrap_or_default();
    let mut headers = Map::new();
    for (name, value) in &call.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.insert(name.to_string(), Value::String(value));
    }
    let basic = STANDARD.encode(format!("me@example.com/token:{token}"));
    let body = serde_json::json!({"headers": headers, "basic": basic});
    let answer = match call.query.get("as") {
        Some("html") => Answer::html(200, format!("<pre>{body:#}</pre>\n")),
        _ => Answer::json(200, &body),
    };
    answer
        .header("x-echo", credential)
        .header("x-echo-basic", &basic)
}
