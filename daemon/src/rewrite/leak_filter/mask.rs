//! Masks secrets in a body as it streams.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use zeroize::Zeroizing;

use super::secrets::{BEGUN, MASK, TokenPatterns};
use crate::body::{BodyError, Filter, FilterStep};

/// Masks secrets in a text that comes in pieces, and in its trailers. Every byte is passed on at once,
/// except at the end of a piece where a secret has begun.
pub(super) struct MaskFilter {
    secrets: TokenPatterns,
    /// The end of the text so far, if a secret may begin there.
    begun: Zeroizing<Vec<u8>>,
    /// How much of that has been passed on already.
    gone: usize,
    told: bool,
}

impl MaskFilter {
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
            tracing::warn!("{}", super::MASKED_BODY);
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
}

impl Filter for MaskFilter {
    fn next(&mut self, input: &mut Bytes) -> Result<FilterStep, BodyError> {
        match input.is_empty() {
            true => Ok(FilterStep::Hungry),
            false => Ok(FilterStep::of(self.push(std::mem::take(input)))),
        }
    }

    fn finish(&mut self) -> Result<Bytes, BodyError> {
        Ok(Self::finish(self))
    }

    fn is_finished(&self) -> bool {
        self.held() == Some(0)
    }

    fn held(&self) -> Option<usize> {
        Some(self.begun.len() - self.gone)
    }

    fn trailers(&self, trailers: &mut HeaderMap) {
        super::mask(trailers, &self.secrets);
    }
}
