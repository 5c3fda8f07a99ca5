//! A path as the most lenient server could read it. Used only to judge requests, never sent.

use std::borrow::Cow;

use crate::percent;

/// The segments of a path without everything that some server ignores or decodes: percent-encoding,
/// however often repeated, `\`, `//`, letter case, `;` parameters, a format suffix such as `.json`,
/// trailing dots and spaces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NormalizedPath<'a> {
    /// With `.` and `..` applied (RFC 3986 section 5.2.4), up to an encoded `?`, `#` or NUL.
    pub(crate) resolved: PathNames<'a>,
    /// The whole path with `.` and `..` left out, as read by a server that routes before it
    /// resolves, if that differs.
    pub(crate) flat: Option<PathNames<'a>>,
    /// Whether servers may drop different parts of it. If `..` removes a segment, or an encoded `#`
    /// ends the path, a server that resolves before it decodes removes all of `a%2Fb`; if `;`
    /// begins a parameter, one that cuts before it decodes cuts off all of `;a%2Fb`.
    pub(crate) is_ambiguous: bool,
}

pub(crate) type PathNames<'a> = Vec<PathName<'a>>;
pub(crate) type PathName<'a> = Cow<'a, [u8]>;

impl<'a> NormalizedPath<'a> {
    /// Reads a path.
    pub(crate) fn of(path: &'a str) -> Self {
        match names_of_plain(path) {
            Some(resolved) => Self {
                resolved,
                flat: None,
                is_ambiguous: false,
            },
            None => Self::of_any(path),
        }
    }

    /// Every name in the path.
    pub(crate) fn flat(&self) -> &[PathName<'a>] {
        self.flat.as_deref().unwrap_or(&self.resolved)
    }

    fn of_any(path: &str) -> Self {
        let decoded = plain(&percent::decoded(path.bytes()));
        let ends = |b: &u8| matches!(b, b'?' | b'#' | 0);
        let mut resolved: PathNames<'_> = Vec::new();
        let mut flat: PathNames<'_> = Vec::new();
        let mut has_ended = false;
        for segment in decoded.split(|b| *b == b'/') {
            let mut parts = segment.split(|b| *b == b';' || ends(b));
            match trim(parts.next().unwrap_or_default()) {
                b"" | b"." => {}
                b".." if has_ended => {}
                b".." => {
                    resolved.pop();
                }
                name => {
                    let name = without_format(name).to_ascii_lowercase();
                    if !has_ended {
                        resolved.push(Cow::Owned(name.clone()));
                    }
                    flat.push(Cow::Owned(name));
                }
            }
            has_ended |= segment.iter().any(ends);
        }
        let count = |bytes: &[u8], wanted: u8| bytes.iter().filter(|b| **b == wanted).count();
        let hides_slashes = count(&decoded, b'/') > count(path.as_bytes(), b'/');
        let differs = resolved != flat;
        Self {
            resolved,
            flat: differs.then_some(flat),
            is_ambiguous: differs || hides_slashes && decoded.contains(&b';'),
        }
    }
}

/// The names of a path that contains nothing to decode, cut off or resolve, like nearly every path.
fn names_of_plain(path: &str) -> Option<PathNames<'_>> {
    let is_plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'/');
    if !path.bytes().all(is_plain) {
        return None;
    }
    let mut names = Vec::with_capacity(NAMES);
    for segment in path.as_bytes().split(|b| *b == b'/') {
        match segment {
            b"" => {}
            [b'.', ..] => return None,
            name => names.push(Cow::Borrowed(without_format(name))),
        }
    }
    Some(names)
}

/// Turns overlong UTF-8 into what it stands for (RFC 3629 section 3 forbids it), `\` into `/`, and
/// other white space into spaces.
fn plain(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (0xc0..=0xc1, [low @ 0x80..=0xbf, after @ ..]) => {
                ((first & 1) << 6 | (low & 0x3f), after)
            }
            (0xe0, [middle @ 0x80..=0x81, low @ 0x80..=0xbf, after @ ..]) => {
                ((middle & 1) << 6 | (low & 0x3f), after)
            }
            _ => (*first, after),
        };
        plain.push(match byte {
            b'\\' => b'/',
            1..=0x1f | 0x7f => b' ',
            byte => byte,
        });
        rest = after;
    }
    plain
}

/// Without surrounding spaces, and without trailing dots unless it consists of dots.
fn trim(segment: &[u8]) -> &[u8] {
    let segment = segment.trim_ascii();
    let end = segment.iter().rposition(|b| !matches!(b, b'.' | b' '));
    end.map_or(segment, |end| &segment[..=end])
}

/// Rails takes everything after the first dot as a format.
fn without_format(name: &[u8]) -> &[u8] {
    match name.iter().skip(1).position(|b| *b == b'.') {
        Some(dot) => &name[..=dot],
        None => name,
    }
}

/// More than most paths have.
const NAMES: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolved(path: &str) -> String {
        let segments = NormalizedPath::of(path).resolved;
        String::from_utf8(segments.join(&b'/')).unwrap()
    }

    #[test]
    fn every_spelling_of_a_path_has_one_canonical_form() {
        for path in [
            "/oauth/tokens",
            "/oauth/tokens/",
            "//oauth//tokens",
            "/oauth/./tokens",
            "/oauth/x/../tokens",
            "/x/%2e%2e/oauth/tokens",
            "/x/..%2foauth/tokens",
            "/x/..%5coauth/tokens",
            "/x/..\\oauth\\tokens",
            "/x/..;a=b/oauth;c=d/tokens;e",
            "/%6f%61uth/tokens",
            "/%256f%2561uth/tokens",
            "/%25256fauth/tokens",
            "/oauth%2Ftokens",
            "/oauth%252Ftokens",
            "/oauth/%74okens",
            "/OAuth/TOKENS",
            "/oauth/tokens.json",
            "/oauth/tokens.xml",
            "/oauth/tokens.",
            "/oauth/tokens%20",
            "/oauth/tokens%09",
            "/oauth/tokens%00",
            "/oauth/tokens%00.png",
            "/oauth/tokens%3Fx",
            "/oauth/tokens%23x",
            "/oauth%c0%aftokens",
            "/oauth%e0%80%aftokens",
            "/../../oauth/tokens",
            "/%2e/oauth/tokens",
            "/oauth/%20tokens",
        ] {
            assert_eq!(resolved(path), "oauth/tokens", "{path}");
        }
        assert_eq!(resolved("/api/v2/tickets/1.json"), "api/v2/tickets/1");
        assert_eq!(resolved("/attachments/token/x/"), "attachments/token/x");
        assert_eq!(resolved("/"), "");
    }

    proptest! {
        #[test]
        fn encoding_once_more_changes_nothing(path in "/[a-z/.%25;]{0,20}") {
            let encoded: String = path.bytes().map(|b| format!("%{b:02X}")).collect();
            let (once, more) = (NormalizedPath::of(&path), NormalizedPath::of(&encoded));
            prop_assert_eq!(more.flat(), once.flat());
            prop_assert_eq!(more.resolved, once.resolved);
        }

        #[test]
        fn a_plain_path_is_read_as_any_other(path in "/[a-c_./-]{0,20}") {
            prop_assert_eq!(NormalizedPath::of(&path), NormalizedPath::of_any(&path));
        }
    }
}
