//! A body that is checked as it streams, and never completes if something is found in it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{BodyFinding, Scan};
use crate::body::{Body, Error};
use crate::rights::Denial;

/// Passes a body on one byte late: the byte that would complete it is sent only when all of it has
/// been checked. A server waits for the rest of a body that breaks off, and does nothing.
pub(super) struct Streamed {
    inner: Body,
    scan: Scan,
    /// The error that ends a body in which this was found.
    denial: fn((&'static str, BodyFinding)) -> Denial,
    held: Bytes,
    ended: bool,
}

impl Streamed {
    pub(super) fn new(
        inner: Body,
        scan: Scan,
        denial: fn((&'static str, BodyFinding)) -> Denial,
    ) -> Self {
        Self {
            inner,
            scan,
            denial,
            held: Bytes::new(),
            ended: false,
        }
    }

    /// The part of a piece that can be passed on.
    fn pass(&mut self, piece: Bytes) -> Result<Bytes, Error> {
        self.scan.push(&piece).map_err(self.denial)?;
        let mut passed = match self.held.is_empty() {
            true => piece,
            false => Bytes::from([&self.held[..], &piece[..]].concat()),
        };
        self.held = passed.split_off(passed.len().saturating_sub(1));
        Ok(passed)
    }
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        while !this.ended {
            let frame = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                // Trailers are dropped, as RFC 9110 section 6.5.1 allows.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => this.pass(piece),
                    Err(_) => continue,
                },
                Some(Err(error)) => Err(error),
                None => {
                    this.ended = true;
                    let found = this.scan.finish().map_err(this.denial);
                    found
                        .map_err(Error::from)
                        .map(|()| std::mem::take(&mut this.held))
                }
            };
            match frame {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(error) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        // The held byte is still to be polled, and so is a verdict that only the end gives.
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.len() as u64;
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + held);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }
}
