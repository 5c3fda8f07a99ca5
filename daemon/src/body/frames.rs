//! A body for tests, frame by frame.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::body::BodyError;

/// A frame, or an error.
pub(crate) type Item = Result<Frame<Bytes>, BodyError>;

/// A body that ends when its sender is dropped.
pub(crate) struct FrameBody(UnboundedReceiver<Item>);

impl FrameBody {
    pub(crate) fn channel() -> (UnboundedSender<Item>, Self) {
        let (sender, receiver) = unbounded_channel();
        (sender, Self(receiver))
    }

    pub(crate) fn of(items: impl IntoIterator<Item = Item>) -> Self {
        let (sender, body) = Self::channel();
        for item in items {
            sender.send(item).unwrap();
        }
        body
    }

    /// Some bytes in frames of `size`.
    pub(crate) fn cut(bytes: &[u8], size: usize) -> Self {
        Self::of(bytes.chunks(size).map(data))
    }
}

/// A frame of data.
pub(crate) fn data(bytes: impl AsRef<[u8]>) -> Item {
    Ok(Frame::data(Bytes::copy_from_slice(bytes.as_ref())))
}

impl Body for FrameBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx)
    }
}
