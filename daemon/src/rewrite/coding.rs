//! Content codings: what a script accepts, what is asked of Zendesk, what an answer has.

use http::HeaderValue;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderName, RANGE};
use http::request::Parts;

/// What is asked of Zendesk for this request, as the value of `Accept-Encoding`; `None` if the
/// header is to be left out.
///
/// Only what can be decoded again is asked for, because an answer may have to be rewritten, and no
/// token may hide in it. A `Range` request asks the same, so that its parts fit those that came
/// before, but says nothing where the script says nothing.
pub fn accept_encoding(head: &Parts) -> Option<HeaderValue> {
    if head.headers.contains_key(RANGE) && !head.headers.contains_key(ACCEPT_ENCODING) {
        return None;
    }
    Some(HeaderValue::from_static(if accepts_gzip(&head.headers) {
        "gzip"
    } else {
        "identity"
    }))
}

/// Whether the sender of these headers reads gzip (RFC 9110 section 12.5.3).
///
/// Without the header it may be sent anything by the letter, but scripts that don't name gzip
/// don't decode it either: Python's urllib, Go's raw transport, a bare curl.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = false;
    for item in items(headers, ACCEPT_ENCODING) {
        let mut parameters = item.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        let coding = parameters.next().unwrap_or_default();
        let wanted = !parameters.any(is_zero_weight);
        if is_gzip(coding) {
            return wanted;
        }
        any |= coding == b"*" && wanted;
    }
    any
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Not at all.
    Identity,
    /// By gzip, once.
    Gzip,
    /// In a way that isn't decoded here.
    Other,
}

impl Coding {
    /// The coding that an answer's head names.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut codings =
            items(headers, CONTENT_ENCODING).filter(|item| !item.eq_ignore_ascii_case(b"identity"));
        match (codings.next(), codings.next()) {
            (None, _) => Self::Identity,
            (Some(only), None) if is_gzip(only) => Self::Gzip,
            _ => Self::Other,
        }
    }
}

fn is_gzip(coding: &[u8]) -> bool {
    // RFC 9110 section 8.4.1.3: `x-gzip` is the same.
    coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip")
}

/// `q=0`, `q=0.0` and so on: not acceptable.
fn is_zero_weight(parameter: &[u8]) -> bool {
    let weight = parameter
        .strip_prefix(b"q=")
        .or_else(|| parameter.strip_prefix(b"Q="));
    weight.is_some_and(|weight| {
        weight.starts_with(b"0") && weight.iter().all(|b| matches!(b, b'0' | b'.'))
    })
}

/// The members of a comma-separated list over all lines of a header.
pub(super) fn items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(lines: &[(&'static str, &'static str)]) -> Parts {
        let mut head = Request::new(()).into_parts().0;
        for (name, value) in lines {
            head.headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        head
    }

    #[test]
    fn s3_only_what_can_be_decoded_is_asked_for() {
        for (accepted, asked) in [
            ("gzip", "gzip"),
            ("gzip, deflate, br, zstd", "gzip"),
            ("gzip;q=1.0,deflate;q=0.6,identity;q=0.3", "gzip"),
            ("deflate,X-GZIP;q=0.5", "gzip"),
            ("*", "gzip"),
            ("*;q=0, gzip", "gzip"),
            ("br", "identity"),
            ("", "identity"),
            ("identity", "identity"),
            ("gzip;q=0, *", "identity"),
            ("gzip ; Q=0.000", "identity"),
            ("*;q=0", "identity"),
            ("gzipped", "identity"),
        ] {
            let value = accept_encoding(&head(&[("accept-encoding", accepted)]));
            assert_eq!(value.unwrap(), asked, "{accepted}");
        }
        assert_eq!(accept_encoding(&head(&[])).unwrap(), "identity");
        let two = head(&[("accept-encoding", "br"), ("accept-encoding", "gzip")]);
        assert_eq!(accept_encoding(&two).unwrap(), "gzip");
    }

    #[test]
    fn d4_p13_range_requests_ask_for_nothing_that_can_not_be_looked_into() {
        let range = ("range", "bytes=1-");
        let asked = |accepted| accept_encoding(&head(&[range, ("accept-encoding", accepted)]));
        assert_eq!(asked("br, zstd").unwrap(), "identity");
        assert_eq!(asked("br, gzip").unwrap(), "gzip");
        assert_eq!(accept_encoding(&head(&[range])), None);
    }

    #[test]
    fn s3_codings_are_told_apart() {
        for (value, coding) in [
            ("gzip", Coding::Gzip),
            ("X-Gzip", Coding::Gzip),
            ("identity", Coding::Identity),
            ("", Coding::Identity),
            ("identity, gzip", Coding::Gzip),
            ("gzip, gzip", Coding::Other),
            ("br", Coding::Other),
            ("deflate, gzip", Coding::Other),
        ] {
            let head = head(&[("content-encoding", value)]);
            assert_eq!(Coding::of(&head.headers), coding, "{value}");
        }
        assert_eq!(Coding::of(&HeaderMap::new()), Coding::Identity);
    }
}
