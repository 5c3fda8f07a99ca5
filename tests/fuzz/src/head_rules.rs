//! The rules for headers, applied to any head: what must not pass, what must, what we set.

mod answer;
mod script;

use std::collections::BTreeSet;

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Checks one head. The first byte chooses whether it is a script's or Zendesk's, the second the
/// contents of its first line, and the rest are its lines, each `name: value`.
pub fn head_rules(data: &[u8]) {
    let Some((&[choice, first], rest)) = data.split_first_chunk() else {
        return;
    };
    // In addition to the lines of the head: one for the other side's, or for the target.
    let (other, lines) = match rest.iter().position(|b| *b == b'\n') {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, &[][..]),
    };
    let headers = headers(lines);
    if choice & 1 == 0 {
        answer::check(choice >> 1, first, other, &headers);
    } else {
        script::check(choice >> 1, first, other, &headers);
    }
}

/// The lines that can occur in a head at all.
fn headers(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let value = line[colon + 1..].trim_ascii();
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(&line[..colon]),
            HeaderValue::from_bytes(value),
        ) {
            headers.append(name, value);
        }
    }
    headers
}

/// Every value of a header.
fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a [u8]> {
    let all = headers.get_all(name).into_iter();
    all.map(HeaderValue::as_bytes).collect()
}

/// The names in all `Connection` lines, in lower case.
fn named_by_connection(headers: &HeaderMap) -> BTreeSet<String> {
    let lines = values(headers, "connection").join(&b',');
    let lines = String::from_utf8_lossy(&lines).to_ascii_lowercase();
    let names = lines.split(',').map(|name| name.trim_matches([' ', '\t']));
    names.map(str::to_owned).collect()
}

/// Contains nothing that could end a line early.
fn assert_one_line(headers: &HeaderMap) {
    for (name, value) in headers {
        let bad = |b: &u8| matches!(b, b'\r' | b'\n' | 0);
        assert!(!value.as_bytes().iter().any(bad), "{name}: {value:?}");
    }
}

/// RFC 9110 section 7.6.1, and what proxies have added to it.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];
