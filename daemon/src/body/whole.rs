//! Reads a whole body before any of it is sent.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::BodyExt;

use super::{Body, BodyError};

/// A body that ended early.
#[derive(Debug)]
pub(crate) struct TruncatedBody {
    /// What had arrived of it.
    pub(super) read: Bytes,
    /// Why it ended.
    pub(crate) error: BodyError,
}

/// Reads a body of `length` bytes, and drops its trailers, as RFC 9110 section 6.5.1 allows.
///
/// # Errors
/// The body breaks off, or its next piece takes too long.
pub(crate) async fn whole(mut body: Body, length: usize) -> Result<Bytes, TruncatedBody> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(piece) = next(&mut body).await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                let read = if all.is_empty() { first } else { all.freeze() };
                return Err(TruncatedBody { read, error });
            }
        };
        if first.is_empty() {
            first = piece;
            continue;
        }
        if all.is_empty() {
            all.reserve(length);
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&piece);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// The same body, if it ends or breaks off before its first byte.
pub(crate) async fn if_empty(mut body: Body) -> Option<Body> {
    loop {
        match next(&mut body).await {
            None => return Some(Body::empty()),
            Some(Ok(piece)) if piece.is_empty() => {}
            Some(Ok(_)) => return None,
            Some(Err(error)) => {
                let read = Bytes::new();
                return Some(TruncatedBody { read, error }.into());
            }
        }
    }
}

/// The next piece of a body's data.
async fn next(body: &mut Body) -> Option<Result<Bytes, BodyError>> {
    loop {
        let Ok(frame) = tokio::time::timeout(PIECE_MAX, body.frame()).await else {
            return Some(Err("the rest of it didn't arrive in time".into()));
        };
        match frame? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

/// What has arrived of the body, followed by the error.
impl From<TruncatedBody> for Body {
    fn from(broken: TruncatedBody) -> Self {
        let read = (!broken.read.is_empty()).then_some(Ok(broken.read));
        let items = read.into_iter().chain([Err(broken.error)]);
        Self::adapted(ItemStream(items.collect()))
    }
}

struct ItemStream(VecDeque<Result<Bytes, BodyError>>);

impl http_body::Body for ItemStream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.pop_front().map(|item| item.map(Frame::data)))
    }
}

/// How long the next piece of a body may take: as long as an answer from Zendesk.
const PIECE_MAX: Duration = Duration::from_secs(180);
