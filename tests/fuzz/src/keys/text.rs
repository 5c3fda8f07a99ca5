//! Keys and base64 as an independent reader would read them, by the letter of their documentation.

/// `ldk_`, 8 letters and digits, `_`, 43 more, and the CRC-32 of all that in base 62.
pub(super) fn is_whole_key(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let parts: Vec<&str> = text.split('_').collect();
    let [prefix, id, rest] = parts[..] else {
        return false;
    };
    let letters = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric());
    prefix == "ldk"
        && (id.len(), rest.len()) == (8, 49)
        && letters(id)
        && letters(rest)
        && rest[43..] == in_base_62(crc32(&text.as_bytes()[..56]))
}

/// Bit by bit, as in RFC 1952 section 8.
fn crc32(text: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in text {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

fn in_base_62(number: u32) -> String {
    let digit = |place: u32| {
        let digit = u64::from(number) / 62_u64.pow(place) % 62;
        let digit = u8::try_from(digit).unwrap_or_default();
        char::from(match digit {
            0..=9 => b'0' + digit,
            10..=35 => b'A' + digit - 10,
            _ => b'a' + digit - 36,
        })
    };
    (0..6).rev().map(digit).collect()
}

/// RFC 4648 section 4, padding included.
pub(super) fn strictly_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let plain = text.strip_suffix(b"==").or(text.strip_suffix(b"="));
    let plain = plain.unwrap_or(text);
    let (mut bits, mut count, mut decoded) = (0_u32, 0, Vec::new());
    for byte in plain {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    let has_no_rest = bits & ((1 << count) - 1) == 0;
    (text.len().is_multiple_of(4) && has_no_rest).then_some(decoded)
}
