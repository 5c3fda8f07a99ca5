//! Gunzips a body on its way.

mod decoder;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};

pub(super) use self::decoder::Decoder;
use crate::body::Error;

/// Decodes a body's data. However much it grows, one small chunk of it is in memory at a time.
///
/// The head has been sent when an error shows, so all that can be said is that the body is not
/// whole: the connection is closed before its end.
pub(super) struct Gunzip<B> {
    inner: B,
    encoded: Bytes,
    decoder: Decoder,
    failed: bool,
}

impl<B> Gunzip<B> {
    pub(super) fn new(inner: B) -> Self {
        Self {
            inner,
            encoded: Bytes::new(),
            decoder: Decoder::new(),
            failed: false,
        }
    }

    fn fail<T>(&mut self, error: decoder::Error) -> Poll<Option<Result<T, Error>>> {
        self.failed = true;
        tracing::warn!("the body of an answer can't be decoded: {error}; it ends here");
        Poll::Ready(Some(Err(error.into())))
    }
}

impl<B> Body for Gunzip<B>
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
        if this.failed {
            return Poll::Ready(None);
        }
        loop {
            match this.decoder.decode(&mut this.encoded) {
                Ok(Some(plain)) => return Poll::Ready(Some(Ok(Frame::data(plain)))),
                Ok(None) => (),
                Err(error) => return this.fail(error),
            }
            let frame = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    this.failed = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    return match this.decoder.finish() {
                        Ok(()) => Poll::Ready(None),
                        Err(error) => this.fail(error),
                    };
                }
            };
            match frame.into_data() {
                Ok(data) => this.encoded = data,
                Err(trailers) => {
                    return match this.decoder.finish() {
                        Ok(()) => Poll::Ready(Some(Ok(trailers))),
                        Err(error) => this.fail(error),
                    };
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // A body that fails at its end must be asked for it.
        self.failed
    }
}
