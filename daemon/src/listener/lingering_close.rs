//! Lingering close: the end of a connection whose client may still be sending (RFC 9112 section
//! 9.6).
//!
//! Closing a socket that holds unread bytes makes the system send a reset, which destroys an answer
//! that the client has not read yet. So first close the writing side, then read and discard for a
//! while.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::body_progress::UnreadFlag;

/// A stream with a lingering close.
pub(super) struct LingeringClose<S> {
    stream: S,
    unread: UnreadFlag,
    closing: Closing,
}

enum Closing {
    No,
    /// Discards what the client sends, until this time.
    Until(Pin<Box<Sleep>>),
    Done,
}

impl<S> LingeringClose<S> {
    pub(super) fn new(stream: S, unread: UnreadFlag) -> Self {
        Self {
            stream,
            unread,
            closing: Closing::No,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> LingeringClose<S> {
    /// Reads and discards. Ready when the client has closed, or when there is nothing to wait for.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut room = [MaybeUninit::uninit(); DISCARD];
        // Limited per poll, so that other tasks get their turn.
        for _ in 0..TURNS {
            let mut buffer = ReadBuf::uninit(&mut room);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Poll::Ready(()),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => self.unread.found(),
                Poll::Pending if self.unread.is_left() => return Poll::Pending,
                // The request was read to its end: no unread bytes can cause a reset.
                Poll::Pending => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LingeringClose<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for LingeringClose<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.closing {
                Closing::No => {
                    ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
                    self.closing = Closing::Until(Box::pin(tokio::time::sleep(LINGER)));
                }
                Closing::Until(end) => {
                    if end.as_mut().poll(cx).is_pending() {
                        ready!(self.poll_discard(cx));
                    }
                    self.closing = Closing::Done;
                }
                Closing::Done => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// By then a client on the same machine has read its answer; one that keeps sending isn't worth a
/// slot.
const LINGER: Duration = Duration::from_secs(5);

const DISCARD: usize = 16 << 10;
const TURNS: usize = 16;
