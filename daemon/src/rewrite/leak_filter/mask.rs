//! A body whose secrets are masked as it streams.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use zeroize::Zeroizing;

use super::secrets::{BEGUN, MASK, TokenPatterns};
use crate::body::Error;

/// Masks secrets in a body's data and trailers, across frame borders. Every byte is passed on at
/// once, except at the end of a frame where a secret has begun.
pub(super) struct MaskedBody<B> {
    inner: B,
    masker: TextMasker,
    /// What follows the held bytes: trailers or an error.
    last: Option<Result<Frame<Bytes>, Error>>,
}

impl<B> MaskedBody<B> {
    pub(super) fn new(inner: B, secrets: TokenPatterns) -> Self {
        Self {
            inner,
            masker: TextMasker::new(secrets),
            last: None,
        }
    }
}

impl<B> Body for MaskedBody<B>
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
            if let Some(last) = this.last.take() {
                return Poll::Ready(Some(last));
            }
            this.last = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => {
                        let passed = this.masker.push(chunk);
                        if passed.is_empty() {
                            continue;
                        }
                        return Poll::Ready(Some(Ok(Frame::data(passed))));
                    }
                    Err(frame) => frame.into_trailers().ok().map(|mut trailers| {
                        super::mask(&mut trailers, &this.masker.secrets);
                        Ok(Frame::trailers(trailers))
                    }),
                },
                Some(Err(error)) => Some(Err(error)),
                None => None,
            };
            let held = this.masker.finish();
            if !held.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(held))));
            }
            if this.last.is_none() {
                return Poll::Ready(None);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.last.is_none() && self.masker.held() == 0 && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.masker.held() as u64;
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(held));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint
    }
}

/// Masks secrets in a text that arrives in pieces.
pub(super) struct TextMasker {
    secrets: TokenPatterns,
    /// The end of the text so far, if a secret may begin there.
    begun: Zeroizing<Vec<u8>>,
    /// How much of that has been passed on already.
    gone: usize,
    told: bool,
}

impl TextMasker {
    pub(super) fn new(secrets: TokenPatterns) -> Self {
        Self {
            secrets,
            begun: Zeroizing::default(),
            gone: 0,
            told: false,
        }
    }

    /// Takes the next piece, and returns as much of the text as may be shown.
    pub(super) fn push(&mut self, chunk: Bytes) -> Bytes {
        let gone = std::mem::take(&mut self.gone);
        let text = if self.begun.is_empty() {
            chunk
        } else {
            let mut text = BytesMut::with_capacity(self.begun.len() + chunk.len());
            text.extend_from_slice(&self.begun);
            text.extend_from_slice(&chunk);
            self.begun.clear();
            text.freeze()
        };
        let found = self.secrets.find(&text);
        // A masked range can't begin another secret.
        let decided = found.last().map_or(0, |place| place.end);
        let begun = text.len() - self.secrets.may_begin(&text[decided..]);
        self.begun.extend_from_slice(&text[begun..]);
        let end = if self.begun.len() < BEGUN {
            text.len()
        } else {
            begun.max(gone)
        };
        self.gone = end - begun;
        if found.is_empty() {
            return text.slice(gone..end);
        }
        if !self.told {
            self.told = true;
            tracing::warn!("the body of Zendesk's answer repeats a token; it is masked");
        }
        let mut masked = BytesMut::from(&text[..end]);
        for place in found {
            masked[place].fill(MASK);
        }
        masked.freeze().slice(gone..)
    }

    /// Ends the text.
    pub(super) fn finish(&mut self) -> Bytes {
        let rest = Bytes::copy_from_slice(self.begun.get(self.gone..).unwrap_or_default());
        self.begun.clear();
        self.gone = 0;
        rest
    }

    /// How many bytes are held back.
    fn held(&self) -> usize {
        self.begun.len() - self.gone
    }
}
