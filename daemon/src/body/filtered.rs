//! A body whose data runs through a filter on its way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::Error;

/// What becomes of a stream of bytes.
pub(crate) trait Filter {
    /// Takes from `input`, and gives the next piece of what comes out.
    ///
    /// # Errors
    /// Why the body ends here. What was held back is lost.
    fn next(&mut self, input: &mut Bytes) -> Result<Step, Error>;

    /// Nothing follows: gives what was held back.
    fn finish(&mut self) -> Result<Bytes, Error>;

    /// Whether [`finish`](Self::finish) would give nothing, and no error either.
    fn is_finished(&self) -> bool;

    /// How many bytes it holds back, where as many come out as go in; `None` where the length of
    /// what comes out isn't known before its end.
    fn held(&self) -> Option<usize> {
        None
    }

    /// Changes the trailers that follow.
    fn trailers(&self, trailers: &mut HeaderMap);
}

/// How far a [`Filter`] has come.
#[derive(Debug)]
pub(crate) enum Step {
    /// A piece that can go on.
    Piece(Bytes),
    /// Everything has been taken, and no more comes out of it.
    Hungry,
    /// There is more to do, after others had their turn.
    Busy,
}

impl Step {
    /// A piece, unless it is empty.
    pub(crate) fn of(piece: Bytes) -> Self {
        match piece.is_empty() {
            true => Self::Hungry,
            false => Self::Piece(piece),
        }
    }
}

/// Runs a body's data through a [`Filter`].
pub(crate) struct Filtered<B, F> {
    inner: B,
    filter: F,
    /// What the filter has still to take.
    input: Bytes,
    ended: bool,
    /// What comes after the bytes that were held back: trailers or an error.
    last: Option<Result<Frame<Bytes>, Error>>,
}

impl<B, F> Filtered<B, F> {
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

impl<B, F> Body for Filtered<B, F>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
    F: Filter + Unpin,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        while !this.ended {
            match this.filter.next(&mut this.input) {
                Ok(Step::Piece(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(Step::Hungry) => (),
                Ok(Step::Busy) => {
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
                    // That the text isn't whole is no news then.
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
        // A body that fails at its end, or has held something back, must be asked for it.
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
