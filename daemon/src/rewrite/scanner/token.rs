//! The parts of JSON that may lie across chunks: strings, keys, numbers, literals.

use memchr::memchr2;

/// Where the inside of a string stops: its first quotation mark or backslash.
///
/// Most strings are short, and half of them are keys: starting a vector search would take longer
/// than finding their end, so the first bytes are searched a word at a time.
#[inline(always)]
pub(super) fn stop(text: &[u8]) -> Option<usize> {
    let mut start = 0;
    while start < SHORT
        && let Some(word) = text[start..].first_chunk()
    {
        let word = u64::from_le_bytes(*word);
        let found = zero_bytes(word ^ QUOTES) | zero_bytes(word ^ BACKSLASHES);
        if found != 0 {
            return Some(start + found.trailing_zeros() as usize / 8);
        }
        start += size_of_val(&word);
    }
    memchr2(b'"', b'\\', &text[start..]).map(|found| start + found)
}

/// The length of the literal that a text begins with, if a delimiter follows.
#[inline(always)]
pub(super) fn whole_literal(text: &[u8]) -> Option<usize> {
    let length = match text.first_chunk()? {
        [b'n', b'u', b'l', b'l', _] | [b't', b'r', b'u', b'e', _] => 4,
        b"false" => 5,
        _ => return None,
    };
    is_delimiter(text.get(length)).then_some(length)
}

/// The length of the integer that a text begins with, if it has no sign and a delimiter follows.
#[inline(always)]
pub(super) fn whole_integer(text: &[u8]) -> Option<usize> {
    let length = match text.first()? {
        b'0' => 1,
        b'1'..=b'9' => 1 + text[1..].iter().take_while(|b| b.is_ascii_digit()).count(),
        _ => return None,
    };
    is_delimiter(text.get(length)).then_some(length)
}

/// Whether a byte separates values or ends their container.
fn is_delimiter(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b',' | b'}' | b']'))
}

/// A key that is assembled from several chunks. Keys too long to matter aren't kept.
#[derive(Default)]
pub(super) struct KeyBuffer {
    bytes: [u8; LONGEST_NAME],
    len: usize,
}

impl KeyBuffer {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn push(&mut self, part: &[u8]) {
        let end = self.len.saturating_add(part.len());
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(part);
        }
        self.len = end;
    }

    /// The key as it is spelled; empty if it is too long.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// A number, by what has been read of it (RFC 8259 section 6).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Number {
    /// The number that begins with `byte`.
    pub(super) fn first(byte: u8) -> Option<Self> {
        match byte {
            b'-' => Some(Self::Minus),
            b'0' => Some(Self::Zero),
            b'1'..=b'9' => Some(Self::Integer),
            _ => None,
        }
    }

    /// The number with one more byte, if that belongs to it.
    pub(super) fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, _) => Self::first(byte).filter(|next| *next != Self::Minus),
            (Self::Integer, b'0'..=b'9') => Some(Self::Integer),
            (Self::Zero | Self::Integer, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Exponent, b'+' | b'-') => Some(Self::ExponentSign),
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => {
                Some(Self::ExponentDigits)
            }
            _ => None,
        }
    }

    /// Whether it could end here.
    pub(super) fn is_whole(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Integer | Self::Fraction | Self::ExponentDigits
        )
    }
}

/// The rest of `true`, `false` or `null`, as a position in [`LITERALS`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal(u8);

impl Literal {
    /// The literal that begins with `byte`.
    pub(super) fn first(byte: u8) -> Option<Self> {
        match byte {
            b't' => Some(Self(0)),
            b'f' => Some(Self(4)),
            b'n' => Some(Self(9)),
            _ => None,
        }
    }

    /// The literal with one more byte, if that belongs to it.
    pub(super) fn next(self, byte: u8) -> Option<Self> {
        (LITERALS.get(usize::from(self.0)) == Some(&byte)).then_some(Self(self.0 + 1))
    }

    /// Whether it is complete.
    pub(super) fn is_whole(self) -> bool {
        LITERALS.get(usize::from(self.0)) == Some(&END)
    }
}

/// The high bit of the lowest zero byte, perhaps of some above it, and of none below it.
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
const BACKSLASHES: u64 = u64::from_le_bytes([b'\\'; 8]);

/// This many bytes are searched in words; the best measured value for pages of tickets and users. It
/// holds most names, and a point in time.
const SHORT: usize = 24;

/// The literals without their first letters, each followed by [`END`].
const LITERALS: &[u8] = b"rue\0alse\0ull\0";

/// Never a part of a literal, but it may occur in the text: a complete literal isn't asked for
/// more.
const END: u8 = 0;

/// `mapped_content_url`.
pub(super) const LONGEST_NAME: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_stops_at_its_first_quotation_mark_or_backslash() {
        // Neighbours of both bytes, which word tricks may confuse with them.
        let fillers = [0x00, 0x21, 0x23, 0x5b, 0x5d, 0x80, 0xa2, 0xdc, 0xff];
        for length in 0..40 {
            for filler in fillers {
                let mut text = vec![filler; length];
                assert_eq!(stop(&text), None);
                for at in (0..length).rev() {
                    text[at] = if at % 2 == 0 { b'"' } else { b'\\' };
                    assert_eq!(stop(&text), Some(at), "{length} {filler}");
                }
            }
        }
    }
}
