//! Shows the `Content-Length` that hyper takes away where a request has a `Transfer-Encoding` too.
//!
//! RFC 9112 section 6.3 lets a server go by the coding alone, and hyper leaves no trace of the length
//! in what it hands over. Whoever means two programs to read one request in two ways sends both. So
//! the bytes are looked at on their way to hyper: whether a line begins with that name.
//!
//! This is no second reader of heads. hyper alone says where a head ends: it is given nothing beyond
//! an empty line in one go, and every head and every chunked body ends with one, so that it never
//! holds a byte of the next head. What was looked at up to its call is the head or more of it. A
//! mistake here could refuse a request, and let none in.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::TRANSFER_ENCODING;
use http::{HeaderMap, Request};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a connection's bytes say of its present request. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Framing(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// A line since the last request's end begins with `Content-Length:`.
    names_length: AtomicBool,
    /// So many bytes of a body of known length are still to come.
    body_left: AtomicU64,
}

impl Framing {
    /// Whether the head that hyper has just read has both a coding and a length. To be asked before
    /// anything of its body is read.
    pub(super) fn begin<B: Body>(&self, request: &Request<B>) -> bool {
        let names_length = self.0.names_length.swap(false, Ordering::Relaxed);
        let is_coded = has_coding(request.headers());
        let length = request.body().size_hint().exact();
        let length = length.filter(|_| !is_coded).unwrap_or(0);
        self.0.body_left.store(length, Ordering::Relaxed);
        is_coded && names_length
    }

    /// The request was read to its end; what comes next is another head.
    pub(super) fn end(&self) {
        self.0.names_length.store(false, Ordering::Relaxed);
    }
}

fn has_coding(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
}

/// A stream that gives its reader one head at a time, and tells `framing` what is in it.
pub(super) struct Stepwise<S> {
    stream: S,
    framing: Framing,
    line: Line,
    /// Came with the bytes before, and is for the next time.
    held: Bytes,
}

impl<S> Stepwise<S> {
    pub(super) fn new(stream: S, framing: Framing) -> Self {
        Self {
            stream,
            framing,
            line: Line::Name(0),
            held: Bytes::new(),
        }
    }

    /// How many of these bytes the reader gets now.
    fn portion(&mut self, bytes: &[u8]) -> usize {
        let Shared {
            names_length,
            body_left,
        } = &*self.framing.0;
        let left = body_left.load(Ordering::Relaxed);
        if left > 0 {
            let portion = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
            body_left.store(left - portion as u64, Ordering::Relaxed);
            return portion;
        }
        let looked = self.line.look(bytes);
        if looked.names_length {
            names_length.store(true, Ordering::Relaxed);
        }
        looked.portion
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stepwise<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.held.is_empty() {
            let room = this.held.len().min(buffer.remaining());
            let next = this.held.slice(..room);
            let portion = this.portion(&next);
            buffer.put_slice(&next[..portion]);
            this.held.advance(portion);
            if this.held.is_empty() {
                this.held = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let fresh = &buffer.filled()[before..];
        let portion = this.portion(fresh);
        this.held = Bytes::copy_from_slice(&fresh[portion..]);
        buffer.set_filled(before + portion);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stepwise<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// What has come of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// So many bytes, which [`LENGTH`] begins with.
    Name(usize),
    /// A carriage return alone.
    Return,
    /// Anything else.
    Other,
}

/// What [`Line::look`] found.
struct Looked {
    /// Up to and with the first empty line, or all.
    portion: usize,
    /// Whether a line in it begins with [`LENGTH`].
    names_length: bool,
}

impl Line {
    /// Goes on with bytes up to an empty line. A line feed ends a line, with or without a carriage
    /// return before it, as hyper takes it (RFC 9112 section 2.2).
    fn look(&mut self, bytes: &[u8]) -> Looked {
        let mut names_length = false;
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            at += 1;
            *self = match (*self, byte) {
                (Self::Name(0) | Self::Return, b'\n') => {
                    *self = Self::Name(0);
                    break;
                }
                (_, b'\n') => Self::Name(0),
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
                    // Nothing else of this line matters.
                    let rest = &bytes[at..];
                    at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                    Self::Other
                }
            };
        }
        Looked {
            portion: at,
            names_length,
        }
    }
}

/// hyper takes no name with a blank before its colon.
const LENGTH: &[u8] = b"content-length:";

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// The portions in which these bytes are handed over, and whether each names a length.
    fn portions(pieces: &[&str]) -> Vec<(String, bool)> {
        let mut line = Line::Name(0);
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
        let framing = Framing::default();
        let mut stream = Stepwise::new(text.as_bytes(), framing.clone());
        let mut buffer = [0; 1024];
        let mut read = async || {
            let count = stream.read(&mut buffer).await.unwrap();
            String::from_utf8_lossy(&buffer[..count]).into_owned()
        };
        assert_eq!(read().await, head);
        let request = Request::new(http_body_util::Full::new(Bytes::from(body)));
        assert!(!framing.begin(&request), "no coding");
        assert_eq!(read().await, body);
        framing.end();
        assert_eq!(read().await, next);
        let coded = Request::builder().header("transfer-encoding", "chunked");
        let coded = coded.body(crate::body::Body::empty()).unwrap();
        assert!(!framing.begin(&coded), "the length was the last request's");
        assert_eq!(read().await, "");
    }
}
