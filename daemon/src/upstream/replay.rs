//! A request body that can be sent more than once.
//!
//! The first sending streams, and keeps what passes while it fits. [`Replay`] belongs to the
//! request, each [`BodyAttempt`] to one exchange with Zendesk; only the newest attempt may read.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;

use crate::body::{Body, BodyError, BudgetShare, REQUEST_MAX};
use crate::error_response::ErrorResponse;

/// The owner of a body. Dropping it means that no further attempt will follow, so nothing is kept
/// any longer; an attempt in flight continues.
#[derive(Debug)]
pub(super) struct Replay {
    shared: Arc<Mutex<SharedBody>>,
    fits: bool,
}

impl Replay {
    /// A body that is kept while `memory` has room.
    pub(super) fn new(source: Body, mut memory: BudgetShare) -> Self {
        let length = source.size_hint().exact();
        let fits = memory.room_for(&source).is_some();
        let share = (fits || length.is_none()).then_some(memory);
        Self {
            fits,
            shared: Arc::new(Mutex::new(SharedBody {
                source,
                length,
                kept: share.map(|share| KeptBody {
                    bytes: BytesMut::new(),
                    share,
                }),
                read: 0,
                sent: 0,
                attempt: 0,
                last: false,
                ended: false,
                starved: false,
                failed: None,
                reader: None,
                touched: Instant::now(),
            })),
        }
    }

    /// Whether the body was known to fit before its first byte was read.
    pub(super) fn fits(&self) -> bool {
        self.fits
    }

    /// Whether everything that any attempt has read is still kept.
    pub(super) fn can_restart(&self) -> bool {
        let shared = lock(&self.shared);
        shared.failed.is_none() && (shared.kept.is_some() || shared.read == 0)
    }

    /// The body from its first byte. An attempt that was reading it ends with an error.
    pub(super) fn attempt(&self) -> BodyAttempt {
        let mut shared = lock(&self.shared);
        shared.attempt += 1;
        shared.sent = 0;
        shared.starved = false;
        shared.touched = Instant::now();
        if let Some(reader) = shared.reader.take() {
            reader.wake();
        }
        BodyAttempt {
            shared: Arc::clone(&self.shared),
            number: shared.attempt,
        }
    }

    /// When an attempt last took a piece of the body; now, if one is waiting for the script to send
    /// more.
    pub(super) fn touched(&self) -> Instant {
        let shared = lock(&self.shared);
        if shared.starved {
            Instant::now()
        } else {
            shared.touched
        }
    }

    /// The error for the script if its side of the body broke.
    pub(super) fn failed(&self) -> Option<ErrorResponse> {
        lock(&self.shared).failed.clone()
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.last = true;
        shared.forget_what_is_sent();
    }
}

/// One sending of the body.
#[derive(Debug)]
pub(super) struct BodyAttempt {
    shared: Arc<Mutex<SharedBody>>,
    number: u64,
}

impl http_body::Body for BodyAttempt {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut shared = lock(&self.shared);
        if shared.attempt != self.number {
            return Poll::Ready(Some(Err("the request is being sent again".into())));
        }
        shared.poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        let shared = lock(&self.shared);
        shared.attempt == self.number
            && shared.sent == shared.read
            && (shared.ended || shared.source.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let shared = lock(&self.shared);
        shared.length.map_or_else(SizeHint::default, |length| {
            SizeHint::with_exact(length.saturating_sub(shared.sent))
        })
    }
}

#[derive(Debug)]
struct SharedBody {
    source: Body,
    /// The length of the body, if the script declared it.
    length: Option<u64>,
    /// Everything that was read, unless it was too much.
    kept: Option<KeptBody>,
    /// How much of the source was read.
    read: u64,
    /// How much of that the present attempt has sent.
    sent: u64,
    /// The number of the present attempt.
    attempt: u64,
    /// No attempt will follow the present one.
    last: bool,
    ended: bool,
    /// The present attempt wants more than the script has sent.
    starved: bool,
    failed: Option<ErrorResponse>,
    reader: Option<Waker>,
    touched: Instant,
}

impl SharedBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(piece) = self.kept_piece() {
            self.sent += piece.len() as u64;
            self.touched = Instant::now();
            self.forget_what_is_sent();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        self.reader = Some(cx.waker().clone());
        loop {
            let frame = Pin::new(&mut self.source).poll_frame(cx);
            self.starved = frame.is_pending();
            match ready!(frame) {
                Some(Ok(frame)) => {
                    // Trailers are dropped, as RFC 9110 section 6.5.1 allows.
                    if let Ok(data) = frame.into_data() {
                        self.pass(&data);
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                Some(Err(error)) => {
                    self.failed = Some(ErrorResponse::of_body(&error));
                    self.kept = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.ended = true;
                    self.touched = Instant::now();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn kept_piece(&self) -> Option<Bytes> {
        let kept = self.kept.as_ref()?;
        let rest = kept.bytes.get(usize::try_from(self.sent).ok()?..)?;
        let piece = &rest[..rest.len().min(REPLAY_FRAME)];
        (!piece.is_empty()).then(|| Bytes::copy_from_slice(piece))
    }

    fn pass(&mut self, data: &Bytes) {
        self.touched = Instant::now();
        self.read += data.len() as u64;
        self.sent = self.read;
        let keeps = |kept: &mut KeptBody| kept.push(data);
        if self.last || !self.kept.as_mut().is_some_and(keeps) {
            self.kept = None;
        }
    }

    fn forget_what_is_sent(&mut self) {
        if self.last && self.sent == self.read {
            self.kept = None;
        }
    }
}

#[derive(Debug)]
struct KeptBody {
    bytes: BytesMut,
    share: BudgetShare,
}

impl KeptBody {
    /// Keeps a copy: a slice would pin the whole buffer that it lies in.
    fn push(&mut self, data: &[u8]) -> bool {
        let wanted = self.bytes.len() + data.len();
        if wanted > REQUEST_MAX || !self.share.grow(wanted) {
            return false;
        }
        self.bytes.extend_from_slice(data);
        true
    }
}

fn lock(shared: &Mutex<SharedBody>) -> MutexGuard<'_, SharedBody> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One frame of a body that is sent again: as much as TLS puts into four records.
const REPLAY_FRAME: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt, Channel};

    use super::*;
    use crate::body::{budget, free};

    async fn all(attempt: BodyAttempt) -> Bytes {
        attempt.collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn s7_a_body_that_fits_can_be_sent_twice() {
        let budget = budget(100);
        let replay = Replay::new(Body::full("0123456789"), BudgetShare::of(budget));
        assert!(replay.fits());
        assert_eq!(free(budget), 90);
        assert_eq!(all(replay.attempt()).await, "0123456789");
        assert!(replay.can_restart());
        assert_eq!(all(replay.attempt()).await, "0123456789");
        drop(replay);
        assert_eq!(free(budget), 100);
    }

    #[tokio::test]
    async fn s7_a_body_over_the_cap_streams_and_is_not_kept() {
        let budget = budget(REQUEST_MAX * 2);
        let long = vec![7; REQUEST_MAX + 1];
        let replay = Replay::new(Body::full(long.clone()), BudgetShare::of(budget));
        assert!(!replay.fits() && replay.can_restart());
        assert_eq!(free(budget), REQUEST_MAX * 2);
        assert_eq!(all(replay.attempt()).await, long);
        assert!(!replay.can_restart());
    }

    #[tokio::test]
    async fn s7_a_full_budget_stops_keeping_not_streaming() {
        let budget = budget(9);
        let replay = Replay::new(Body::full("0123456789"), BudgetShare::of(budget));
        assert!(!replay.fits());
        assert_eq!(all(replay.attempt()).await, "0123456789");
        assert_eq!(free(budget), 9);

        let (mut sender, body) = Channel::<Bytes, Infallible>::new(2);
        let replay = Replay::new(Body::adapted(body), BudgetShare::of(budget));
        assert!(!replay.fits());
        let mut attempt = replay.attempt();
        sender.send_data(Bytes::from("01234")).await.unwrap();
        attempt.frame().await.unwrap().unwrap();
        assert!(replay.can_restart());
        assert_eq!(free(budget), 4);
        sender.send_data(Bytes::from("56789")).await.unwrap();
        attempt.frame().await.unwrap().unwrap();
        assert!(!replay.can_restart());
        assert_eq!(free(budget), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_stands_still_while_the_script_has_nothing_to_send() {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
        let replay = Replay::new(Body::adapted(body), BudgetShare::of(budget(100)));
        let mut attempt = replay.attempt();
        sender.send_data(Bytes::from("01")).await.unwrap();
        attempt.frame().await.unwrap().unwrap();
        let hour = std::time::Duration::from_secs(3600);
        tokio::time::advance(hour).await;
        assert_eq!(replay.touched().elapsed(), hour, "Zendesk takes nothing");
        let reading = tokio::spawn(async move { attempt.frame().await });
        tokio::task::yield_now().await;
        tokio::time::advance(hour).await;
        assert!(replay.touched().elapsed().is_zero(), "the script is slow");
        drop(sender);
        assert!(reading.await.unwrap().is_none());
        tokio::time::advance(hour).await;
        assert_eq!(replay.touched().elapsed(), hour, "Zendesk is slow");
    }

    #[tokio::test]
    async fn a_new_attempt_ends_the_old_one_and_takes_over_the_stream() {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(4);
        let replay = Replay::new(Body::adapted(body), BudgetShare::of(budget(100)));
        let mut first = replay.attempt();
        sender.send_data(Bytes::from("01")).await.unwrap();
        first.frame().await.unwrap().unwrap();
        let waiting = tokio::spawn(async move { first.frame().await });
        tokio::task::yield_now().await;
        let second = replay.attempt();
        assert!(waiting.await.unwrap().unwrap().is_err());
        sender.send_data(Bytes::from("23")).await.unwrap();
        drop(sender);
        assert_eq!(all(second).await, "0123");
    }

    #[tokio::test]
    async fn nothing_is_kept_once_no_attempt_can_follow() {
        let budget = budget(100);
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(4);
        let replay = Replay::new(Body::adapted(body), BudgetShare::of(budget));
        let mut first = replay.attempt();
        sender.send_data(Bytes::from("01")).await.unwrap();
        first.frame().await.unwrap().unwrap();
        let second = replay.attempt();
        drop(replay);
        assert_eq!(free(budget), 98, "the second attempt still needs it");
        sender.send_data(Bytes::from("23")).await.unwrap();
        drop(sender);
        assert_eq!(all(second).await, "0123");
        assert_eq!(free(budget), 100);
    }
}
