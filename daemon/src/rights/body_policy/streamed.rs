//! A body that is checked as it streams, and never completes if something is found in it.

use bytes::Bytes;
use http::HeaderMap;

use super::{BodyFinding, Scan};
use crate::body::{BodyError, Filter, FilterStep};
use crate::rights::PolicyDenied;

/// Passes a body on one byte late: the byte that would complete it is sent only when all of it has
/// been checked. A server waits for the rest of a body that breaks off, and does nothing.
pub(super) struct Streamed {
    scan: Scan,
    /// The error that ends a body in which this was found.
    denial: fn((&'static str, BodyFinding)) -> PolicyDenied,
    held: Bytes,
    is_over: bool,
}

impl Streamed {
    pub(super) fn new(scan: Scan, denial: fn((&'static str, BodyFinding)) -> PolicyDenied) -> Self {
        Self {
            scan,
            denial,
            held: Bytes::new(),
            is_over: false,
        }
    }
}

impl Filter for Streamed {
    fn next(&mut self, input: &mut Bytes) -> Result<FilterStep, BodyError> {
        if input.is_empty() {
            return Ok(FilterStep::Hungry);
        }
        let piece = std::mem::take(input);
        self.scan.push(&piece).map_err(self.denial)?;
        let mut passed = match self.held.is_empty() {
            true => piece,
            false => Bytes::from([&self.held[..], &piece[..]].concat()),
        };
        self.held = passed.split_off(passed.len().saturating_sub(1));
        Ok(FilterStep::of(passed))
    }

    fn finish(&mut self) -> Result<Bytes, BodyError> {
        self.is_over = true;
        self.scan.finish().map_err(self.denial)?;
        Ok(std::mem::take(&mut self.held))
    }

    fn is_finished(&self) -> bool {
        // Only the end tells whether something is found.
        self.is_over
    }

    fn held(&self) -> Option<usize> {
        Some(self.held.len())
    }

    /// None are sent, as RFC 9110 section 6.5.1 allows.
    fn trailers(&self, trailers: &mut HeaderMap) {
        trailers.clear();
    }
}
