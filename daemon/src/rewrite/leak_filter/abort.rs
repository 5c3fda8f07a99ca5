//! A compressed body that breaks off before a secret is complete.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use zeroize::Zeroize;

use super::super::gzip::Decoder;
use super::secrets::{BEGUN, TokenPatterns};
use crate::body::Error;

/// Passes a gzip body on byte for byte, and decodes a copy of each frame first. Frames wait only
/// while a secret has begun in them, so that no more than its beginning is sent.
///
/// Masking would require compressing again; an endpoint that echoes a token is useless to a script
/// anyway.
pub(super) struct AbortingBody<B> {
    inner: B,
    secrets: TokenPatterns,
    decoder: Decoder,
    /// The frame that is being inspected.
    frame: Bytes,
    /// Frames with the beginning of a possible secret.
    waiting: VecDeque<Bytes>,
    /// What follows them: trailers, an error, or the end.
    last: Option<Option<Result<Frame<Bytes>, Error>>>,
    /// The part of the frame that hasn't been decoded yet.
    encoded: Bytes,
    /// The end of the last decoded piece: a secret may span two pieces.
    tail: Vec<u8>,
    state: AbortState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AbortState {
    Watching,
    /// It isn't gzip, or no longer: a script couldn't read the rest either.
    Unreadable,
    Cut,
}

impl<B> AbortingBody<B> {
    pub(super) fn new(inner: B, secrets: TokenPatterns) -> Self {
        Self {
            inner,
            secrets,
            decoder: Decoder::new(),
            frame: Bytes::new(),
            waiting: VecDeque::new(),
            last: None,
            encoded: Bytes::new(),
            tail: Vec::new(),
            state: AbortState::Watching,
        }
    }

    /// Inspects the current frame. `Pending` lets other tasks run in between: a few bytes can
    /// decode to megabytes.
    fn look(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..PIECES {
            match self.decoder.decode(&mut self.encoded) {
                Ok(Some(plain)) => {
                    if self.completes_secret(&plain) {
                        self.state = AbortState::Cut;
                        return Poll::Ready(());
                    }
                }
                Ok(None) => return Poll::Ready(()),
                Err(_) => {
                    self.state = AbortState::Unreadable;
                    return Poll::Ready(());
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether the last decoded piece ends with the beginning of a secret, and more may follow.
    fn has_begun(&self) -> bool {
        self.last.is_none()
            && self.state == AbortState::Watching
            && self.secrets.may_begin(&self.tail) >= BEGUN
    }

    fn completes_secret(&mut self, plain: &[u8]) -> bool {
        let kept = self.secrets.longest().saturating_sub(1);
        // Across the border first, then the piece itself, which needs no copy.
        self.tail.extend_from_slice(&plain[..plain.len().min(kept)]);
        let found = self.secrets.are_in(&self.tail) || self.secrets.are_in(plain);
        if plain.len() >= kept {
            self.tail.zeroize();
            self.tail.extend_from_slice(&plain[plain.len() - kept..]);
        } else {
            let over = self.tail.len().saturating_sub(kept);
            self.tail.drain(..over);
        }
        found
    }
}

impl<B> Body for AbortingBody<B>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        loop {
            if this.state == AbortState::Cut {
                return Poll::Ready(None);
            }
            if !this.frame.is_empty() {
                if this.state == AbortState::Watching {
                    ready!(this.look(cx));
                }
                if this.state == AbortState::Cut {
                    this.waiting.clear();
                    tracing::warn!("a compressed answer from Zendesk repeats a token; cutting it");
                    return Poll::Ready(Some(Err(TokenRepeated.into())));
                }
                this.waiting.push_back(std::mem::take(&mut this.frame));
            }
            if !this.has_begun()
                && let Some(frame) = this.waiting.pop_front()
            {
                return Poll::Ready(Some(Ok(Frame::data(frame))));
            }
            if let Some(last) = &mut this.last {
                return Poll::Ready(last.take());
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        this.encoded = data.clone();
                        this.frame = data;
                    }
                    Err(frame) => {
                        this.last = Some(frame.into_trailers().ok().map(|mut trailers| {
                            super::mask(&mut trailers, &this.secrets);
                            Ok(Frame::trailers(trailers))
                        }));
                    }
                },
                other => this.last = Some(other),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == AbortState::Cut
            || (self.frame.is_empty()
                && self.waiting.is_empty()
                // Trailers that wait behind held frames.
                && !matches!(self.last, Some(Some(_)))
                && self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.frame.is_empty() && self.waiting.is_empty() {
            return self.inner.size_hint();
        }
        SizeHint::default()
    }
}

impl<B> Drop for AbortingBody<B> {
    fn drop(&mut self) {
        self.tail.zeroize();
    }
}

/// Why the body breaks off.
#[derive(Debug, thiserror::Error)]
#[error("the answer repeats a live token")]
struct TokenRepeated;

/// A quarter of a megabyte decoded: some tenths of a millisecond.
const PIECES: usize = 8;
