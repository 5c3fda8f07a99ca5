//! The body of a response, which may be sent in pieces, pause, or break off.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::gate::Gate;

/// A body made of steps.
pub(super) struct ResponseBody {
    steps: VecDeque<Step>,
    /// The value of `Content-Length`; without it, the response is chunked.
    length: Option<u64>,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// One step of a body.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Sends these bytes.
    Send(Bytes),
    /// Sends these bytes this many times.
    Repeat(Bytes, u64),
    /// Waits for the gate.
    Wait(Gate),
    /// Lets hyper flush: it does so when a body has nothing ready.
    Flush,
    /// Breaks the connection.
    Break,
    /// Ends with a trailer section.
    Trailers(HeaderMap),
}

impl ResponseBody {
    pub(super) fn new(steps: impl IntoIterator<Item = Step>, length: Option<u64>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            length,
            waiting: None,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            return match self.steps.pop_front() {
                None => Poll::Ready(None),
                Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Some(Step::Send(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Repeat(_, 0)) => continue,
                Some(Step::Repeat(bytes, times)) => {
                    self.steps
                        .push_front(Step::Repeat(bytes.clone(), times - 1));
                    Poll::Ready(Some(Ok(Frame::data(bytes))))
                }
                Some(Step::Wait(gate)) => {
                    self.waiting = Some(Box::pin(async move { gate.pass().await }));
                    continue;
                }
                Some(Step::Flush) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(Step::Break) => Poll::Ready(Some(Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    "a fault breaks the body off",
                )))),
            };
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.waiting.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("steps", &self.steps)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
