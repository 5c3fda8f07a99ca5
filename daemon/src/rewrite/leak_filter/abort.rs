//! A compressed body that breaks off before a secret is complete.

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;
use zeroize::Zeroize;

use super::super::gzip::Decoder;
use super::secrets::{BEGUN, TokenPatterns};
use crate::body::{BodyError, Filter, FilterStep};

/// Passes a gzip body on byte for byte, and decodes a copy of each frame first. Frames wait only
/// while a secret has begun in them, so that no more than its beginning is sent.
///
/// Masking would require compressing again; an endpoint that echoes a token is useless to a script
/// anyway.
pub(super) struct AbortFilter {
    secrets: TokenPatterns,
    decoder: Decoder,
    /// The frame that is being inspected.
    frame: Bytes,
    /// Frames with the beginning of a possible secret.
    waiting: VecDeque<Bytes>,
    /// The part of the frame that hasn't been decoded yet.
    encoded: Bytes,
    /// The end of the last decoded piece: a secret may span two pieces.
    tail: Vec<u8>,
    /// It isn't gzip, or no longer: a script couldn't read the rest either.
    is_unreadable: bool,
}

impl AbortFilter {
    pub(super) fn new(secrets: TokenPatterns) -> Self {
        Self {
            secrets,
            decoder: Decoder::new(),
            frame: Bytes::new(),
            waiting: VecDeque::new(),
            encoded: Bytes::new(),
            tail: Vec::new(),
            is_unreadable: false,
        }
    }

    /// Inspects the current frame, and returns whether that is done: a few bytes can decode to
    /// megabytes.
    ///
    /// # Errors
    /// If a secret is in it.
    fn look(&mut self) -> Result<bool, TokenRepeated> {
        for _ in 0..PIECES {
            match self.decoder.decode(&mut self.encoded) {
                Ok(Some(plain)) if self.completes_secret(&plain) => {
                    tracing::warn!("a compressed answer from Zendesk repeats a token; cutting it");
                    return Err(TokenRepeated);
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(true),
                Err(_) => {
                    self.is_unreadable = true;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether the last decoded piece ends with the beginning of a secret.
    fn has_begun(&self) -> bool {
        !self.is_unreadable && self.secrets.may_begin(&self.tail) >= BEGUN
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

impl Filter for AbortFilter {
    fn next(&mut self, input: &mut Bytes) -> Result<FilterStep, BodyError> {
        if !input.is_empty() {
            self.frame = std::mem::take(input);
            self.encoded = self.frame.clone();
        }
        if !self.frame.is_empty() {
            if !self.is_unreadable && !self.look()? {
                return Ok(FilterStep::Busy);
            }
            self.waiting.push_back(std::mem::take(&mut self.frame));
        }
        if self.has_begun() {
            return Ok(FilterStep::Hungry);
        }
        Ok(self
            .waiting
            .pop_front()
            .map_or(FilterStep::Hungry, FilterStep::Piece))
    }

    fn finish(&mut self) -> Result<Bytes, BodyError> {
        let waiting = std::mem::take(&mut self.waiting);
        Ok(Bytes::from(Vec::from(waiting).concat()))
    }

    fn is_finished(&self) -> bool {
        self.held() == Some(0)
    }

    fn held(&self) -> Option<usize> {
        let frames = self.waiting.iter().chain([&self.frame]);
        Some(frames.map(Bytes::len).sum())
    }

    fn trailers(&self, trailers: &mut HeaderMap) {
        super::mask(trailers, &self.secrets);
    }
}

impl Drop for AbortFilter {
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
