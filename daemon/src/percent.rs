//! Percent-encoding (RFC 3986 section 2.1), read as leniently as any server may. Only judged by,
//! never sent.

/// Decodes `%XX` until there is nothing left to decode, in one pass: what a decoded byte completes
/// is decoded at once.
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

    proptest! {
        #[test]
        fn nothing_is_left_to_decode(text in "[/%0-9a-fA-F.;\\\\]{0,40}") {
            let once = decoded(text.bytes());
            prop_assert_eq!(&decoded(once.iter().copied()), &once);
        }
    }
}
