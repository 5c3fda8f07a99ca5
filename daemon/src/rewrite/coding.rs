//! Content codings: those that a script accepts, that Zendesk is asked for, and that an answer has.

use http::HeaderValue;
use http::header::{ACCEPT_ENCODING, HeaderMap};

use crate::content::{is_gzip, items};

/// The value to send to Zendesk in place of these headers' `Accept-Encoding`; `None` if it is to be
/// left out.
///
/// If the answer may have to be rewritten or decoded, only gzip is requested, which can be decoded
/// again, whether the script reads it or not: the line to Zendesk is the slow one. For answers that
/// won't be changed, the script's own preferences are sent on, limited to codings that can be
/// inspected: no token may hide in one (`leak_filter`).
pub(super) fn asked(headers: &HeaderMap, may_change: bool) -> Option<HeaderValue> {
    let coding = match may_change || accepts_gzip(headers) {
        true => "gzip",
        false if headers.contains_key(ACCEPT_ENCODING) => "identity",
        false => return None,
    };
    Some(HeaderValue::from_static(coding))
}

/// Whether the sender of these headers reads gzip (RFC 9110 section 12.5.3).
///
/// Without the header any coding is allowed in theory, but scripts that don't name gzip don't
/// decode it either: Python's urllib, Go's raw transport, a bare curl.
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

/// `q=0`, `q=0.0` and so on: not acceptable.
fn is_zero_weight(parameter: &[u8]) -> bool {
    let weight = parameter
        .strip_prefix(b"q=")
        .or_else(|| parameter.strip_prefix(b"Q="));
    weight.is_some_and(|weight| {
        weight.starts_with(b"0") && weight.iter().all(|b| matches!(b, b'0' | b'.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        let lines = lines.iter().map(|line| HeaderValue::from_static(line));
        lines.map(|line| (ACCEPT_ENCODING, line)).collect()
    }

    #[test]
    fn s3_who_reads_gzip() {
        for (accepted, reads) in [
            ("gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("gzip;q=1.0,deflate;q=0.6,identity;q=0.3", true),
            ("deflate,X-GZIP;q=0.5", true),
            ("*", true),
            ("*;q=0, gzip", true),
            ("br", false),
            ("", false),
            ("identity", false),
            ("gzip;q=0, *", false),
            ("gzip ; Q=0.000", false),
            ("*;q=0", false),
            ("gzipped", false),
        ] {
            assert_eq!(accepts_gzip(&headers(&[accepted])), reads, "{accepted}");
        }
        assert!(!accepts_gzip(&headers(&[])));
        assert!(accepts_gzip(&headers(&["br", "gzip"])));
    }

    #[test]
    fn s3_gzip_is_asked_for_even_if_the_script_does_not() {
        for lines in [&[][..], &["identity"], &["br", "zstd"], &["gzip;q=0"]] {
            assert_eq!(asked(&headers(lines), true).unwrap(), "gzip", "{lines:?}");
        }
    }

    #[test]
    fn d4_p13_what_nobody_changes_comes_in_no_coding_that_can_not_be_looked_into() {
        for (accepted, coding) in [
            ("br, zstd", "identity"),
            ("br, gzip", "gzip"),
            ("identity", "identity"),
            ("*", "gzip"),
        ] {
            assert_eq!(
                asked(&headers(&[accepted]), false).unwrap(),
                coding,
                "{accepted}"
            );
        }
        assert_eq!(asked(&headers(&[]), false), None);
    }
}
