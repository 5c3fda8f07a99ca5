//! Tracks whether a request's body has been read to its end, for answers that come before that.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::body::Body;

/// Whether part of the connection's current request is still unread. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct UnreadFlag(Arc<AtomicBool>);

impl UnreadFlag {
    /// Wraps a body so that reading it to the end is noted.
    pub(super) fn watch(&self, body: Incoming) -> Body {
        let is_empty = body.is_end_stream();
        self.0.store(!is_empty, Ordering::Relaxed);
        if is_empty {
            return Body::from(body);
        }
        Body::adapted(TrackedBody {
            body,
            unread: self.clone(),
        })
    }

    /// Notes that the client has sent more than was read.
    pub(super) fn found(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether some of the body is unread, or may be.
    pub(super) fn is_left(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct TrackedBody {
    body: Incoming,
    unread: UnreadFlag,
}

impl http_body::Body for TrackedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        // Nothing follows trailers, and their reader needn't poll again.
        let is_last = match &frame {
            Some(Ok(frame)) => frame.is_trailers(),
            Some(Err(_)) => false,
            None => true,
        };
        if is_last || self.body.is_end_stream() {
            self.unread.0.store(false, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
