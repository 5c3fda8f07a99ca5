//! One request and the head of its answer; or the same request twice, where the first seems lost and
//! may be repeated.
//!
//! Slow isn't dead: what counts is whether the other end acknowledges that it has the request's
//! bytes, not when it answers. And a missing acknowledgement proves nothing: both are waited for,
//! the first head wins, and the other one is dropped.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, Method, Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use tokio::time::Instant;

use super::connect::Client;
use super::failure::{Failure, is_safe};
use super::replay::Replay;
use super::silence::Silence;
use super::wire::{Cut, SILENCE_MAX, Wire};
use super::wires::Wires;
use crate::body::Body;

/// What is to be sent.
pub(super) struct Errand<'a> {
    pub(super) method: &'a Method,
    /// The request from its first byte; none if HTTP can't express it.
    pub(super) request: &'a (dyn Fn() -> Option<Request<Body>> + Sync),
    /// The script's body, if there is one.
    pub(super) body: Option<&'a Replay>,
}

/// Sends a request once, or a second time if the first seems lost and can do no harm by acting
/// twice.
///
/// # Errors
/// Where no answer came.
pub(super) async fn exchange(
    client: &Client,
    wires: &Wires,
    errand: &Errand<'_>,
) -> Result<Response<Body>, Failure> {
    wires.notice_sleep();
    let began = Instant::now();
    let mut race = Race {
        client,
        wires,
        errand,
        began,
        first: Flight::start(client, errand)?,
        second: None,
        is_for_connection: false,
        not_before: began,
    };
    loop {
        let landed = std::future::poll_fn(|cx| race.poll(cx));
        match tokio::time::timeout(LOOK, landed).await {
            Ok(landed) => {
                if let Some(verdict) = race.judge(landed) {
                    return verdict;
                }
            }
            Err(_) => race.look()?,
        }
    }
}

/// The same request on its way once or twice.
struct Race<'a> {
    client: &'a Client,
    wires: &'a Wires,
    errand: &'a Errand<'a>,
    began: Instant,
    first: Flight,
    second: Option<Flight>,
    /// Whether neither was sent when the second one began: only one of them is.
    is_for_connection: bool,
    /// When the request may be sent another time.
    not_before: Instant,
}

enum Landed {
    First(Answer),
    Second(Answer),
}

impl Race<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Landed> {
        if let Poll::Ready(answer) = self.first.poll(cx) {
            return Poll::Ready(Landed::First(answer));
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
            return polled.map(Landed::First);
        }
        polled.map(Landed::Second)
    }

    /// What an answer, or the lack of one, comes to; none if the other one may still come.
    fn judge(&mut self, landed: Landed) -> Option<Result<Response<Body>, Failure>> {
        match landed {
            Landed::First(Ok(response)) => Some(Ok(self.first.landed(response))),
            Landed::Second(Ok(response)) => {
                let second = self.second.as_ref()?;
                tracing::debug!(method = %self.errand.method, "the second try is answered first");
                Some(Ok(second.landed(response)))
            }
            Landed::Second(Err(error)) => {
                tracing::debug!(%error, "the second try has failed");
                self.second = None;
                self.not_before = Instant::now() + PAUSE;
                None
            }
            Landed::First(Err(error)) => match self.second.take() {
                Some(second) => {
                    self.first = second;
                    None
                }
                None => Some(Err(match self.errand.body.and_then(Replay::failed) {
                    Some(refusal) => Failure::Script(refusal),
                    None => self.first.failed(error),
                })),
            },
        }
    }

    /// Considers what has become of it so far.
    fn look(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        // A long upload is no slow answer: the clock starts anew with each piece of the body, and
        // stands still while the script has none.
        let touched = self.errand.body.map_or(self.began, Replay::touched);
        if now.saturating_duration_since(touched) >= HEAD_MAX {
            return Err(Failure::TimedOut {
                what: "an answer",
                after: HEAD_MAX,
                sent: true,
            });
        }
        self.wires.notice_sleep();
        let outlook = self.first.outlook(now);
        if let Some(second) = &mut self.second {
            second.outlook(now);
        } else if outlook != Outlook::Good && now >= self.not_before && self.may_repeat(outlook) {
            if outlook == Outlook::Silent
                && let Some(then) = now.checked_sub(UNACKNOWLEDGED)
            {
                // What has died with this one must not get the second try.
                self.wires.retire_unheard_since(then);
            }
            tracing::debug!(?outlook, method = %self.errand.method, "sending a second time");
            self.is_for_connection = outlook == Outlook::Unconnected;
            self.second = Some(Flight::start(self.client, self.errand)?);
        }
        Ok(())
    }

    fn may_repeat(&self, outlook: Outlook) -> bool {
        match (outlook, self.errand.body) {
            (Outlook::Unconnected, None) => self.began.elapsed() < HURRIED_MAX,
            // It belongs to the newest try, and the first one may still be the one that is sent.
            (Outlook::Unconnected, Some(_)) => false,
            (_, body) => is_safe(self.errand.method) && body.is_none_or(Replay::can_restart),
        }
    }
}

type Answer = Result<Response<Incoming>, legacy::Error>;

/// One sending of the request.
struct Flight {
    answer: legacy::ResponseFuture,
    on: CaptureConnection,
    began: Instant,
    wire: Option<Arc<Wire>>,
    silence: Silence,
}

/// What is to be expected of a sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlook {
    Good,
    /// The network has changed under it, or the machine has slept.
    Doubtful,
    /// There is still no connection for it.
    Unconnected,
    /// Nobody acknowledges what was sent.
    Silent,
}

impl Flight {
    fn start(client: &Client, errand: &Errand<'_>) -> Result<Self, Failure> {
        let mut request = (errand.request)().ok_or(Failure::Target)?;
        let on = capture_connection(&mut request);
        Ok(Self {
            answer: client.request(request),
            on,
            began: Instant::now(),
            wire: None,
            silence: Silence::default(),
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        Pin::new(&mut self.answer).poll(cx)
    }

    /// Whether it has a connection, and so is on it.
    fn is_sent(&self) -> bool {
        self.on.connection_metadata().is_some()
    }

    fn outlook(&mut self, now: Instant) -> Outlook {
        let Some(wire) = self.find_wire() else {
            return match now.duration_since(self.began) {
                waited if waited < UNACKNOWLEDGED => Outlook::Good,
                _ => Outlook::Unconnected,
            };
        };
        if wire.is_mistrusted() {
            return Outlook::Doubtful;
        }
        let Some((acknowledged, left)) = wire.acknowledged() else {
            return Outlook::Good;
        };
        let silent = self.silence.look(now, acknowledged, left);
        if silent >= SILENCE_MAX && !wire.may_live(SILENCE_MAX) {
            wire.cut(Cut::Silent);
        }
        // Bytes are first seen at a look, and may have been written just after the one before it.
        if silent + LOOK < UNACKNOWLEDGED {
            Outlook::Good
        } else {
            Outlook::Silent
        }
    }

    /// The connection that it is on, once there is one.
    fn find_wire(&mut self) -> Option<Arc<Wire>> {
        let mut extras = Extensions::new();
        (*self.on.connection_metadata())
            .as_ref()?
            .get_extras(&mut extras);
        let wire = extras.remove::<Arc<Wire>>()?;
        // A connection that turns out to be closed is replaced.
        if !self
            .wire
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, &wire))
        {
            wire.is_pooled_as(&self.on);
            self.silence = Silence::default();
            self.wire = Some(Arc::clone(&wire));
        }
        Some(wire)
    }

    fn landed(&self, mut response: Response<Incoming>) -> Response<Body> {
        if let Some(wire) = response.extensions_mut().remove::<Arc<Wire>>() {
            wire.is_pooled_as(&self.on);
        }
        response.map(Body::from)
    }

    fn failed(&mut self, error: legacy::Error) -> Failure {
        let cut = self.find_wire().and_then(|wire| wire.was_cut());
        match (Failure::of_exchange(error), cut) {
            // HTTP/2 loses the reason on its way.
            (Failure::Lost(_), Some(cut)) => Failure::Lost(cut.into()),
            (failure, _) => failure,
        }
    }
}

/// How often a request that has no answer yet is looked at: often enough for the time below.
const LOOK: Duration = Duration::from_millis(250);

/// After this without a word of the other end's kernel a request is as good as lost: longer than
/// any round trip on a link that can still be used, with two retransmissions.
const UNACKNOWLEDGED: Duration = Duration::from_millis(1500);

/// Between two tries that fail at once because there is no network.
const PAUSE: Duration = Duration::from_millis(500);

/// For how long another connection is tried beside one that doesn't come about. Where nothing answers
/// at all, the connector's own time-out has the last word, soon after it.
const HURRIED_MAX: Duration = Duration::from_secs(5);

/// How long an answer's head may take after the last byte of the request. Cloudflare, in front of
/// Zendesk, gives up after 100 s and says so with a 524, which the script should rather see.
const HEAD_MAX: Duration = Duration::from_secs(180);
