//! A body of JSON values, one per line, written as they arrive.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use serde::Serialize;
use tokio::sync::mpsc;

/// Ends when the sender is dropped; sending fails once the reader has hung up.
#[derive(Debug)]
pub(super) struct JsonLines<T>(pub(super) mpsc::Receiver<T>);

impl<T: Serialize> http_body::Body for JsonLines<T> {
    type Data = Bytes;
    type Error = serde_json::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, serde_json::Error>>> {
        self.0.poll_recv(cx).map(|value| {
            let mut line = match serde_json::to_vec(&value?) {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            line.push(b'\n');
            Some(Ok(Frame::data(Bytes::from(line))))
        })
    }
}
