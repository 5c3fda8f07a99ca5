//! Sends one request and waits for the head of its answer; sends it a second time if the first
//! seems lost and the request may be repeated.
//!
//! Slow isn't dead: what matters is whether the other end acknowledges the request's bytes, not
//! when it answers. And a missing acknowledgement proves nothing, so both attempts stay open; the
//! first head wins, and the other attempt is dropped.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, Method, Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use tokio::time::Instant;

use super::connect::PooledClient;
use super::connection::{ConnectionState, CutReason, SILENCE_MAX};
use super::connections::Connections;
use super::error::{UpstreamError, is_safe};
use super::replay::Replay;
use super::silence::Silence;
use crate::body::Body;

/// What is to be sent.
pub(super) struct PendingRequest<'a> {
    pub(super) method: &'a Method,
    /// Builds the request from its first byte; `None` if HTTP can't express it.
    pub(super) request: &'a (dyn Fn() -> Option<Request<Body>> + Sync),
    /// The script's body, if there is one.
    pub(super) body: Option<&'a Replay>,
}

/// Sends a request once, and a second time if the first seems lost and a second delivery does no
/// harm.
///
/// # Errors
/// If no answer came.
pub(super) async fn exchange(
    client: &PooledClient,
    connections: &Connections,
    pending: &PendingRequest<'_>,
) -> Result<Response<Body>, UpstreamError> {
    connections.notice_sleep();
    let began = Instant::now();
    let mut race = HedgedRequest {
        client,
        connections,
        pending,
        began,
        first: SendAttempt::start(client, pending)?,
        second: None,
        is_for_connection: false,
        not_before: began,
    };
    loop {
        let outcome = std::future::poll_fn(|cx| race.poll(cx));
        tokio::select! {
            biased;
            outcome = outcome => {
                if let Some(verdict) = race.judge(outcome) {
                    return verdict;
                }
            }
            () = connections.looks().next() => race.look()?,
        }
    }
}

/// The same request, in flight once or twice.
struct HedgedRequest<'a> {
    client: &'a PooledClient,
    connections: &'a Connections,
    pending: &'a PendingRequest<'a>,
    began: Instant,
    first: SendAttempt,
    second: Option<SendAttempt>,
    /// Whether neither had been sent when the second one began: then only one of them will be.
    is_for_connection: bool,
    /// When the request may be sent a second time.
    not_before: Instant,
}

enum AttemptOutcome {
    First(HeadResult),
    Second(HeadResult),
}

impl HedgedRequest<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<AttemptOutcome> {
        if let Poll::Ready(answer) = self.first.poll(cx) {
            return Poll::Ready(AttemptOutcome::First(answer));
        }
        if self.is_for_connection && self.first.is_sent() {
            self.second = None;
        }
        let Some(second) = &mut self.second else {
            return Poll::Pending;
        };
        let polled = second.poll(cx);
        if self.is_for_connection
            && second.is_sent()
            && let Some(second) = self.second.take()
        {
            self.first = second;
            return polled.map(AttemptOutcome::First);
        }
        polled.map(AttemptOutcome::Second)
    }

    /// The outcome of an attempt that has ended; `None` if the other one may still succeed.
    fn judge(&mut self, outcome: AttemptOutcome) -> Option<Result<Response<Body>, UpstreamError>> {
        match outcome {
            AttemptOutcome::First(Ok(response)) => Some(Ok(self.first.received(response))),
            AttemptOutcome::Second(Ok(response)) => {
                let second = self.second.as_ref()?;
                tracing::debug!(method = %self.pending.method, "the second attempt won");
                Some(Ok(second.received(response)))
            }
            AttemptOutcome::Second(Err(error)) => {
                tracing::debug!(%error, "the second attempt failed");
                self.second = None;
                self.not_before = Instant::now() + PAUSE;
                None
            }
            AttemptOutcome::First(Err(error)) => match self.second.take() {
                Some(second) => {
                    self.first = second;
                    None
                }
                None => Some(Err(match self.pending.body.and_then(Replay::failed) {
                    Some(refusal) => UpstreamError::Script(refusal),
                    None => self.first.failed(error),
                })),
            },
        }
    }

    /// Checks on the attempts in flight.
    fn look(&mut self) -> Result<(), UpstreamError> {
        let now = Instant::now();
        // A long upload isn't a slow answer: the clock restarts with each piece of the body, and
        // stops while the script hasn't sent any.
        let touched = self.pending.body.map_or(self.began, Replay::touched);
        if now.saturating_duration_since(touched) >= HEAD_MAX {
            return Err(UpstreamError::TimedOut {
                what: "an answer",
                after: HEAD_MAX,
                sent: true,
            });
        }
        self.connections.notice_sleep();
        let outlook = self.first.outlook(now);
        if let Some(second) = &mut self.second {
            second.outlook(now);
        } else if outlook != Outlook::Good && now >= self.not_before && self.may_repeat(outlook) {
            if outlook == Outlook::Silent
                && let Some(then) = now.checked_sub(UNACKNOWLEDGED)
            {
                // The second attempt must not use a connection that died together with this one.
                self.connections.retire_unheard_since(then);
            }
            tracing::debug!(?outlook, method = %self.pending.method, "sending a second time");
            self.is_for_connection = outlook == Outlook::Unconnected;
            self.second = Some(SendAttempt::start(self.client, self.pending)?);
        }
        Ok(())
    }

    fn may_repeat(&self, outlook: Outlook) -> bool {
        match (outlook, self.pending.body) {
            (Outlook::Unconnected, None) => self.began.elapsed() < HURRIED_MAX,
            // The body belongs to the newest attempt, and the first may still be the one that is
            // sent.
            (Outlook::Unconnected, Some(_)) => false,
            (_, body) => is_safe(self.pending.method) && body.is_none_or(Replay::can_restart),
        }
    }
}

type HeadResult = Result<Response<Incoming>, legacy::Error>;

/// One attempt at sending the request.
struct SendAttempt {
    answer: legacy::ResponseFuture,
    on: CaptureConnection,
    began: Instant,
    connection: Option<Arc<ConnectionState>>,
    silence: Silence,
}

/// What can be expected of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlook {
    Good,
    /// The network changed under its connection, or the machine was asleep.
    Doubtful,
    /// It still has no connection.
    Unconnected,
    /// What it sent isn't being acknowledged.
    Silent,
}

impl SendAttempt {
    fn start(client: &PooledClient, pending: &PendingRequest<'_>) -> Result<Self, UpstreamError> {
        let mut request = (pending.request)().ok_or(UpstreamError::Target)?;
        let on = capture_connection(&mut request);
        Ok(Self {
            answer: client.request(request),
            on,
            began: Instant::now(),
            connection: None,
            silence: Silence::default(),
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<HeadResult> {
        Pin::new(&mut self.answer).poll(cx)
    }

    /// Whether it has been given a connection, and so has been sent.
    fn is_sent(&self) -> bool {
        self.on.connection_metadata().is_some()
    }

    fn outlook(&mut self, now: Instant) -> Outlook {
        let Some(connection) = self.find_connection() else {
            return match now.duration_since(self.began) {
                waited if waited < UNACKNOWLEDGED => Outlook::Good,
                _ => Outlook::Unconnected,
            };
        };
        if connection.is_mistrusted() {
            return Outlook::Doubtful;
        }
        let Some((acknowledged, left)) = connection.acknowledged() else {
            return Outlook::Good;
        };
        let silent = self.silence.look(now, acknowledged, left);
        if silent >= SILENCE_MAX && !connection.may_live(SILENCE_MAX) {
            connection.cut(CutReason::Silent);
        }
        if silent < UNACKNOWLEDGED {
            Outlook::Good
        } else {
            Outlook::Silent
        }
    }

    /// The connection that carries it, once there is one.
    fn find_connection(&mut self) -> Option<Arc<ConnectionState>> {
        let mut extras = Extensions::new();
        (*self.on.connection_metadata())
            .as_ref()?
            .get_extras(&mut extras);
        let connection = extras.remove::<Arc<ConnectionState>>()?;
        // The pool replaces a connection that turns out to be closed.
        if !self
            .connection
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, &connection))
        {
            connection.is_pooled_as(&self.on);
            self.silence = Silence::default();
            self.connection = Some(Arc::clone(&connection));
        }
        Some(connection)
    }

    fn received(&self, mut response: Response<Incoming>) -> Response<Body> {
        if let Some(connection) = response.extensions_mut().remove::<Arc<ConnectionState>>() {
            connection.is_pooled_as(&self.on);
        }
        response.map(Body::from)
    }

    fn failed(&mut self, error: legacy::Error) -> UpstreamError {
        let cut = self
            .find_connection()
            .and_then(|connection| connection.was_cut());
        match (UpstreamError::of_exchange(error), cut) {
            // HTTP/2 loses the reason along the way.
            (UpstreamError::Lost(_), Some(cut)) => UpstreamError::Lost(cut.into()),
            (failure, _) => failure,
        }
    }
}

/// A request whose bytes the other end's kernel hasn't acknowledged after this is as good as lost:
/// longer than any round trip on a usable link, with two retransmissions.
const UNACKNOWLEDGED: Duration = Duration::from_millis(1500);

/// The pause between two attempts that fail at once for lack of a network.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a second connection is tried beside one that isn't established. If nothing answers at
/// all, the connector's own time-out ends both soon afterwards.
const HURRIED_MAX: Duration = Duration::from_secs(5);

/// How long an answer's head may take after the last byte of the request. Cloudflare, in front of
/// Zendesk, gives up after 100 s with a 524, which the script should see rather than our time-out.
const HEAD_MAX: Duration = Duration::from_secs(180);
