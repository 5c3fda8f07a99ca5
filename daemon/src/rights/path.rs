//! A path that can be read in only one way.
//!
//! A limited key is judged by the path that is sent, and no server must be able to read that path
//! as another one. So anything that one server decodes, joins, strips or resolves, and another
//! doesn't, is refused rather than guessed at; the reader of the refused routes (`route`), which
//! has to guess, forwards such paths of callers without a key.

use std::borrow::Cow;
use std::fmt;

use crate::percent;
use crate::route_table::TABLE;

/// A path of the API, decoded, without `.json` and without a final slash.
///
/// No segment is empty, is `.` or `..`, contains a slash, a dot, a `;` or a control character, or
/// begins or ends with a space; only a file's name, where the route table expects one, may contain
/// dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiPath<'a>(Cow<'a, str>);

impl<'a> ApiPath<'a> {
    /// Parses the path of a request.
    ///
    /// # Errors
    /// If servers could read it in different ways.
    pub(super) fn of(path: &'a str) -> Result<Self, Ambiguity> {
        let rest = path.strip_prefix('/').ok_or(Ambiguity::NotAPath)?;
        if path.len() > LENGTH_MAX {
            return Err(Ambiguity::TooLong);
        }
        // Rails ignores one final slash, and reads what follows a dot as a format.
        let rest = match rest.strip_suffix('/') {
            Some("") => return Err(Ambiguity::Empty),
            Some(path) => path,
            None => rest,
        };
        let rest = match rest.strip_suffix(".json") {
            Some(name) if name.is_empty() || name.ends_with('/') => return Err(Ambiguity::Dot),
            Some(name) => name,
            None => rest,
        };
        for byte in rest.bytes() {
            check_raw(byte)?;
        }
        let decoded = match rest.contains('%') {
            true => Cow::Owned(decode(rest)?),
            false => Cow::Borrowed(rest),
        };
        if decoded.split('/').count() > SEGMENTS_MAX {
            return Err(Ambiguity::TooLong);
        }
        let path = Self(decoded);
        if !path.0.is_empty() {
            // A server that strips a format from a file's name still reads the rest as a file's
            // name.
            let judged = match path.0.rsplit_once('/') {
                Some((before, name)) if is_file_name(name) && path.names_a_file() => before,
                _ => &path.0,
            };
            judged.split('/').try_for_each(check_segment)?;
        }
        Ok(path)
    }

    /// Whether its last name is a file's, both with and without what follows its first dot.
    fn names_a_file(&self) -> bool {
        let names = self.segments();
        let Some((last, before)) = names.split_last() else {
            return false;
        };
        let without_format = last.split('.').next().unwrap_or(last);
        let is_file = |name| TABLE.names_a_file(&[before, &[name]].concat());
        is_file(last) && is_file(without_format)
    }

    /// Its segments.
    pub(super) fn segments(&self) -> Segments<'_> {
        let (mut names, mut count) = ([""; SEGMENTS_MAX], 0);
        if !self.0.is_empty() {
            for (place, segment) in names.iter_mut().zip(self.0.split('/')) {
                *place = segment;
                count += 1;
            }
        }
        Segments { names, count }
    }
}

impl fmt::Display for ApiPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

/// The segments of a path, on the stack.
pub(super) struct Segments<'a> {
    names: [&'a str; SEGMENTS_MAX],
    count: usize,
}

impl<'a> std::ops::Deref for Segments<'a> {
    type Target = [&'a str];

    fn deref(&self) -> &Self::Target {
        &self.names[..self.count]
    }
}

/// Why a path could be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ambiguity {
    NotAPath,
    TooLong,
    Empty,
    Dot,
    Semicolon,
    Backslash,
    Raw,
    Unencoded,
    Delimiter,
    Needless,
    Control,
    Percent,
    Text,
    Space,
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAPath => "it doesn't begin with `/`",
            Self::TooLong => "it is longer than any path of the API",
            Self::Empty => "some servers read `//` as one slash, others as an empty name",
            Self::Dot => {
                "some servers read what follows a dot as a format, or dots as relative segments; \
                 only `.json` at the end is read the same way by all"
            }
            Self::Semicolon => "some servers cut off what follows a `;`",
            Self::Backslash => "some servers read a backslash as a slash",
            Self::Raw => "it holds a character that must be percent-encoded",
            Self::Unencoded => "it holds a `%` without two hexadecimal digits after it",
            Self::Delimiter => "it holds an encoded `/`, `\\`, `?`, `#` or `;`",
            Self::Needless => "it encodes a letter, a digit, or other text that needs no encoding",
            Self::Control => "it holds a control character",
            Self::Percent => "it holds an encoded `%`, so that it could be decoded twice",
            Self::Text => "it isn't UTF-8 when decoded",
            Self::Space => "a name in it begins or ends with a space",
        })
    }
}

/// RFC 3986 section 3.3 without what is read in two ways: `;`, and the dots that `check_segment`
/// checks.
fn check_raw(byte: u8) -> Result<(), Ambiguity> {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => Ok(()),
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' => Ok(()),
        b':' | b'@' | b'/' | b'%' => Ok(()),
        b';' => Err(Ambiguity::Semicolon),
        b'\\' => Err(Ambiguity::Backslash),
        0..=b' ' | 0x7f => Err(Ambiguity::Control),
        _ => Err(Ambiguity::Raw),
    }
}

/// Decodes what must be encoded, and nothing else.
fn decode(path: &str) -> Result<String, Ambiguity> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let value = bytes.next().zip(bytes.next());
        let value = value.and_then(|(high, low)| percent::byte(high, low));
        decoded.push(match value.ok_or(Ambiguity::Unencoded)? {
            b'/' | b'\\' | b'?' | b'#' | b';' => return Err(Ambiguity::Delimiter),
            b'%' => return Err(Ambiguity::Percent),
            0..=0x1f | 0x7f => return Err(Ambiguity::Control),
            value if value.is_ascii_alphanumeric() || b"-._~".contains(&value) => {
                return Err(Ambiguity::Needless);
            }
            value => value,
        });
    }
    // Overlong forms aren't UTF-8 either (RFC 3629 section 3).
    String::from_utf8(decoded).map_err(|_| Ambiguity::Text)
}

/// Whether a name contains dots and still isn't a relative segment.
fn is_file_name(name: &str) -> bool {
    let is_plain = |name: &str| check_segment(name).is_ok();
    name.contains('.') && name.split('.').all(is_plain)
}

fn check_segment(segment: &str) -> Result<(), Ambiguity> {
    if segment.is_empty() {
        return Err(Ambiguity::Empty);
    }
    if segment.contains('.') {
        return Err(Ambiguity::Dot);
    }
    if !segment.is_ascii() && segment.chars().any(char::is_control) {
        return Err(Ambiguity::Control);
    }
    match segment.trim() == segment {
        true => Ok(()),
        false => Err(Ambiguity::Space),
    }
}

/// The longest published path, with names of objects and fields in it, has some 200 bytes.
const LENGTH_MAX: usize = 2048;

/// The deepest published path has thirteen segments.
const SEGMENTS_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_p8_a_plain_path_has_one_reading() {
        for (path, segments) in [
            ("/api/v2/tickets", &["api", "v2", "tickets"][..]),
            ("/api/v2/tickets/", &["api", "v2", "tickets"]),
            ("/api/v2/tickets.json", &["api", "v2", "tickets"]),
            ("/api/v2/tickets/1.json", &["api", "v2", "tickets", "1"]),
            ("/api/v2/tags/caf%C3%A9", &["api", "v2", "tags", "café"]),
            ("/api/v2/tags/a%20b", &["api", "v2", "tags", "a b"]),
            ("/api/v2/users/me%40x", &["api", "v2", "users", "me@x"]),
            ("/api/v2/users/me@x", &["api", "v2", "users", "me@x"]),
            ("/api/v2/zen:user/1", &["api", "v2", "zen:user", "1"]),
            ("/api/v2/a,b+c", &["api", "v2", "a,b+c"]),
            (
                "/hc/article_attachments/1/invitation.v2.pdf",
                &["hc", "article_attachments", "1", "invitation.v2.pdf"],
            ),
            (
                "/hc/en-us/article_attachments/1/a%20b.json",
                &["hc", "en-us", "article_attachments", "1", "a b"],
            ),
            ("/", &[]),
        ] {
            let read = ApiPath::of(path).unwrap();
            assert_eq!(&*read.segments(), segments, "{path}");
        }
        assert!(matches!(
            ApiPath::of("/api/v2").unwrap().0,
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn d3_p8_what_could_be_read_two_ways_is_refused() {
        use Ambiguity::*;
        for (path, expected) in [
            ("", NotAPath),
            ("*", NotAPath),
            ("api/v2/tickets", NotAPath),
            ("//api/v2/tickets", Empty),
            ("/api//v2/tickets", Empty),
            ("/api/v2/tickets//", Empty),
            ("//", Empty),
            ("/api/v2/./tickets", Dot),
            ("/api/v2/../v2/tickets", Dot),
            ("/api/v2/tickets/.", Dot),
            ("/api/v2/tickets/..", Dot),
            ("/api/v2/tickets.", Dot),
            ("/api/v2/tickets.xml", Dot),
            ("/api/v2/tickets.JSON", Dot),
            ("/api/v2/tickets.json.json", Dot),
            ("/api/v2/tickets.json/1", Dot),
            ("/api/v2/tickets/.json", Dot),
            ("/.json", Dot),
            ("/.well-known/x", Dot),
            ("/api/v2/users/a@example.com", Dot),
            ("/api/v2/tickets/1/...", Dot),
            ("/hc/article_attachments/1.pdf", Dot),
            ("/hc/article_attachments/1/.pdf", Dot),
            ("/hc/article_attachments/1/a..pdf", Dot),
            ("/hc/article_attachments/1/a.pdf/b", Dot),
            ("/hc/Article_attachments/1/a.pdf", Dot),
            ("/hc/article_attachments/x/a.pdf", Dot),
            ("/api/v2/tickets;x=y", Semicolon),
            ("/api/v2;x/tickets", Semicolon),
            ("/api\\v2\\tickets", Backslash),
            ("/api/v2/ tickets", Control),
            ("/api/v2/tickets\t", Control),
            ("/api/v2/tickets\0", Control),
            ("/api/v2/\u{7f}", Control),
            ("/api/v2/{id}", Raw),
            ("/api/v2/[1]", Raw),
            ("/api/v2/a|b", Raw),
            ("/api/v2/a^b", Raw),
            ("/api/v2/\"a\"", Raw),
            ("/api/v2/café", Raw),
            ("/api/v2/tickets#x", Raw),
            ("/api/v2/tickets?x", Raw),
            ("/api/v2/tickets%2F1", Delimiter),
            ("/api/v2%2ftickets", Delimiter),
            ("/api/v2/tickets%5C1", Delimiter),
            ("/api/v2/tickets%3Fx", Delimiter),
            ("/api/v2/tickets%23x", Delimiter),
            ("/api/v2/tickets%3Bx", Delimiter),
            ("/api/v2/%74ickets", Needless),
            ("/api/v2/tickets/%31", Needless),
            ("/api/v2/%2e%2e/tickets", Needless),
            ("/api/v2/tickets%2Ejson", Needless),
            ("/api/v2/ticket%5Ffields", Needless),
            ("/api/v2/%7Eme", Needless),
            ("/api/v2/%2574ickets", Percent),
            ("/api/v2/tickets%252F1", Percent),
            ("/api/v2/tickets%00", Control),
            ("/api/v2/tickets%0A", Control),
            ("/api/v2/tickets%7f", Control),
            ("/api/v2/tickets/%C2%85x", Control),
            ("/api/v2/tickets%", Unencoded),
            ("/api/v2/tickets%2", Unencoded),
            ("/api/v2/tickets%zz", Unencoded),
            ("/api/v2/tickets%+1", Unencoded),
            ("/api/v2%c0%aftickets", Text),
            ("/api/v2%e0%80%aftickets", Text),
            ("/api/v2/tickets/%ff", Text),
            ("/api/v2/tickets%20", Space),
            ("/api/v2/%20tickets", Space),
            ("/api/v2/tickets/x%C2%A0", Space),
        ] {
            assert_eq!(ApiPath::of(path), Err(expected), "{path}");
            assert!(!expected.to_string().is_empty());
        }
        let long = format!("/{}", "a".repeat(LENGTH_MAX));
        assert_eq!(ApiPath::of(&long), Err(TooLong));
        assert_eq!(ApiPath::of(&"/a".repeat(SEGMENTS_MAX + 1)), Err(TooLong));
        assert!(ApiPath::of(&"/a".repeat(SEGMENTS_MAX)).is_ok());
    }
}
