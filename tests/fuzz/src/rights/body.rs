//! Bodies, read by plain readers of forms and of JSON.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use loopdeskd::rights::fuzzing::names_another_method;

use crate::reading;

pub(super) fn check(head: &Parts, body: &[u8]) {
    let headers = &head.headers;
    let whole = names_another_method(headers, [body]);
    for size in [1, 3] {
        let cut = names_another_method(headers, body.chunks(size));
        assert_eq!(cut, whole, "in pieces of {size}: {}", body.escape_ascii());
    }
    let shown = || format!("{headers:?} {}", body.escape_ascii());
    if !whole && is(headers, "application/x-www-form-urlencoded") {
        let mut pairs = body.split(|b| matches!(b, b'&' | b';'));
        assert!(!pairs.any(is_method), "{}", shown());
    }
    if is(headers, "application/json")
        && let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(body)
    {
        let mut names = object.keys();
        let named = names.any(|name| name.eq_ignore_ascii_case("_method"));
        assert_eq!(whole, named, "{}", shown());
    }
    if !whole && is(headers, "multipart/form-data; boundary=b") {
        assert!(!part_is_method(body), "{}", shown());
    }
}

fn is(headers: &HeaderMap, content_type: &str) -> bool {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    lines.next().is_some_and(|line| line == content_type) && lines.next().is_none()
}

/// As Rack reads a pair.
fn is_method(pair: &[u8]) -> bool {
    let name = pair.split(|b| *b == b'=').next().unwrap_or_default();
    let name: Vec<u8> = name
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    let name = reading::decoded(name.trim_ascii_start());
    let start = name
        .iter()
        .position(|b| !matches!(b, b'[' | b']'))
        .unwrap_or(0);
    let name = &name[start..];
    name.split(|b| matches!(b, b'[' | b']')).next() == Some(b"_method")
}

/// Parts by the letter of RFC 2046, and their names as everyone writes them.
fn part_is_method(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    let mut parts = text.split("--b\r\n").skip(1);
    parts.any(|part| {
        let head = part.split("\r\n\r\n").next().unwrap_or_default();
        head.split("\r\n").any(|line| {
            let line = line.to_ascii_lowercase();
            line.starts_with("content-disposition: form-data; ")
                && line.contains("; name=\"_method\"")
        })
    })
}
