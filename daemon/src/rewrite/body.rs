//! A body that is rewritten on its way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::head;
use super::scanner::Scanner;
use crate::body::Error;

/// Runs a body's data through a [`Scanner`]. Its length is not known before its end.
pub(super) struct Rewritten<B> {
    inner: B,
    scanner: Scanner,
    /// What comes after the bytes that were held back: trailers or an error.
    last: Option<Result<Frame<Bytes>, Error>>,
}

impl<B> Rewritten<B> {
    pub(super) fn new(inner: B, scanner: Scanner) -> Self {
        Self {
            inner,
            scanner,
            last: None,
        }
    }
}

impl<B> Body for Rewritten<B>
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
                        let passed = this.scanner.push(&chunk);
                        if passed.is_empty() {
                            continue;
                        }
                        return Poll::Ready(Some(Ok(Frame::data(passed))));
                    }
                    Err(frame) => frame.into_trailers().ok().map(|mut trailers| {
                        head::clean_trailers(&mut trailers);
                        Ok(Frame::trailers(trailers))
                    }),
                },
                Some(Err(error)) => Some(Err(error)),
                None => None,
            };
            let held = this.scanner.finish();
            if !held.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(held))));
            }
            if this.last.is_none() {
                return Poll::Ready(None);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.last.is_none() && !self.scanner.holds_back() && self.inner.is_end_stream()
    }
}
