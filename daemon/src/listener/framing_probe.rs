//! Feeds a client's bytes to hyper one head at a time, with a first line that hyper accepts.
//!
//! The first line is parsed here (`request_line`), because hyper refuses what many scripts send.
//! The rest isn't parsed twice: hyper alone decides where a head ends. It is never given bytes
//! beyond an empty line in one read, and every head and every chunked body ends with one, so it
//! never holds a byte of the next head.
//!
//! On the way, lines that begin with `Content-Length:` are noted. RFC 9112 section 6.3 lets a
//! server ignore the length if a request also has a `Transfer-Encoding`, and hyper drops the length
//! without a trace; a request that carries both is how an attacker makes two programs read one
//! request in two ways. A mistake in this scan could refuse a request, but never let one in.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::exchange::{Exchange, NextBytes, WriteVerdict};
use super::request_line;
use crate::error_response::HeadError;

/// A stream that hands its reader one head at a time, holds back hyper's own answers, and reports
/// to `exchange` what passes.
pub(super) struct FramingProbe<S> {
    stream: S,
    exchange: Exchange,
    line: LineProgress,
    /// Bytes that arrived too early, kept for the next read.
    held: BytesMut,
    /// How many of those are known to contain no line feed.
    searched: usize,
}

impl<S> FramingProbe<S> {
    pub(super) fn new(stream: S, exchange: Exchange) -> Self {
        Self {
            stream,
            exchange,
            line: LineProgress::Name(0),
            held: BytesMut::new(),
            searched: 0,
        }
    }

    /// The stream beneath.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// Whether these bytes begin with a first line that hyper accepts unchanged.
    fn goes_as_it_is(&self, fresh: &[u8]) -> bool {
        if matches!(fresh, [b'\r' | b'\n', ..]) {
            return false;
        }
        let Some(end) = memchr::memchr(b'\n', fresh) else {
            return false;
        };
        match request_line::read(&fresh[..=end]) {
            Ok(request_line::RequestLine {
                corrected: None,
                is_head,
            }) => {
                self.exchange.line_is_read(is_head);
                true
            }
            _ => false,
        }
    }

    /// Turns the held bytes into something that hyper accepts. `false` if more bytes are needed.
    fn read_line(&mut self) -> Result<bool, HeadError> {
        // RFC 9112 section 2.2: empty lines before a request aren't part of it.
        while let [b'\n', ..] | [b'\r', b'\n', ..] = self.held[..] {
            let empty = if self.held[0] == b'\n' { 1 } else { 2 };
            self.held.advance(empty);
        }
        if self.held.is_empty() || self.held[..] == *b"\r" {
            return Ok(false);
        }
        self.exchange.line_begins();
        let end = memchr::memchr(b'\n', &self.held[self.searched..]);
        let Some(end) = end.map(|at| self.searched + at) else {
            request_line::check_start(&self.held)?;
            self.searched = self.held.len();
            return if self.searched > LINE_MAX {
                Err(HeadError::TargetTooLong(request_line::TARGET_MAX))
            } else {
                Ok(false)
            };
        };
        self.searched = 0;
        let read = request_line::read(&self.held[..=end])?;
        if let Some(mut corrected) = read.corrected {
            corrected.extend_from_slice(&self.held[end + 1..]);
            self.held = BytesMut::from(&corrected[..]);
        }
        self.exchange.line_is_read(read.is_head);
        Ok(true)
    }

    /// How many of these bytes the reader gets now.
    fn portion(&mut self, bytes: &[u8]) -> usize {
        if let NextBytes::Body(left) = self.exchange.next() {
            let portion = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
            self.exchange.body_goes_by(portion as u64);
            return portion;
        }
        let looked = self.line.look(bytes);
        self.exchange.lines_go_by(looked.lines, looked.names_length);
        looked.portion
    }
}

impl<S: AsyncRead + Unpin> FramingProbe<S> {
    /// Reads through the reader's buffer into `held`. Ready with `false` at the end of the stream.
    fn poll_hold(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let fresh = &buffer.filled()[before..];
        let is_end = fresh.is_empty();
        self.held.extend_from_slice(fresh);
        buffer.set_filled(before);
        Poll::Ready(Ok(!is_end))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FramingProbe<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let is_line = this.exchange.next() == NextBytes::Line;
        if this.held.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
            let fresh = &buffer.filled()[before..];
            if fresh.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if !is_line || this.goes_as_it_is(fresh) {
                let portion = this.portion(fresh);
                this.held.extend_from_slice(&fresh[portion..]);
                buffer.set_filled(before + portion);
                return Poll::Ready(Ok(()));
            }
            this.held.extend_from_slice(fresh);
            buffer.set_filled(before);
        }
        if is_line {
            loop {
                match this.read_line() {
                    Ok(true) => break,
                    Ok(false) => {
                        if !ready!(this.poll_hold(cx, buffer))? {
                            return Poll::Ready(Ok(()));
                        }
                    }
                    Err(fault) => {
                        this.exchange.line_is_refused(fault);
                        return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                    }
                }
            }
        }
        let mut held = std::mem::take(&mut this.held);
        let room = held.len().min(buffer.remaining());
        let portion = this.portion(&held[..room]);
        buffer.put_slice(&held[..portion]);
        held.advance(portion);
        if !held.is_empty() {
            this.held = held;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FramingProbe<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.exchange.writes(bytes) {
            WriteVerdict::Passes => Pin::new(&mut this.stream).poll_write(cx, bytes),
            WriteVerdict::Drops => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let first = pieces.iter().find(|piece| !piece.is_empty());
        match this.exchange.writes(first.map_or(b"", |piece| &piece[..])) {
            WriteVerdict::Passes => Pin::new(&mut this.stream).poll_write_vectored(cx, pieces),
            WriteVerdict::Drops => Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.exchange.is_owed() {
            // The connection's owner sends the reason first, then shuts down.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

/// What has been seen of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineProgress {
    /// This many bytes, all matching the start of [`LENGTH`].
    Name(usize),
    /// Only a carriage return.
    Return,
    /// Anything else.
    Other,
}

/// What [`LineProgress::look`] found.
struct LineScan {
    /// Bytes up to and including the first empty line, or all of them.
    portion: usize,
    /// How many lines end in it.
    lines: usize,
    /// Whether a line in it begins with [`LENGTH`].
    names_length: bool,
}

impl LineProgress {
    /// Continues with these bytes, up to an empty line. A line feed ends a line, with or without a
    /// carriage return before it, as in hyper (RFC 9112 section 2.2).
    fn look(&mut self, bytes: &[u8]) -> LineScan {
        let mut names_length = false;
        let mut lines = 0;
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            at += 1;
            *self = match (*self, byte) {
                (Self::Name(0) | Self::Return, b'\n') => {
                    *self = Self::Name(0);
                    break;
                }
                (_, b'\n') => {
                    lines += 1;
                    Self::Name(0)
                }
                (Self::Name(0), b'\r') => Self::Return,
                (Self::Name(known), byte)
                    if LENGTH.get(known) == Some(&byte.to_ascii_lowercase()) =>
                {
                    if known + 1 == LENGTH.len() {
                        names_length = true;
                        Self::Other
                    } else {
                        Self::Name(known + 1)
                    }
                }
                _ => {
                    // The rest of this line doesn't matter.
                    let rest = &bytes[at..];
                    at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                    Self::Other
                }
            };
        }
        LineScan {
            portion: at,
            lines,
            names_length,
        }
    }
}

/// hyper refuses names with a blank before the colon.
const LENGTH: &[u8] = b"content-length:";

/// Longer than any address that hyper accepts.
const LINE_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use tokio::io::AsyncReadExt;

    use super::*;

    /// The portions in which these bytes are passed on, and whether each one names a length.
    fn portions(pieces: &[&str]) -> Vec<(String, bool)> {
        let mut line = LineProgress::Name(0);
        let mut found = Vec::new();
        for piece in pieces {
            let mut rest = piece.as_bytes();
            while !rest.is_empty() {
                let looked = line.look(rest);
                let portion = String::from_utf8_lossy(&rest[..looked.portion]).into_owned();
                found.push((portion, looked.names_length));
                rest = &rest[looked.portion..];
            }
        }
        found
    }

    #[test]
    fn d1_p4_a_line_that_names_a_length_is_seen_and_no_other() {
        for (head, names) in [
            ("Content-Length: 1", true),
            ("content-length:1", true),
            ("CONTENT-LENGTH:", true),
            ("Content-Length: 1\r\nContent-Length: 2", true),
            ("Content-Lengths: 1", false),
            ("Content-Length", false),
            ("X-Content-Length: 1", false),
            ("X: Content-Length: 1", false),
            ("X: 1\rContent-Length: 1", false),
            (" Content-Length: 1", false),
        ] {
            for end in ["\r\n", "\n"] {
                let lines = head.replace("\r\n", end);
                let text = format!("POST / HTTP/1.1{end}{lines}{end}A: b{end}{end}");
                assert_eq!(portions(&[&text]), [(text.clone(), names)], "{head:?}");
                for at in 1..text.len() {
                    let (first, second) = text.split_at(at);
                    let found = portions(&[first, second]);
                    assert_eq!(found.len(), 2, "{head:?} at {at}");
                    let any = found.iter().any(|(_, names)| *names);
                    assert_eq!(any, names, "{head:?} at {at}");
                }
            }
        }
    }

    #[test]
    fn d1_p4_nothing_beyond_an_empty_line_is_handed_over() {
        let text = "\r\n\nGET / HTTP/1.1\r\nA: b\r\n\r\nGET /\n\nrest\r\r\n\r\nmore";
        let expected = [
            "\r\n",
            "\n",
            "GET / HTTP/1.1\r\nA: b\r\n\r\n",
            "GET /\n\n",
            "rest\r\r\n\r\n",
            "more",
        ];
        let found: Vec<_> = portions(&[text])
            .into_iter()
            .map(|(text, _)| text)
            .collect();
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn s3_bytes_come_as_they_are_and_a_body_of_known_length_in_one_go() {
        let head = "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n";
        let body = "a\n\nb\r\n\r\nc";
        let next = "GET / HTTP/1.1\r\n\r\n";
        let text = format!("{head}{body}{next}");
        let exchange = Exchange::default();
        let mut stream = FramingProbe::new(text.as_bytes(), exchange.clone());
        let mut buffer = [0; 1024];
        let mut read = async || {
            let count = stream.read(&mut buffer).await.unwrap();
            String::from_utf8_lossy(&buffer[..count]).into_owned()
        };
        assert_eq!(read().await, head);
        let request = Request::new(http_body_util::Full::new(Bytes::from(body)));
        assert!(!exchange.begin(&request), "no coding");
        assert_eq!(read().await, body);
        exchange.end(false);
        assert_eq!(read().await, next);
        let coded = Request::builder().header("transfer-encoding", "chunked");
        let coded = coded.body(crate::body::Body::empty()).unwrap();
        assert!(!exchange.begin(&coded), "the length was the last request's");
        assert_eq!(read().await, "");
    }

    /// Wherever the bytes are split, and whatever came before.
    #[tokio::test]
    async fn s8_a_line_is_read_anew_wherever_it_is_cut() {
        let sent = b"\r\n\nGET /?q=a>b \xff HTTP/1.1\r\nA: >\r\n\r\nPUT /> HTTP/1.0\n\nGET /c HTTP/1.1\r\n\r\n";
        let read = [
            "GET /?q=a%3Eb%20%FF HTTP/1.1\r\nA: >\r\n\r\n",
            "PUT /%3E HTTP/1.0\n\n",
            "GET /c HTTP/1.1\r\n\r\n",
        ];
        for first in 1..sent.len() {
            for second in (first..sent.len()).step_by(7) {
                let (middle, end) = (&sent[first..second], &sent[second..]);
                let pieces = AsyncReadExt::chain(AsyncReadExt::chain(&sent[..first], middle), end);
                let exchange = Exchange::default();
                let mut stream = FramingProbe::new(pieces, exchange.clone());
                for expected in read {
                    let mut found = vec![0; expected.len()];
                    stream.read_exact(&mut found).await.unwrap();
                    assert_eq!(
                        String::from_utf8(found).unwrap(),
                        expected,
                        "{first} {second}"
                    );
                    exchange.begin(&Request::new(crate::body::Body::empty()));
                    exchange.end(false);
                }
            }
        }
    }
}
