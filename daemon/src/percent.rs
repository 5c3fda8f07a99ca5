//! Percent-encoding (RFC 3986 section 2.1).

use std::fmt::Write as _;

/// A target as the listener rewrites what a script sends raw (`created>2025-01-01`): every byte
/// that RFC 3986 doesn't allow is encoded. `None` if the listener would refuse it, for a `#` or a
/// control character.
pub(crate) fn encoded(target: &str) -> Option<String> {
    let mut encoded = String::with_capacity(target.len());
    for byte in target.bytes() {
        match byte {
            b'#' | 0..=0x1f | 0x7f => return None,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => encoded.push(char::from(byte)),
            byte if ALLOWED.contains(&byte) => encoded.push(char::from(byte)),
            // Writing to a string can't fail.
            byte => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    Some(encoded)
}

/// RFC 3986 sections 2.2 and 2.3, and `%`: servers read on whether or not two digits follow.
const ALLOWED: &[u8] = b"-._~:/?[]@!$&'()*+,;=%";

/// Decodes `%XX` as leniently as any server may, repeatedly, in one pass: an escape completed by a
/// decoded byte is decoded at once.
pub(crate) fn decoded(text: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let text = text.into_iter();
    let mut decoded = Vec::with_capacity(text.size_hint().0);
    for byte in text {
        decoded.push(byte);
        while let [.., b'%', high, low] = decoded[..] {
            let digit = |b: u8| char::from(b).to_digit(16);
            let value = digit(high)
                .zip(digit(low))
                .map(|(high, low)| high << 4 | low);
            let Some(value) = value.and_then(|value| u8::try_from(value).ok()) else {
                break;
            };
            decoded.truncate(decoded.len() - 3);
            decoded.push(value);
        }
    }
    decoded
}

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
                Some("/a?query=created%3E2025-01-01"),
            ),
            ("/a b\"<|^`{}\\", Some("/a%20b%22%3C%7C%5E%60%7B%7D%5C")),
            ("/caf\u{e9}?x=[1]&y=50%", Some("/caf%C3%A9?x=[1]&y=50%")),
            ("/a#b", None),
            ("/a\nb", None),
        ] {
            assert_eq!(encoded(target).as_deref(), expected, "{target}");
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
