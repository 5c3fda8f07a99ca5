//! What headers say about a message's content: its media type, its coding, its digests.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};

/// What kind of text a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// `application/json` and everything with the suffix `+json` (RFC 6839 section 3.1).
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Anything else.
    Other,
}

impl MediaType {
    /// The type that the headers name; `None` if they name none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.as_bytes();
        let essence = essence(value);
        Some(
            if essence.eq_ignore_ascii_case(b"application/json") || ends_with(essence, b"+json") {
                Self::Json
            } else if essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
                Self::Form
            } else {
                Self::Other
            },
        )
    }
}

/// Whether a browser may render the body as a document and run scripts in it: HTML, SVG, and any
/// XML, since that may contain elements of both.
pub(crate) fn is_document(headers: &HeaderMap) -> bool {
    items(headers, CONTENT_TYPE).any(|item| {
        let essence = essence(item);
        essence.eq_ignore_ascii_case(b"text/html")
            || essence.eq_ignore_ascii_case(b"multipart/x-mixed-replace")
            || ends_with(essence, b"/xml")
            || ends_with(essence, b"+xml")
    })
}

/// A media type without its parameters.
fn essence(value: &[u8]) -> &[u8] {
    let essence = value.split(|b| *b == b';').next();
    essence.unwrap_or(value).trim_ascii()
}

/// Whether `text` ends with `end`, in any case.
fn ends_with(text: &[u8], end: &[u8]) -> bool {
    let at = text.len().checked_sub(end.len());
    at.is_some_and(|at| text[at..].eq_ignore_ascii_case(end))
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Not at all.
    Identity,
    /// By gzip, once.
    Gzip,
    /// A coding that isn't decoded here.
    Other,
}

impl Coding {
    /// The coding that the headers name.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut codings =
            items(headers, CONTENT_ENCODING).filter(|item| !item.eq_ignore_ascii_case(b"identity"));
        match (codings.next(), codings.next()) {
            (None, _) => Self::Identity,
            (Some(only), None) if is_gzip(only) => Self::Gzip,
            _ => Self::Other,
        }
    }
}

/// Whether this coding is gzip (RFC 9110 section 8.4.1.3: `x-gzip` is the same).
pub(crate) fn is_gzip(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip")
}

/// The members of a comma-separated list over all lines of a header.
pub(crate) fn items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|item| !item.is_empty())
}

/// Digests of a body's exact bytes (RFC 9530 and its predecessors), wrong once the body is changed.
pub(crate) static DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

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
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(Coding::of(&headers), coding, "{value}");
        }
        assert_eq!(Coding::of(&HeaderMap::new()), Coding::Identity);
    }

    #[test]
    fn s2_media_types_are_told_apart() {
        for (value, media_type) in [
            ("application/json", MediaType::Json),
            ("Application/JSON ;charset=utf-8", MediaType::Json),
            ("application/vnd.api+json", MediaType::Json),
            (
                "application/x-www-form-urlencoded; charset=utf-8",
                MediaType::Form,
            ),
            ("application/jsonp", MediaType::Other),
            ("application/json-seq", MediaType::Other),
            ("text/json", MediaType::Other),
            (
                "multipart/form-data; boundary=application/json",
                MediaType::Other,
            ),
            ("", MediaType::Other),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(MediaType::of(&headers), Some(media_type), "{value}");
        }
        assert_eq!(MediaType::of(&HeaderMap::new()), None);
    }
}
