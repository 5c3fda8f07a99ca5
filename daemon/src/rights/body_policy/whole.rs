//! Reads a body to its end before any of it is sent.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::body::{Body, Error};

/// A body that was read.
pub(super) enum Whole {
    Read(Bytes),
    /// It ended too early: the part that came, and then the error.
    BrokenOff(Body),
}

/// Permission to keep a body in memory.
pub(super) struct Reading {
    length: usize,
    _share: SemaphorePermit<'static>,
}

/// Whether a body of this length fits the cap and memory is left for it.
pub(super) fn may_be_read(length: u64) -> Option<Reading> {
    let length = usize::try_from(length).ok().filter(|n| *n <= BODY_MAX)?;
    let blocks = u32::try_from(length.div_ceil(BLOCK)).ok()?;
    Some(Reading {
        length,
        _share: MEMORY.try_acquire_many(blocks).ok()?,
    })
}

impl Reading {
    pub(super) async fn read(self, mut body: Body) -> Whole {
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        loop {
            let piece = match next(&mut body).await {
                Some(Ok(piece)) => piece,
                None => break,
                Some(Err(error)) => {
                    let read = if all.is_empty() { first } else { all.freeze() };
                    return Whole::BrokenOff(Body::adapted(Replayed::new([Ok(read), Err(error)])));
                }
            };
            if first.is_empty() {
                first = piece;
                continue;
            }
            if all.is_empty() {
                all.reserve(self.length);
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&piece);
        }
        Whole::Read(if all.is_empty() { first } else { all.freeze() })
    }
}

/// Whether a body is empty.
pub(super) enum Empty {
    /// It is, or an error comes before the first byte.
    Yes(Body),
    No,
}

/// Waits for a body's first byte.
pub(super) async fn first(mut body: Body) -> Empty {
    loop {
        match next(&mut body).await {
            None => return Empty::Yes(Body::empty()),
            Some(Ok(piece)) if piece.is_empty() => {}
            Some(Ok(_)) => return Empty::No,
            Some(Err(error)) => return Empty::Yes(Body::adapted(Replayed::new([Err(error)]))),
        }
    }
}

/// The next piece of a body's data. Trailers are dropped, as RFC 9110 section 6.5.1 allows.
async fn next(body: &mut Body) -> Option<Result<Bytes, Error>> {
    loop {
        let Ok(frame) = tokio::time::timeout(PIECE_MAX, body.frame()).await else {
            return Some(Err("nothing more of it arrived".into()));
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

/// What was read of a body that broke off.
struct Replayed(VecDeque<Result<Bytes, Error>>);

impl Replayed {
    fn new(items: impl IntoIterator<Item = Result<Bytes, Error>>) -> Self {
        Self(items.into_iter().collect())
    }
}

impl http_body::Body for Replayed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Poll::Ready(self.0.pop_front().map(|item| item.map(Frame::data)))
    }
}

/// The same size as is kept of a body for a replay: nearly every JSON body is far smaller. Not the
/// same constant, since nothing to the right of this module may be used here.
pub(super) const BODY_MAX: usize = 1 << 20;

/// The memory for all bodies that are being read. When it is used up they are checked as they
/// stream, which is as safe, but tells the script less.
static MEMORY: Semaphore = Semaphore::const_new((64 << 20) / BLOCK);

/// Memory is counted in pages.
const BLOCK: usize = 4096;

/// How long the next piece of a body may take: as long as Zendesk's answer.
const PIECE_MAX: Duration = Duration::from_secs(180);
