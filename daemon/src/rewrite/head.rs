//! An answer's headers: those that must not reach a script, our own, and those that point
//! elsewhere.

use std::mem;

use http::HeaderValue;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_LOCATION,
    CONTENT_SECURITY_POLICY, ETAG, HeaderMap, HeaderName, LINK, LOCATION, TRAILER, VARY,
    X_CONTENT_TYPE_OPTIONS,
};

use super::origins::OriginsView;
use super::{address, link};
use crate::content::{DIGESTS, is_document, items};
use crate::hop_by_hop;

/// Removes what belongs to the connection with Zendesk, to browsers, or to loopdesk itself, and
/// adds what keeps a browser from reading an answer that it gets hold of.
pub(super) fn clean(headers: &mut HeaderMap, trailers: bool) {
    strip(headers);
    if trailers {
        announce(headers);
    } else {
        headers.remove(TRAILER);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CROSS_ORIGIN_RESOURCE_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    if is_document(headers) {
        // In addition to Zendesk's own: all policies apply (CSP level 3, section 8.1).
        headers.append(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
}

/// For a program that takes itself to be talking to Zendesk: removes what belongs to the connection, what
/// would lead around us, and cookies, which are credentials of their own.
pub(super) fn clean_verbatim(headers: &mut HeaderMap, trailers: bool) {
    hop_by_hop::strip(headers);
    hop_by_hop::retain(headers, |name| !STRIPPED_VERBATIM.contains(&name.as_str()));
    if trailers {
        announce(headers);
    } else {
        headers.remove(TRAILER);
    }
}

/// Removes from a trailer section what would have been removed from the head, and what isn't
/// allowed in a trailer (RFC 9110 section 6.5.1). The digest of a body that has changed is wrong.
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    strip(trailers);
    let names = BODY.iter().chain(&DIGESTS);
    for name in names.chain([&TRAILER, &LOCATION, &CONTENT_LOCATION]) {
        trailers.remove(name);
    }
}

/// Points `Location`, `Content-Location` and `Link` at the local base if they lead to something
/// that is served here.
pub(super) fn localise(headers: &mut HeaderMap, view: &OriginsView) {
    let address = address::localised as fn(&[u8], &OriginsView) -> Option<Vec<u8>>;
    for (name, localised) in [
        (LOCATION, address),
        (CONTENT_LOCATION, address),
        (LINK, link::localised),
    ] {
        let http::header::Entry::Occupied(mut lines) = headers.entry(name) else {
            continue;
        };
        for line in lines.iter_mut() {
            let local = localised(line.as_bytes(), view);
            if let Some(Ok(mut local)) = local.map(|local| HeaderValue::from_bytes(&local)) {
                local.set_sensitive(line.is_sensitive());
                let _theirs = mem::replace(line, local);
            }
        }
    }
}

/// Adapts the head to a body that was decoded, rewritten, or both.
pub(super) fn describe_changed(headers: &mut HeaderMap) {
    for name in BODY.iter().chain(&DIGESTS) {
        headers.remove(name);
    }
    // The bytes differ from those that the tag identifies, but the meaning doesn't.
    if let Some(tag) = headers.get_mut(ETAG)
        && tag.as_bytes().starts_with(b"\"")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        *tag = weak;
    }
}

/// Declares that another script could have received the same answer encoded.
pub(super) fn vary_by_coding(headers: &mut HeaderMap) {
    let known = items(headers, VARY)
        .any(|item| item == b"*" || item.eq_ignore_ascii_case(ACCEPT_ENCODING.as_str().as_bytes()));
    if !known {
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
}

fn strip(headers: &mut HeaderMap) {
    hop_by_hop::strip_and(headers, |name| {
        let name = name.as_str();
        !STRIPPED.contains(&name) && !STRIPPED_FAMILIES.iter().any(|f| name.starts_with(f))
    });
}

/// Leaves in `Trailer` only what [`clean_trailers`] lets through.
fn announce(headers: &mut HeaderMap) {
    let mut announced: HeaderMap = items(headers, TRAILER)
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .map(|name| (name, HeaderValue::from_static("")))
        .collect();
    clean_trailers(&mut announced);
    let names: Vec<&str> = announced.keys().map(HeaderName::as_str).collect();
    match HeaderValue::from_str(&names.join(", ")) {
        Ok(value) if !value.is_empty() => headers.insert(TRAILER, value),
        _ => headers.remove(TRAILER),
    };
}

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// Headers that never reach a script: those of Zendesk's cookies and transport, and our own.
pub const STRIPPED: &[&str] = &[
    "te",
    "set-cookie",
    // It would turn every `http://localhost` in this machine's browser into https.
    "strict-transport-security",
    "alt-svc",
    "nel",
    "report-to",
    "reporting-endpoints",
    // Only our own answers carry it.
    "x-loopdesk-error",
];

/// The headers of Zendesk that a program under `loopdesk exec` doesn't get, beside those of the
/// connection.
pub const STRIPPED_VERBATIM: &[&str] = &["te", "set-cookie", "alt-svc", "x-loopdesk-error"];

/// Prefixes of further header names that never reach a script.
pub const STRIPPED_FAMILIES: &[&str] = &["proxy-", "access-control-"];

/// Headers that describe the exact bytes of a body, beside digests.
static BODY: [HeaderName; 3] = [CONTENT_LENGTH, CONTENT_ENCODING, ACCEPT_RANGES];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn s4_what_ends_here_is_removed_and_all_else_passes() {
        let mut headers = headers(&[
            ("connection", "x-one , close,"),
            ("connection", "X-Two"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("trailer", "x-runtime"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("set-cookie", "__cfruid=1; domain=.acme.zendesk.com"),
            ("set-cookie", "_zendesk_session=2"),
            ("strict-transport-security", "max-age=31536000"),
            ("alt-svc", "h3=\":443\""),
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "*"),
            ("nel", "{}"),
            ("report-to", "{}"),
            ("reporting-endpoints", "e=\"https://acme.zendesk.com\""),
            ("x-loopdesk-error", "signed-out"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("x-content-type-options", "none"),
            ("x-request-id", "a-IAD"),
            ("x-request-id", "b-IAD"),
            ("retry-after", "30"),
            ("x-rate-limit-remaining", "0"),
            ("etag", "W/\"a\""),
            ("content-length", "2"),
        ]);
        for name in STRIPPED {
            assert!(headers.contains_key(*name), "{name} isn't tried");
        }
        clean(&mut headers, false);
        let mut left = lines(&headers);
        left.sort();
        assert_eq!(
            left,
            [
                "content-length: 2",
                "cross-origin-resource-policy: same-origin",
                "etag: W/\"a\"",
                "retry-after: 30",
                "x-content-type-options: nosniff",
                "x-rate-limit-remaining: 0",
                "x-request-id: a-IAD",
                "x-request-id: b-IAD",
            ]
        );
    }

    #[test]
    fn d1_nothing_of_zendesks_runs_with_the_origin_of_the_door() {
        for (media_type, is_sandboxed) in [
            ("text/html", true),
            ("Text/HTML ; charset=utf-8", true),
            ("application/xhtml+xml", true),
            ("image/svg+xml", true),
            ("text/xml", true),
            ("application/xml; charset=utf-8", true),
            ("application/rss+xml", true),
            ("multipart/x-mixed-replace; boundary=b", true),
            ("text/plain, text/html", true),
            ("application/json", false),
            ("image/png", false),
            ("text/plain; x=text/html", false),
        ] {
            let mut headers = headers(&[
                ("content-type", media_type),
                ("connection", "content-security-policy"),
            ]);
            clean(&mut headers, false);
            let policy = headers.remove(CONTENT_SECURITY_POLICY);
            assert_eq!(policy.is_some(), is_sandboxed, "{media_type}");
        }
        let mut both = headers(&[
            ("content-type", "text/html"),
            ("content-security-policy", "default-src 'none'"),
        ]);
        clean(&mut both, false);
        let both: Vec<_> = both.get_all(CONTENT_SECURITY_POLICY).iter().collect();
        assert_eq!(both, ["default-src 'none'", "sandbox"]);
    }

    #[test]
    fn s4_trailers_are_announced_to_scripts_that_take_them() {
        let announced = |value| {
            let mut headers = headers(&[("trailer", value)]);
            clean(&mut headers, true);
            headers.remove(TRAILER)
        };
        assert_eq!(
            announced("X-Runtime, Set-Cookie, digest, x-b3").unwrap(),
            "x-runtime, x-b3"
        );
        assert_eq!(announced("Content-Length"), None);
        assert_eq!(announced("(;)"), None);
    }

    #[test]
    fn s3_the_head_of_a_changed_body_is_true() {
        let mut changed = headers(&[
            ("content-length", "9"),
            ("content-encoding", "gzip"),
            ("content-md5", "x"),
            ("digest", "x"),
            ("content-digest", "x"),
            ("repr-digest", "x"),
            ("accept-ranges", "bytes"),
            ("etag", "\"a\""),
            ("content-type", "application/json"),
        ]);
        describe_changed(&mut changed);
        let mut left = lines(&changed);
        left.sort();
        assert_eq!(left, ["content-type: application/json", "etag: W/\"a\""]);
        describe_changed(&mut changed);
        assert_eq!(changed[ETAG], "W/\"a\"");
    }

    #[test]
    fn s3_vary_names_the_coding_once() {
        for (before, after) in [
            (&[][..], &["vary: accept-encoding"][..]),
            (
                &[("vary", "Accept, Accept-Encoding")],
                &["vary: Accept, Accept-Encoding"],
            ),
            (&[("vary", "*")], &["vary: *"]),
            (
                &[("vary", "accept")],
                &["vary: accept", "vary: accept-encoding"],
            ),
        ] {
            let mut headers = headers(before);
            vary_by_coding(&mut headers);
            assert_eq!(lines(&headers), after);
        }
    }
}
