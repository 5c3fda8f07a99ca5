//! The first line of a request, corrected to what RFC 9112 allows.
//!
//! Scripts send addresses as people write them: `query=created>2025-01-01`, with quotes, spaces and
//! umlauts. Zendesk accepts them, and hyper doesn't. Each such byte has exactly one reading, its
//! percent-encoding. Bytes without one are refused: a line break or a `#` could end the address for
//! one reader and not for another.

use std::borrow::Cow;

use crate::error_response::HeadError;
use crate::percent::{self, Unencodable};

/// A request line for hyper.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestLine {
    /// The corrected line with its ending; `None` if it was correct already.
    pub(super) corrected: Option<Vec<u8>>,
    /// Whether its answer has no body.
    pub(super) is_head: bool,
}

/// Reads a whole line, including the line feed at its end. The target is everything between the
/// first space and the last ` HTTP/1.x`.
///
/// # Errors
/// The line can't be corrected to valid HTTP.
pub(super) fn read(line: &[u8]) -> Result<RequestLine, HeadError> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let space = memchr::memchr(b' ', text).unwrap_or(text.len());
    let (method, rest) = text.split_at(space);
    check_method(method)?;
    if method.is_empty() {
        return Err(HeadError::NoMethod);
    }
    let target = VERSIONS.iter().find_map(|known| rest.strip_suffix(*known));
    let Some(target) = target else {
        return Err(without_version(rest));
    };
    let target = target.get(1..).filter(|target| !target.is_empty());
    let target = target.ok_or(HeadError::NoTarget)?;
    let encoded = percent::encoded(target).map_err(|why| match why {
        Unencodable::Fragment => HeadError::Fragment,
        Unencodable::Control => HeadError::Control,
    })?;
    if encoded.len() > TARGET_MAX {
        return Err(HeadError::TargetTooLong(TARGET_MAX));
    }
    let corrected = match encoded {
        Cow::Borrowed(_) => None,
        Cow::Owned(encoded) => {
            let (before, after) = (&line[..=space], &line[space + 1 + target.len()..]);
            Some([before, &encoded, after].concat())
        }
    };
    Ok(RequestLine {
        corrected,
        is_head: method == b"HEAD",
    })
}

/// Checks whether a request line can begin like this. Anything that isn't HTTP must be refused
/// without waiting: it may never send the end of a line.
///
/// # Errors
/// The beginning is TLS, or isn't a method.
pub(super) fn check_start(start: &[u8]) -> Result<(), HeadError> {
    let space = memchr::memchr(b' ', start).unwrap_or(start.len());
    check_method(&start[..space])
}

fn check_method(method: &[u8]) -> Result<(), HeadError> {
    match method {
        [TLS_HANDSHAKE, ..] => Err(HeadError::Tls),
        _ if method.iter().all(is_tchar) => Ok(()),
        _ => Err(HeadError::NoMethod),
    }
}

/// RFC 9110 section 5.6.2.
fn is_tchar(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

fn without_version(rest: &[u8]) -> HeadError {
    let last = rest.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    if last.starts_with(b"HTTP/") {
        HeadError::Version
    } else {
        HeadError::NoVersion
    }
}

/// Bytes of a target, percent-encoded: as many as `http::Uri` accepts.
pub(super) const TARGET_MAX: usize = u16::MAX as usize - 1;

const VERSIONS: [&[u8]; 2] = [b" HTTP/1.1", b" HTTP/1.0"];

/// The first byte of a TLS record that begins a connection (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(target: &[u8]) -> Result<Vec<u8>, HeadError> {
        let line = [b"GET ", target, b" HTTP/1.1\r\n"].concat();
        let read = read(&line)?;
        let written = read.corrected.unwrap_or(line);
        let target = written.strip_prefix(b"GET ").unwrap();
        Ok(target.strip_suffix(b" HTTP/1.1\r\n").unwrap().to_vec())
    }

    #[test]
    fn s8_what_scripts_send_raw_is_percent_encoded() {
        for (sent, read) in [
            (
                &b"/search?query=created>2025-01-01"[..],
                "/search?query=created%3E2025-01-01",
            ),
            (b"/s?q=\"a b\"", "/s?q=%22a%20b%22"),
            (b"/s?q=a<b|c^d`e{f}\\g", "/s?q=a%3Cb%7Cc%5Ed%60e%7Bf%7D%5Cg"),
            ("/s?q=M\u{fc}ller".as_bytes(), "/s?q=M%C3%BCller"),
            (b"/s?q=M\xfcller", "/s?q=M%FCller"),
            (b"/a HTTP/1.1", "/a%20HTTP/1.1"),
            (b" /a ", "%20/a%20"),
        ] {
            let sent = target(sent).unwrap();
            assert_eq!(String::from_utf8(sent).unwrap(), read);
        }
    }

    #[test]
    fn s8_what_has_no_reading_says_why() {
        let line = |text: &str| read(text.as_bytes()).map(|read| read.corrected);
        for (text, why) in [
            ("GET /a\0b HTTP/1.1\r\n", HeadError::Control),
            ("GET /a\tb HTTP/1.1\r\n", HeadError::Control),
            ("GET /a\rb HTTP/1.1\r\n", HeadError::Control),
            ("GET /a\u{7f} HTTP/1.1\r\n", HeadError::Control),
            ("GET /a#b HTTP/1.1\r\n", HeadError::Fragment),
            ("GET /a\r\n", HeadError::NoVersion),
            ("GET\r\n", HeadError::NoVersion),
            ("GET /a HTTP/1.1 \r\n", HeadError::NoVersion),
            ("GET HTTP/1.1\r\n", HeadError::NoTarget),
            ("GET  HTTP/1.1\r\n", HeadError::NoTarget),
            (" /a HTTP/1.1\r\n", HeadError::NoMethod),
            ("GET\t/a HTTP/1.1\r\n", HeadError::NoMethod),
            ("PRI * HTTP/2.0\r\n", HeadError::Version),
            ("GET /a HTTP/1.2\r\n", HeadError::Version),
            ("GET /a http/1.1\r\n", HeadError::NoVersion),
            ("\u{16}\u{3}\u{1}\n", HeadError::Tls),
        ] {
            assert_eq!(line(text), Err(why), "{text:?}");
        }
        assert_eq!(line("GET /a HTTP/1.0\n"), Ok(None));
        assert_eq!(check_start(b"\x16"), Err(HeadError::Tls));
        assert_eq!(check_start(b"GE"), Ok(()));
        assert_eq!(check_start(b"GET /\xff"), Ok(()));
    }

    /// RFC 3986's grammar, written down a second time.
    fn is_allowed(byte: u8) -> bool {
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        unreserved || b":/?[]@".contains(&byte) || b"!$&'()*+,;=%".contains(&byte)
    }

    proptest! {
        #[test]
        fn s8_every_byte_becomes_itself_or_its_encoding(sent in prop::collection::vec(any::<u8>(), 1..40)) {
            let expected: String = sent
                .iter()
                .map(|b| match is_allowed(*b) {
                    true => char::from(*b).to_string(),
                    false => format!("%{b:02X}"),
                })
                .collect();
            let has_none = |b: &u8| b.is_ascii_control() || *b == b'#';
            match target(&sent) {
                Ok(read) => prop_assert_eq!(String::from_utf8(read).unwrap(), expected),
                Err(_) => prop_assert!(sent.iter().any(has_none)),
            }
            prop_assert_eq!(target(&sent).is_err(), sent.iter().any(has_none));
        }
    }
}
