//! The gzip format (RFC 1952), byte by byte except for its compressed part.

#[cfg(test)]
mod tests;

use bytes::{Buf, Bytes};
use flate2::{Crc, Decompress, FlushDecompress, Status};

/// Decodes one member after another. Anything after the last one is ignored, as gzip and most
/// clients do: some servers pad.
pub(super) struct Decoder {
    part: MemberPart,
    /// Whether a member has been read to its end.
    any: bool,
    inflate: Decompress,
    checksum: Crc,
    plain: Vec<u8>,
    /// Whether bytes that have been read already may still give more output.
    full: bool,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self {
            part: MemberPart::Header(MemberHeader::default()),
            any: false,
            inflate: Decompress::new(false),
            checksum: Crc::new(),
            plain: Vec::new(),
            full: false,
        }
    }

    /// Decodes up to [`CHUNK`] bytes. `None` if all of `encoded` has been read.
    pub(super) fn decode(&mut self, encoded: &mut Bytes) -> Result<Option<Bytes>, GzipError> {
        while self.full || !encoded.is_empty() {
            match &mut self.part {
                MemberPart::Header(header) => match header.read(encoded.get_u8()) {
                    GzipStep::More => (),
                    GzipStep::Done => self.part = MemberPart::Deflated,
                    GzipStep::NoMember if self.any => self.part = MemberPart::Padding,
                    GzipStep::NoMember => return Err(GzipError::NotGzip),
                },
                MemberPart::Deflated => {
                    if let Some(plain) = self.inflate(encoded)? {
                        return Ok(Some(plain));
                    }
                }
                MemberPart::Trailer { bytes, read } => {
                    bytes[*read] = encoded.get_u8();
                    *read += 1;
                    if *read == bytes.len() {
                        if *bytes != trailer(&self.checksum) {
                            return Err(GzipError::Checksum);
                        }
                        self.next_member();
                    }
                }
                MemberPart::Padding => encoded.clear(),
            }
        }
        Ok(None)
    }

    /// Ends the body.
    pub(super) fn finish(&self) -> Result<(), GzipError> {
        match &self.part {
            // An empty body has no member, and padding may begin like one.
            MemberPart::Header(header)
                if header.is_empty() || (self.any && header.is_doubtful()) =>
            {
                Ok(())
            }
            MemberPart::Padding => Ok(()),
            MemberPart::Header(_) | MemberPart::Deflated | MemberPart::Trailer { .. } => {
                Err(GzipError::Truncated)
            }
        }
    }

    fn inflate(&mut self, encoded: &mut Bytes) -> Result<Option<Bytes>, GzipError> {
        self.plain.clear();
        self.plain.reserve_exact(CHUNK);
        let before = self.inflate.total_in();
        let status = self
            .inflate
            .decompress_vec(encoded, &mut self.plain, FlushDecompress::None)
            .map_err(|_| GzipError::Corrupt)?;
        let read = usize::try_from(self.inflate.total_in() - before).unwrap_or(encoded.len());
        encoded.advance(read);
        self.checksum.update(&self.plain);
        let stuck = read == 0 && self.plain.is_empty();
        self.full = self.plain.len() == self.plain.capacity();
        match status {
            Status::StreamEnd => {
                self.full = false;
                self.part = MemberPart::Trailer {
                    bytes: [0; 8],
                    read: 0,
                };
            }
            Status::Ok | Status::BufError if stuck && !encoded.is_empty() => {
                return Err(GzipError::Corrupt);
            }
            Status::Ok | Status::BufError => (),
        }
        Ok((!self.plain.is_empty()).then(|| Bytes::copy_from_slice(&self.plain)))
    }

    fn next_member(&mut self) {
        self.any = true;
        self.part = MemberPart::Header(MemberHeader::default());
        self.inflate.reset(false);
        self.checksum.reset();
    }
}

/// Why a body can't be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum GzipError {
    #[error("it is not gzip although its head says so")]
    NotGzip,
    #[error("its gzip data is corrupt")]
    Corrupt,
    #[error("its gzip data fails its checksum")]
    Checksum,
    #[error("its gzip data ends early")]
    Truncated,
}

enum MemberPart {
    Header(MemberHeader),
    Deflated,
    Trailer { bytes: [u8; 8], read: usize },
    Padding,
}

/// A member's header. Nothing in it matters here (RFC 1952 section 2.3).
#[derive(Default)]
struct MemberHeader {
    field: Field,
    /// Which optional fields are still to come.
    flags: u8,
}

impl MemberHeader {
    fn read(&mut self, byte: u8) -> GzipStep {
        let next = match self.field {
            Field::Fixed(at) => {
                let fits = match at {
                    0 => byte == 0x1f,
                    1 => byte == 0x8b,
                    2 => byte == DEFLATE,
                    3 => byte & RESERVED == 0,
                    _ => true,
                };
                if !fits {
                    return GzipStep::NoMember;
                }
                if at == 3 {
                    self.flags = byte;
                }
                if at < 9 {
                    Some(Field::Fixed(at + 1))
                } else {
                    self.next_field()
                }
            }
            Field::ExtraLength(None) => Some(Field::ExtraLength(Some(byte))),
            Field::ExtraLength(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.next_field(),
                length => Some(Field::Extra(length)),
            },
            Field::Extra(1) | Field::Checksum(1) => self.next_field(),
            Field::Extra(left) => Some(Field::Extra(left - 1)),
            Field::Checksum(left) => Some(Field::Checksum(left - 1)),
            Field::Text if byte == 0 => self.next_field(),
            Field::Text => Some(Field::Text),
        };
        match next {
            Some(field) => {
                self.field = field;
                GzipStep::More
            }
            None => GzipStep::Done,
        }
    }

    fn next_field(&mut self) -> Option<Field> {
        let (flag, field) = OPTIONAL
            .into_iter()
            .find(|(flag, _)| self.flags & flag != 0)?;
        self.flags &= !flag;
        Some(field)
    }

    /// Whether none of it has been read.
    fn is_empty(&self) -> bool {
        matches!(self.field, Field::Fixed(0))
    }

    /// Whether it might still turn out not to be a header.
    fn is_doubtful(&self) -> bool {
        matches!(self.field, Field::Fixed(0..=3))
    }
}

#[derive(Clone, Copy)]
enum Field {
    /// The ten bytes that are always there, and how many of them have been read.
    Fixed(u8),
    /// The length of what follows, and its first byte if that has been read.
    ExtraLength(Option<u8>),
    /// This many bytes of any kind.
    Extra(u16),
    /// A name or a comment, up to a zero byte.
    Text,
    /// This many bytes of the header's own checksum.
    Checksum(u8),
}

impl Default for Field {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

enum GzipStep {
    More,
    Done,
    NoMember,
}

fn trailer(checksum: &Crc) -> [u8; 8] {
    let sum = u64::from(checksum.sum());
    let length = u64::from(checksum.amount());
    ((length << 32) | sum).to_le_bytes()
}

/// The size of a frame: large enough that the cost per frame doesn't show, and the most memory that
/// a bomb gets.
pub(super) const CHUNK: usize = 32 * 1024;

const DEFLATE: u8 = 8;

/// Flags without a defined meaning.
const RESERVED: u8 = 0b1110_0000;

/// The optional fields by their flags, in the order in which they appear.
const OPTIONAL: [(u8, Field); 4] = [
    (0x04, Field::ExtraLength(None)),
    (0x08, Field::Text),
    (0x10, Field::Text),
    (0x02, Field::Checksum(2)),
];
