//! Percent-encoding (RFC 3986 section 2.1).

use std::borrow::Cow;

/// Why a target can't be encoded: for some readers it ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unencodable {
    /// A `#`.
    Fragment,
    /// A control character, such as a line break.
    Control,
}

/// A target as the listener rewrites what a script sends raw (`created>2025-01-01`): every byte that
/// RFC 3986 doesn't allow is encoded.
///
/// # Errors
/// The first byte that has more than one reading.
pub(crate) fn encoded(target: &[u8]) -> Result<Cow<'_, [u8]>, Unencodable> {
    let mut odd = 0;
    for byte in target {
        match KINDS[usize::from(*byte)] {
            ByteKind::Plain => {}
            ByteKind::Odd => odd += 1,
            ByteKind::Unencodable(why) => return Err(why),
        }
    }
    if odd == 0 {
        return Ok(Cow::Borrowed(target));
    }
    let mut encoded = Vec::with_capacity(target.len() + 2 * odd);
    for byte in target {
        if KINDS[usize::from(*byte)] == ByteKind::Plain {
            encoded.push(*byte);
        } else {
            push(*byte, &mut encoded);
        }
    }
    Ok(Cow::Owned(encoded))
}

/// Appends one byte as `%XX`.
pub(crate) fn push(byte: u8, to: &mut Vec<u8>) {
    let digit = |half: u8| HEXADECIMAL[usize::from(half)];
    to.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 0xf)]);
}

/// The byte that two hexadecimal digits stand for.
pub(crate) fn byte(high: u8, low: u8) -> Option<u8> {
    Some(digit(high)? << 4 | digit(low)?)
}

/// The value of a hexadecimal digit.
pub(crate) fn digit(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Decodes `%XX` once.
pub(crate) fn decoded_once(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        let decoded = match (first, after) {
            (b'%', [high, low, ..]) => byte(*high, *low),
            _ => None,
        };
        rest = match decoded {
            Some(_) => &after[2..],
            None => after,
        };
        Some(decoded.unwrap_or(*first))
    })
}

/// Decodes `%XX` as leniently as any server may, repeatedly, in one pass: an escape completed by a
/// decoded byte is decoded at once.
pub(crate) fn decoded(text: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let text = text.into_iter();
    let mut decoded = Vec::with_capacity(text.size_hint().0);
    for next in text {
        decoded.push(next);
        while let [.., b'%', high, low] = decoded[..]
            && let Some(value) = byte(high, low)
        {
            decoded.truncate(decoded.len() - 3);
            decoded.push(value);
        }
    }
    decoded
}

/// How a byte in a target is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByteKind {
    /// RFC 3986 allows it.
    Plain,
    /// It must be percent-encoded.
    Odd,
    Unencodable(Unencodable),
}

const KINDS: [ByteKind; 256] = {
    let mut kinds = [ByteKind::Odd; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => ByteKind::Plain,
            b':' | b'/' | b'?' | b'[' | b']' | b'@' => ByteKind::Plain,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {
                ByteKind::Plain
            }
            // Servers read on whether or not two digits follow.
            b'%' => ByteKind::Plain,
            b'#' => ByteKind::Unencodable(Unencodable::Fragment),
            0..=0x1f | 0x7f => ByteKind::Unencodable(Unencodable::Control),
            _ => ByteKind::Odd,
        };
        byte += 1;
    }
    kinds
};

/// RFC 3986 section 2.1 prefers uppercase.
const HEXADECIMAL: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(encoded: &str) -> String {
        String::from_utf8(decoded(encoded.bytes())).unwrap()
    }

    #[test]
    fn what_is_encoded_more_than_once_is_decoded_as_often() {
        assert_eq!(text("%61%2Fb"), "a/b");
        assert_eq!(text("%2561"), "a");
        assert_eq!(text("%%361"), "a");
        assert_eq!(text("%25%36%31"), "a");
        assert_eq!(text("100%, %zz, %6"), "100%, %zz, %6");
    }

    #[test]
    fn s8_what_a_target_cannot_hold_is_encoded() {
        for (target, expected) in [
            (
                "/a?query=created>2025-01-01",
                Ok("/a?query=created%3E2025-01-01"),
            ),
            ("/a b\"<|^`{}\\", Ok("/a%20b%22%3C%7C%5E%60%7B%7D%5C")),
            ("/caf\u{e9}?x=[1]&y=50%", Ok("/caf%C3%A9?x=[1]&y=50%")),
            ("/a#b", Err(Unencodable::Fragment)),
            ("/a\nb", Err(Unencodable::Control)),
        ] {
            let encoded = encoded(target.as_bytes());
            let expected = expected.map(|text| Cow::Borrowed(text.as_bytes()));
            assert_eq!(encoded, expected, "{target}");
        }
    }

    #[test]
    fn what_is_encoded_twice_is_decoded_once() {
        for (encoded, decoded) in [
            ("%61%2f", "a/"),
            ("%2561", "%61"),
            ("%6", "%6"),
            ("%zz", "%zz"),
        ] {
            let once = decoded_once(encoded.as_bytes()).collect();
            assert_eq!(String::from_utf8(once).unwrap(), decoded, "{encoded}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_left_to_decode(text in "[/%0-9a-fA-F.;\\\\]{0,40}") {
            let once = decoded(text.bytes());
            prop_assert_eq!(&decoded(once.iter().copied()), &once);
        }
    }
}
