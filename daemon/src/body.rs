//! The body type of all requests and responses that pass through.

mod budget;
mod filtered;
#[cfg(test)]
pub(crate) mod frames;
mod whole;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

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
        Self(BodyInner::Full(Full::new(bytes.into())))
    }

    /// A body of another type.
    pub fn adapted<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Self(BodyInner::Adapted(body.map_err(Into::into).boxed_unsync()))
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
            BodyInner::Full(body) => Pin::new(body).poll_frame(cx).map_err(|e| match e {}),
            BodyInner::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            BodyInner::Adapted(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            BodyInner::Full(body) => body.is_end_stream(),
            BodyInner::Incoming(body) => body.is_end_stream(),
            BodyInner::Adapted(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            BodyInner::Full(body) => body.size_hint(),
            BodyInner::Incoming(body) => body.size_hint(),
            BodyInner::Adapted(body) => body.size_hint(),
        }
    }
}

#[derive(Debug)]
enum BodyInner {
    Full(Full<Bytes>),
    Incoming(Incoming),
    Adapted(UnsyncBoxBody<Bytes, BodyError>),
}
