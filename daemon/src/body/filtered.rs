//! A body whose data is passed through a filter.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::BodyError;

/// Transforms a stream of bytes.
pub(crate) trait Filter {
    /// Consumes from `input`, and returns the next piece of output.
    ///
    /// # Errors
    /// The body must end here. What was held back is discarded.
    fn next(&mut self, input: &mut Bytes) -> Result<FilterStep, BodyError>;

    /// Ends the input. Returns what was held back.
    fn finish(&mut self) -> Result<Bytes, BodyError>;

    /// Whether [`finish`](Self::finish) would return neither data nor an error.
    fn is_finished(&self) -> bool;

    /// How many bytes it holds back, if the output is as long as the input; `None` if the length of the
    /// output isn't known before its end.
    fn held(&self) -> Option<usize> {
        None
    }

    /// Adapts the trailers.
    fn trailers(&self, trailers: &mut HeaderMap);
}

/// The result of one step of a [`Filter`].
#[derive(Debug)]
pub(crate) enum FilterStep {
    /// A piece of output.
    Piece(Bytes),
    /// The input is consumed, and there is no more output for it.
    Hungry,
    /// There is more to do, but other tasks should run first.
    Busy,
}

impl FilterStep {
    /// A piece, unless it is empty.
    pub(crate) fn of(piece: Bytes) -> Self {
        match piece.is_empty() {
            true => Self::Hungry,
            false => Self::Piece(piece),
        }
    }
}

/// Runs a body's data through a [`Filter`].
pub(crate) struct FilteredBody<B, F> {
    inner: B,
    filter: F,
    /// What the filter hasn't consumed yet.
    input: Bytes,
    ended: bool,
    /// What follows after the bytes that were held back: trailers or an error.
    last: Option<Result<Frame<Bytes>, BodyError>>,
}

impl<B, F> FilteredBody<B, F> {
    pub(crate) fn new(inner: B, filter: F) -> Self {
        Self {
            inner,
            filter,
            input: Bytes::new(),
            ended: false,
            last: None,
        }
    }
}

impl<B, F> Body for FilteredBody<B, F>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
    F: Filter + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        while !this.ended {
            match this.filter.next(&mut this.input) {
                Ok(FilterStep::Piece(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(FilterStep::Hungry) => (),
                Ok(FilterStep::Busy) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Err(error) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            let rest = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => {
                        this.input = chunk;
                        continue;
                    }
                    Err(frame) => {
                        this.last = frame.into_trailers().ok().and_then(|mut trailers| {
                            this.filter.trailers(&mut trailers);
                            (!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers)))
                        });
                        this.filter.finish()
                    }
                },
                Some(Err(error)) => {
                    this.last = Some(Err(error));
                    // After this error, an incomplete text needs no error of its own.
                    Ok(this.filter.finish().unwrap_or_default())
                }
                None => this.filter.finish(),
            };
            this.ended = true;
            match rest {
                Ok(rest) if rest.is_empty() => (),
                Ok(rest) => return Poll::Ready(Some(Ok(Frame::data(rest)))),
                Err(error) => {
                    this.last = None;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        Poll::Ready(this.last.take())
    }

    fn is_end_stream(&self) -> bool {
        // Not if something is held back, or the end will be an error: then it must be polled.
        let passes =
            || self.input.is_empty() && self.filter.is_finished() && self.inner.is_end_stream();
        self.last.is_none() && (self.ended || passes())
    }

    fn size_hint(&self) -> SizeHint {
        let Some(held) = self.filter.held() else {
            return SizeHint::default();
        };
        let waiting = (held + self.input.len()) as u64;
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(waiting));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(waiting));
        }
        hint
    }
}
