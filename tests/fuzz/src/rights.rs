//! What a key allows, for any key and any request.
//!
//! A request that is let through must mean the same to every server, the matcher of rules must
//! agree with one that tries everything, and a body that is let through must name no other method
//! to a plain reader of forms or of JSON, however it is split.

mod body;
mod matcher;

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Uri};
use loopdesk_protocol::key;
use loopdeskd::rights::Rights;

use crate::reading;

/// Checks one key and one request. Lines that start with `scope`, `allow` and `deny` define the
/// key; then come a method and a target, headers, an empty line and the body.
pub fn rights(data: &[u8]) {
    let (mut asked, mut rest) = (key::RightsText::default(), data);
    while let Some((kind, text, after)) = line_of_key(rest) {
        match kind {
            "scope" => asked.scopes.push(text),
            "allow" => asked.allow.push(text),
            _ => asked.deny.push(text),
        }
        rest = after;
    }
    matcher::check(&asked);
    let rights = match Rights::parse(&asked) {
        Ok(rights) => rights,
        Err(mistakes) => {
            assert!(mistakes.ends_with(['.', '?']), "{mistakes}");
            return;
        }
    };
    let text = rights.text();
    assert_eq!(Rights::parse(&text).as_ref(), Ok(&rights), "{text:?}");
    assert!(rights.beyond(&rights).is_empty(), "{text:?}");
    if let Some((head, body)) = request(rest) {
        judged(&rights, &head);
        body::check(&head, body);
    }
}

fn line_of_key(text: &[u8]) -> Option<(&'static str, String, &[u8])> {
    let end = text.iter().position(|b| *b == b'\n')?;
    let line = std::str::from_utf8(&text[..end]).ok()?;
    let (kind, value) = line.split_once(' ')?;
    let kind = ["scope", "allow", "deny"]
        .into_iter()
        .find(|known| *known == kind)?;
    Some((kind, value.to_owned(), &text[end + 1..]))
}

fn request(text: &[u8]) -> Option<(Parts, &[u8])> {
    let end = text.iter().position(|b| *b == b'\n').unwrap_or(text.len());
    let (first, mut rest) = (
        std::str::from_utf8(&text[..end]).ok()?,
        text.get(end + 1..)?,
    );
    let (method, target) = first.split_once(' ')?;
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).ok()?)
        .uri(target.parse::<Uri>().ok()?);
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            break;
        };
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request = request.header(
            name,
            HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?,
        );
    }
    Some((request.body(()).ok()?.into_parts().0, rest))
}

fn judged(rights: &Rights, head: &Parts) {
    let verdict = rights.judge(head);
    let explained = rights.explain(&head.method, &head.uri);
    if head.headers.is_empty() {
        assert_eq!(verdict.is_ok(), explained.allowed, "{head:?}");
    }
    if let Err(denial) = &verdict {
        assert!(
            !denial.line.is_empty() && denial.why.ends_with('.'),
            "{denial:?}"
        );
        return;
    }
    assert!(
        explained.allowed && explained.why.ends_with('.'),
        "{explained:?}"
    );
    if rights.is_full() {
        return;
    }
    assert_no_override(head);
    for names in reading::readings(head.uri.path()) {
        let target = plain(&names);
        let plain = rights.explain(&head.method, &target);
        // To a server that ignores case, it is the same route, but it may be one that is denied.
        // All other servers see exactly this one.
        let same_case = reading::decoded(head.uri.path().as_bytes()) == spelled(&names, &head.uri);
        assert!(
            if same_case {
                plain.allowed
            } else {
                !plain.line.starts_with("deny")
            },
            "{} {} is also {target}: {plain:?}",
            head.method,
            head.uri
        );
    }
}

/// Segments as the path of a target.
fn plain(names: &[Vec<u8>]) -> Uri {
    let names = names.iter().map(|name| {
        let encoded = reading::decoded(name).into_iter().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        });
        encoded.collect::<String>()
    });
    let path = format!("/{}", names.collect::<Vec<_>>().join("/"));
    path.parse().expect("a path")
}

/// The same segments with the trailing slash and suffix of the given path.
fn spelled(names: &[Vec<u8>], given: &Uri) -> Vec<u8> {
    let mut path = vec![b'/'];
    path.extend(reading::decoded(&names.join(&b'/')));
    let given = given.path();
    let (given, slash) = given
        .strip_suffix('/')
        .map_or((given, ""), |given| (given, "/"));
    if given.ends_with(".json") && !path.ends_with(b".json") {
        path.extend(b".json");
    }
    if !names.is_empty() {
        path.extend(slash.as_bytes());
    }
    path
}

fn assert_no_override(head: &Parts) {
    for name in head.headers.keys() {
        let name = name.as_str().replace('_', "-");
        let overrides = [
            "x-http-method-override",
            "x-http-method",
            "x-method-override",
        ];
        assert!(!overrides.contains(&name.as_str()), "{name}");
    }
    let query = head.uri.query().unwrap_or_default();
    for pair in query.split(['&', ';']) {
        let name = pair.split('=').next().unwrap_or_default();
        let (once, twice) = (reading::decoded(name.as_bytes()), |name: &[u8]| {
            reading::decoded(name)
        });
        assert!(once != b"_method" && twice(&once) != b"_method", "{query}");
    }
}
