//! As much of HTTP/1.1 responses as a load needs: where they end.

use std::io;

/// What matters in a response's head.
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    pub(crate) closes: bool,
}

impl Head {
    /// The head and its length, if it is whole.
    pub(crate) fn read(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = str::from_utf8(&bytes[..end]).map_err(io::Error::other)?;
        let mut lines = text.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let mut head = Self {
            status: status.ok_or_else(|| io::Error::other("no status"))?,
            framing: Framing::UntilClose,
            closes: false,
        };
        if head.status == 204 {
            head.framing = Framing::Left(0);
        }
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.framing = Framing::Left(value.parse().map_err(io::Error::other)?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.framing = Framing::Chunked(Chunks::Size(0));
            } else if name.eq_ignore_ascii_case("connection") {
                head.closes = value.eq_ignore_ascii_case("close");
            }
        }
        Ok(Some((head, end + 4)))
    }
}

/// How much of a body is still to come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Left(usize),
    Chunked(Chunks),
    UntilClose,
}

/// Where in a chunked body the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunks {
    /// Within a size, of which this is known.
    Size(usize),
    /// Behind the size; its line isn't at its end yet.
    RestOfSize(usize),
    Data(usize),
    EndOfData,
    /// Behind the last chunk, with the number of bytes of the current line.
    Trailers(usize),
    Whole,
}

impl Framing {
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self, Self::Left(0) | Self::Chunked(Chunks::Whole))
    }

    /// Reads on.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::UntilClose => {}
            Self::Left(left) => {
                let rest = left.checked_sub(bytes.len());
                *left = rest.ok_or_else(|| io::Error::other("more than was announced"))?;
            }
            Self::Chunked(chunks) => *chunks = chunks.after(bytes)?,
        }
        Ok(())
    }
}

impl Chunks {
    fn after(mut self, mut bytes: &[u8]) -> io::Result<Self> {
        while let Some((&byte, rest)) = bytes.split_first() {
            let mut behind = rest;
            self = match (self, byte) {
                (Self::Size(0) | Self::RestOfSize(0), b'\n') => Self::Trailers(0),
                (Self::Size(size) | Self::RestOfSize(size), b'\n') => Self::Data(size),
                (Self::Size(size), byte) => match char::from(byte).to_digit(16) {
                    Some(digit) => Self::Size(size << 4 | digit as usize),
                    None => Self::RestOfSize(size),
                },
                (Self::RestOfSize(size), _) => Self::RestOfSize(size),
                (Self::Data(left), _) => {
                    let taken = left.min(bytes.len());
                    behind = &bytes[taken..];
                    match left - taken {
                        0 => Self::EndOfData,
                        left => Self::Data(left),
                    }
                }
                (Self::EndOfData, b'\n') => Self::Size(0),
                (Self::EndOfData, _) => Self::EndOfData,
                (Self::Trailers(0), b'\n') => Self::Whole,
                (Self::Trailers(_), b'\n') => Self::Trailers(0),
                (Self::Trailers(length), b'\r') => Self::Trailers(length),
                (Self::Trailers(length), _) => Self::Trailers(length + 1),
                (Self::Whole, _) => return Err(io::Error::other("bytes behind the last chunk")),
            };
            bytes = behind;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_ends_where_it_ends_however_it_arrives() {
        let body = b"5\r\nhello\r\n1a;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nA: b\r\n\r\n";
        for size in 1..=body.len() {
            let mut framing = Framing::Chunked(Chunks::Size(0));
            for piece in body.chunks(size) {
                assert!(!framing.is_whole());
                framing.take(piece).unwrap();
            }
            assert!(framing.is_whole(), "{size}: {framing:?}");
        }
    }

    #[test]
    fn a_head_says_how_the_body_ends() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-LENGTH: 3\r\nConnection: close\r\n\r\nabc";
        let (head, length) = Head::read(bytes).unwrap().unwrap();
        assert_eq!((head.status, head.closes), (201, true));
        assert_eq!(head.framing, Framing::Left(3));
        assert_eq!(&bytes[length..], b"abc");
        assert!(Head::read(&bytes[..40]).unwrap().is_none());
    }
}
