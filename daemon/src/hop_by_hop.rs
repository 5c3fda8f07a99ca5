//! Headers that belong to a single connection (RFC 9110 section 7.6.1).

use http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TRANSFER_ENCODING, UPGRADE,
};

/// Removes everything that must not cross an intermediary, except `TE` and `Trailer`, which each
/// direction handles itself.
pub(crate) fn strip(headers: &mut HeaderMap) {
    strip_and(headers, |_| true);
}

/// The same, in one pass with all other names that `keeps` doesn't accept.
pub(crate) fn strip_and(headers: &mut HeaderMap, keeps: impl Fn(&HeaderName) -> bool) {
    // All `Connection` lines apply. `HeaderMap::remove` only returns the first one, so collect the
    // names before removing anything.
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    retain(headers, |name| {
        !ALWAYS.contains(name) && !named.contains(name) && keeps(name)
    });
}

/// Keeps the headers whose names `keeps` accepts, in order. `HeaderMap::remove` would fill the gap
/// with the last header; order carries no meaning (RFC 9110 section 5.3), but bot detection looks
/// at it.
pub(crate) fn retain(headers: &mut HeaderMap, keeps: impl Fn(&HeaderName) -> bool) {
    if headers.keys().all(&keeps) {
        return;
    }
    let given = std::mem::take(headers);
    headers.reserve(given.len());
    let mut kept = None;
    // Only the first value of a name comes with that name.
    for (name, value) in given {
        if let Some(name) = name {
            kept = keeps(&name).then_some(name);
        }
        if let Some(name) = &kept {
            headers.append(name, value);
        }
    }
}

static ALWAYS: [HeaderName; 8] = [
    CONNECTION,
    HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TRANSFER_ENCODING,
    UPGRADE,
];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_connection_line_names_headers_to_remove() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, HeaderValue::from_static("X-One , close,"));
        headers.append(CONNECTION, HeaderValue::from_static("x-two"));
        for name in ["x-one", "x-two", "x-three", "keep-alive", "upgrade"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        strip(&mut headers);
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-three"]);
    }

    #[test]
    fn s1_what_stays_keeps_its_order_and_its_repetitions() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("a", "1"),
            ("connection", "b"),
            ("b", "2"),
            ("c", "3"),
            ("upgrade", "h2c"),
            ("d", "4"),
            ("c", "5"),
            ("b", "6"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        strip(&mut headers);
        let left: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(left, [("a", "1"), ("c", "3"), ("c", "5"), ("d", "4")]);
    }
}
