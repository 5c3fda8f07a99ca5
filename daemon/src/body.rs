//! The body type of all requests and responses that pass through.

mod at_once;
mod budget;
mod filtered;
#[cfg(test)]
pub(crate) mod frames;
mod whole;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

pub(crate) use at_once::filtered;
pub use budget::Budget;
#[cfg(test)]
pub(crate) use budget::tests::{budget, free};
pub(crate) use budget::{BudgetShare, REQUEST_MAX};
pub(crate) use filtered::{Filter, FilterStep, FilteredBody};
pub(crate) use whole::{if_empty, whole};

/// A streaming body. Frames from the network are passed on one by one, without a copy.
#[derive(Debug)]
pub struct Body(BodyInner);

/// An error while a body is read.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

impl Body {
    /// An empty body.
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// A body that is in memory.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(BodyInner::Full(bytes.into()))
    }

    /// A body of another type.
    pub fn adapted<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Self(BodyInner::Adapted(body.map_err(Into::into).boxed_unsync()))
    }

    /// The same body, with its first piece at hand if that arrives at once: head and body of a small
    /// answer can then be handled and sent together. Waits for nothing but tasks that are ready to run.
    pub(crate) async fn begun(self) -> Self {
        let BodyInner::Incoming(mut rest) = self.0 else {
            return self;
        };
        if rest.is_end_stream() {
            return Self::from(rest);
        }
        // hyper fetches the first piece when it is asked for, in the connection's task.
        let mut is_asked = false;
        let first = poll_fn(|cx| match Pin::new(&mut rest).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame),
            Poll::Pending if is_asked => Poll::Ready(None),
            Poll::Pending => {
                is_asked = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        });
        let Some(first) = first.await else {
            return Self::from(rest);
        };
        match first.map(Frame::into_data) {
            Ok(Ok(bytes)) if rest.is_end_stream() => Self::full(bytes),
            Ok(Ok(bytes)) => Self(BodyInner::Begun(Some(Ok(Frame::data(bytes))), rest)),
            Ok(Err(frame)) => Self(BodyInner::Begun(Some(Ok(frame)), rest)),
            Err(error) => Self(BodyInner::Begun(Some(Err(error)), rest)),
        }
    }

    /// All of its bytes, or the body again if they aren't in memory.
    ///
    /// # Errors
    /// The body, if it is still arriving or has trailers.
    #[expect(
        clippy::result_large_err,
        reason = "the body goes back to where it came from; a box would cost more than the move"
    )]
    pub(crate) fn into_full(self) -> Result<Bytes, Self> {
        match self.0 {
            BodyInner::Full(bytes) => Ok(bytes),
            BodyInner::Incoming(_) | BodyInner::Begun(..) | BodyInner::Adapted(_) => Err(self),
        }
    }
}

impl From<Incoming> for Body {
    fn from(body: Incoming) -> Self {
        Self(BodyInner::Incoming(body))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            BodyInner::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            BodyInner::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            BodyInner::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            BodyInner::Begun(first, rest) => match first.take() {
                Some(frame) => Poll::Ready(Some(frame.map_err(Into::into))),
                None => Pin::new(rest).poll_frame(cx).map_err(Into::into),
            },
            BodyInner::Adapted(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            BodyInner::Full(bytes) => bytes.is_empty(),
            BodyInner::Incoming(body) => body.is_end_stream(),
            BodyInner::Begun(first, rest) => first.is_none() && rest.is_end_stream(),
            BodyInner::Adapted(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            BodyInner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            BodyInner::Incoming(body) => body.size_hint(),
            BodyInner::Begun(first, rest) => {
                let first = first.iter().flatten().filter_map(Frame::data_ref);
                let length = first.map(Bytes::len).sum::<usize>() as u64;
                let mut hint = rest.size_hint();
                if let Some(upper) = hint.upper() {
                    hint.set_upper(upper + length);
                }
                hint.set_lower(hint.lower() + length);
                hint
            }
            BodyInner::Adapted(body) => body.size_hint(),
        }
    }
}

#[derive(Debug)]
enum BodyInner {
    Full(Bytes),
    Incoming(Incoming),
    /// The first frame, and what follows it.
    Begun(Option<Result<Frame<Bytes>, hyper::Error>>, Incoming),
    Adapted(UnsyncBoxBody<Bytes, BodyError>),
}
