//! The filters that run over a body: the decoder, then the scanner.

use bytes::Bytes;
use http::HeaderMap;

use super::gzip::Decoder;
use super::head;
use super::scanner::Scanner;
use crate::body::{BodyError, Filter, FilterStep};

impl Filter for Scanner {
    fn next(&mut self, input: &mut Bytes) -> Result<FilterStep, BodyError> {
        Ok(FilterStep::of(self.push(&std::mem::take(input))))
    }

    fn finish(&mut self) -> Result<Bytes, BodyError> {
        Ok(Self::finish(self))
    }

    fn is_finished(&self) -> bool {
        !self.holds_back()
    }

    fn trailers(&self, trailers: &mut HeaderMap) {
        head::clean_trailers(trailers);
    }
}

/// However much a body grows, only one small chunk of it is in memory at a time.
///
/// The head has already been sent when an error occurs, so all that can be signalled is that the
/// body is incomplete: the connection is closed before its end.
impl Filter for Decoder {
    fn next(&mut self, input: &mut Bytes) -> Result<FilterStep, BodyError> {
        let decoded = self.decode(input).map_err(logged)?;
        Ok(decoded.map_or(FilterStep::Hungry, FilterStep::Piece))
    }

    fn finish(&mut self) -> Result<Bytes, BodyError> {
        Self::finish(self).map(|()| Bytes::new()).map_err(logged)
    }

    fn is_finished(&self) -> bool {
        Self::finish(self).is_ok()
    }

    fn trailers(&self, trailers: &mut HeaderMap) {
        head::clean_trailers(trailers);
    }
}

fn logged(error: super::gzip::GzipError) -> BodyError {
    tracing::warn!("can't decode the body of an answer: {error}; it ends here");
    error.into()
}
