//! Whether a request's body has come whole, for whoever answers before it has.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::body::Body;

/// What of a connection's present request nobody has read. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

impl Unread {
    /// A body that says when it was read to its end.
    pub(super) fn watch(&self, body: Incoming) -> Body {
        let is_empty = body.is_end_stream();
        self.0.store(!is_empty, Ordering::Relaxed);
        if is_empty {
            return Body::from(body);
        }
        Body::adapted(Watched {
            body,
            unread: self.clone(),
        })
    }

    /// Notes that the client has sent more than anybody wanted to read.
    pub(super) fn found(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether something is left of the body, or may be.
    pub(super) fn is_left(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct Watched {
    body: Incoming,
    unread: Unread,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        // Nothing comes after trailers, and whoever has read them need not ask.
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
