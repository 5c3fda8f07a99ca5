//! The parts of JSON that may lie across chunks: keys, numbers, literals.

/// A key that is put together from several chunks. Keys too long to matter are not kept.
#[derive(Default)]
pub(super) struct Name {
    bytes: [u8; LONGEST_NAME],
    len: usize,
}

impl Name {
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

    /// The key as it is spelled; nothing if it is too long.
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

/// What is still to come of `true`, `false` or `null`, as a place in [`LITERALS`].
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

    /// Whether nothing is to come.
    pub(super) fn is_whole(self) -> bool {
        LITERALS.get(usize::from(self.0)) == Some(&END)
    }
}

/// The literals without their first letters, each with [`END`] behind it.
const LITERALS: &[u8] = b"rue\0alse\0ull\0";

/// Never a part of a literal, but it may come in the text: a whole literal is not asked for more.
const END: u8 = 0;

/// `mapped_content_url`.
const LONGEST_NAME: usize = 18;
