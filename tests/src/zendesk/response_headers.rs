//! The headers and encoding of all responses of the account's host.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use http::{Method, StatusCode};
use sha2::{Digest, Sha256};

use super::answer::Answer;
use super::call::Call;
use super::oauth::bearer;
use super::shared::{Settings, Shared, lock};

/// Turns an endpoint's response into what the front sends.
pub(super) fn finish(shared: &Shared, call: &Call, id: usize, answer: Answer) -> Answer {
    let settings = lock(&shared.settings).clone();
    let is_json = answer
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let mut answer = usual_headers(answer, id);
    if settings.escaped_slashes && is_json {
        answer.body = escape_slashes(&answer.body);
    }
    if is_json && call.path.starts_with("/api/") {
        if !answer.headers.contains_key("cache-control") {
            answer = answer.header("cache-control", "max-age=0, private, must-revalidate");
        }
        answer = tag(call, answer);
    }
    if uses_oauth(call) && call.path.starts_with("/api/") {
        // The hole that a proxy which injects a token would open for every web page.
        answer = answer.header("access-control-allow-origin", "*").header(
            "access-control-expose-headers",
            "X-Zendesk-API-Warn,X-Zendesk-User-Id,X-Zendesk-User-Session-Expires-At",
        );
    }
    compress(call, &settings, answer)
}

fn uses_oauth(call: &Call) -> bool {
    let value = call.header(AUTHORIZATION.as_str());
    value.and_then(bearer).is_some()
}

fn usual_headers(answer: Answer, id: usize) -> Answer {
    let request_id = format!("{:016x}-IAD", 0x70b4_0000_0000_0000_u64 + id as u64);
    answer
        .header("server", "cloudflare")
        .header("cf-cache-status", "DYNAMIC")
        .header("cf-ray", &request_id)
        .header(
            "report-to",
            r#"{"endpoints":[{"url":"https://a.nel.example.com/report/v4"}],"group":"cf-nel","max_age":604800}"#,
        )
        .header(
            "nel",
            r#"{"success_fraction":0.01,"report_to":"cf-nel","max_age":604800}"#,
        )
        .header("strict-transport-security", "max-age=31536000;")
        .header("x-frame-options", "SAMEORIGIN")
        .header("x-zendesk-api-version", "v2")
        .header("zendesk-api-version", "2022-01-01")
        .header("x-zendesk-application-version", "v11447")
        .header("x-zendesk-origin-server", "app-server-simulated")
        .header("x-zendesk-zorg", "yes")
        .header("x-runtime", "0.012345")
        // Twice, and one of them with two values in one line: this has been observed.
        .header("x-request-id", &request_id)
        .header("x-request-id", &format!("{request_id}, {request_id}"))
        .header(
            "set-cookie",
            "__cfruid=0123456789abcdef; path=/; domain=.simulated.zendesk.com; HttpOnly; Secure; SameSite=None",
        )
        .header(
            "set-cookie",
            "_zendesk_cookie=BAhJIhl7fQY6BkVU; path=/; secure; HttpOnly",
        )
}

/// Gives a JSON response its weak tag, and responds with 304 to a client that already has it.
fn tag(call: &Call, mut answer: Answer) -> Answer {
    if !call.method.is_safe() || answer.status != StatusCode::OK {
        return answer;
    }
    let digest = Sha256::digest(&answer.body);
    let digest: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = format!("W/\"{digest}\"");
    answer = answer.header(ETAG.as_str(), &tag);
    let known = call.header(IF_NONE_MATCH.as_str()).unwrap_or("");
    if known.split(',').any(|known| known.trim() == tag) {
        answer.status = StatusCode::NOT_MODIFIED;
        answer.body = Bytes::new();
        answer.headers.remove(CONTENT_TYPE);
    }
    answer
}

fn compress(call: &Call, settings: &Settings, answer: Answer) -> Answer {
    let is_text = answer.headers.get(CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        value.starts_with(b"application/json") || value.starts_with(b"text/")
    });
    if !settings.gzip || !is_text || answer.body.is_empty() {
        return answer;
    }
    let answer = answer.header("vary", "Accept-Encoding");
    if !accepts_gzip(call) || call.method == Method::HEAD {
        return answer;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to a Vec can't fail; if it did, the plain body would be sent.
    let packed = encoder
        .write_all(&answer.body)
        .and_then(|()| encoder.finish());
    match packed {
        Ok(packed) => answer
            .header(CONTENT_ENCODING.as_str(), "gzip")
            .body(packed),
        Err(_) => answer,
    }
}

fn accepts_gzip(call: &Call) -> bool {
    let values = call.headers.get_all(ACCEPT_ENCODING).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").map(str::parse::<f32>);
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight, Some(Ok(0.0)))
    })
}

/// Writes `/` as `\/`, as some JSON writers do. In JSON, it occurs only in strings.
fn escape_slashes(body: &Bytes) -> Bytes {
    let escaped = body.iter().fold(Vec::new(), |mut escaped, byte| {
        if *byte == b'/' {
            escaped.push(b'\\');
        }
        escaped.push(*byte);
        escaped
    });
    Bytes::from(escaped)
}
