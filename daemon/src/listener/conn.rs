//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Version};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::Handler;
use super::body_progress::UnreadFlag;
use super::connection_limit::{ConnPermit, TakenPlace};
use super::exchange::{ConnectionEnd, Exchange, Limits};
use super::framing_probe::FramingProbe;
use super::lingering_close::LingeringClose;
use super::reject::{self, Rejector};
use super::timeouts::{BodyTimeout, WriteTimeout};
use crate::body::{Body, BodyError};
use crate::facts::{ConnFacts, LengthBesideCoding};
use crate::telemetry;

/// Serves a connection until either side ends it, `stop` is cancelled, or its place is needed. If
/// the client is still owed an answer then, it gets a refusal with the reason.
pub(super) async fn serve<S, H>(
    stream: S,
    facts: ConnFacts,
    handler: Arc<H>,
    stop: CancellationToken,
    permit: ConnPermit,
    rejector: Rejector,
    limits: Limits,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let served = Arc::new(AtomicUsize::new(0));
    let (state, place) = (permit.state(), permit.place());
    let whom = facts.peer.whom();
    let facts = Arc::new(ConnFacts {
        place: Some(permit.place()),
        ..facts
    });
    let unread = UnreadFlag::default();
    let exchange = Exchange::default();
    let stream = WriteTimeout::new(
        LingeringClose::new(stream, unread.clone()),
        Arc::clone(&state),
    );
    let stream = FramingProbe::new(stream, exchange.clone());
    let service = {
        let (served, stop) = (Arc::clone(&served), stop.clone());
        let (unread, exchange) = (unread.clone(), exchange.clone());
        service_fn(move |mut request: Request<Incoming>| {
            if exchange.begin(&request) {
                request.extensions_mut().insert(LengthBesideCoding);
            }
            let exchange = exchange.clone();
            let (facts, handler) = (Arc::clone(&facts), Arc::clone(&handler));
            let (served, stop) = (Arc::clone(&served), stop.clone());
            let (unread, flight) = (unread.clone(), InFlight::begin(&place));
            // Boxed, so that an idle connection takes no memory for it.
            Box::pin(async move {
                let request = request.map(|body| flight.incoming(unread.watch(body)));
                let is_old = request.version() == Version::HTTP_10;
                let mut response = handler.handle(&facts, request).await;
                served.fetch_add(1, Ordering::Relaxed);
                // HTTP/1.0 has no chunks: such a body ends only with the connection.
                let needs_end = is_old && response.body().size_hint().exact().is_none();
                exchange.end(unread.is_left());
                // An answer sent before the end of the request ends the connection, and
                // `Connection: close` announces that, so that the client stops sending (RFC 9112
                // section 9.6).
                if stop.is_cancelled() || needs_end || unread.is_left() {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                    if is_old {
                        // Otherwise hyper adds the `keep-alive` that the client asked for.
                        *response.version_mut() = Version::HTTP_10;
                    }
                }
                Ok::<_, Infallible>(response.map(|body| flight.outgoing(body)))
            })
        })
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.time)
        // curl and others shut down their writing side after the request and still read.
        .half_close(true)
        .preserve_header_case(true)
        .max_buf_size(BUFFER)
        .max_headers(limits.lines)
        .serve_connection(TokioIo::new(stream), service);

    let ended = loop {
        tokio::select! {
            // Poll the connection first: a request that has arrived must begin before we decide
            // whether the connection is idle.
            biased;
            result = &mut connection => break ConnectionEnd::of(result),
            () = state.has_to_leave() => {
                if !state.takes_up_work() {
                    break ConnectionEnd::GaveWay;
                }
                // The connection was idle when it was chosen, but has begun a request since, which
                // Zendesk may have carried out. Answer it, then close.
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = stop.cancelled() => {
                // A client may be sending on this connection right now, believing it open. For a
                // moment, answer with `Connection: close` instead of cutting it off.
                break tokio::select! {
                    result = &mut connection => ConnectionEnd::of(result),
                    () = tokio::time::sleep(LAST_REQUEST) => {
                        Pin::new(&mut connection).graceful_shutdown();
                        match (&mut connection).await {
                            Ok(()) => ConnectionEnd::Stopping,
                            Err(error) => ConnectionEnd::Broken(error),
                        }
                    }
                };
            }
        }
    };
    if let ConnectionEnd::Broken(error) = &ended {
        let served = served.load(Ordering::Relaxed);
        tracing::debug!(%error, served, "a connection broke");
    }
    let Some(why) = exchange.owed(&ended, &limits) else {
        return;
    };
    telemetry::refused(whom, why.code());
    let mut answer = reject::answer(why).await;
    if exchange.is_head() {
        reject::leave_out_body(&mut answer);
    }
    // The client may still be sending.
    unread.found();
    let mut stream = connection.into_parts().io.into_inner().into_inner();
    if let ConnectionEnd::GaveWay = ended {
        drop(permit);
        rejector.reject_now(stream, &answer).await;
        return;
    }
    // Best effort: the client may not read it.
    tokio::select! {
        _unheard = reject::say(&mut stream, &answer) => {}
        () = state.has_to_leave() => {}
    }
}

/// One request in flight, until its answer has been handed over.
struct InFlight(Arc<TakenPlace>);

impl InFlight {
    fn begin(place: &Arc<TakenPlace>) -> Self {
        place.begin();
        Self(Arc::clone(place))
    }

    fn incoming(&self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        Body::adapted(BodyTimeout::new(body, self.0.state()))
    }

    fn outgoing(self, body: Body) -> GuardedBody {
        GuardedBody {
            body,
            _flight: self,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// An answer's body; the request stays in flight until it ends.
struct GuardedBody {
    body: Body,
    _flight: InFlight,
}

impl http_body::Body for GuardedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// For the head of a request, and for idle keep-alive connections: longer than scripts and client
/// libraries keep idle connections in their pools, so that the client closes first. When places run
/// short, the connection idle longest is closed earlier.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);

/// Far more header lines than any client sends, in line with the usual limits of browsers and
/// servers.
const HEADER_LINES: usize = 256;

/// What the daemon's own connections may send.
pub(super) const LIMITS: Limits = Limits {
    lines: HEADER_LINES,
    bytes: BUFFER,
    time: HEADER_TIMEOUT,
};

/// How long idle connections may still send one request while the daemon drains.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// Holds any head that Zendesk itself would accept; a body needs far less.
const BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use http::Response;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::super::connection_limit::ConnectionLimit;
    use super::*;
    use crate::facts::Local;
    use crate::keys::Trace;
    use crate::peer::Peer;

    /// Answers after a while, as Zendesk does.
    struct TakesTime;

    impl Handler for TakesTime {
        async fn handle(&self, _: &ConnFacts, _: Request<Body>) -> Response<Body> {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Response::new(Body::full("done"))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn s4_d1_p18_a_request_that_begins_as_its_connection_has_to_go_is_answered() {
        // `select!` may pick its branch at random.
        for round in 0..20 {
            let limit = ConnectionLimit::new(1);
            let (mut client, server) = tokio::io::duplex(64 * 1024);
            let permit = limit.take().await;
            let facts = ConnFacts::new(Local::Unix, Peer::Own, Trace::Nothing);
            let never = CancellationToken::new();
            let rejector = Rejector::new(1);
            let serving = serve(
                server,
                facts,
                Arc::new(TakesTime),
                never,
                permit,
                rejector,
                LIMITS,
            );
            let served = tokio::spawn(serving);
            tokio::time::sleep(Duration::from_millis(1)).await;
            // Another connection asks for the place just as its client sends.
            let taker = limit.clone();
            let mut taking = std::pin::pin!(async move { taker.take().await });
            tokio::select! {
                biased;
                _ = taking.as_mut() => panic!("it is taken"),
                () = std::future::ready(()) => {}
            }
            let post = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
            client.write_all(post.as_bytes()).await.unwrap();
            let mut heard = String::new();
            client.read_to_string(&mut heard).await.unwrap();
            assert!(heard.contains("done"), "{round}: {heard:?}");
            assert!(heard.contains("connection: close"), "{round}: {heard:?}");
            served.await.unwrap();
            taking.await;
        }
    }

    struct Greets;

    impl Handler for Greets {
        async fn handle(&self, _: &ConnFacts, _: Request<Body>) -> Response<Body> {
            Response::new(Body::full("hello"))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn d1_p18_a_head_that_never_ends_and_silence_after_an_answer_end_the_connection() {
        let whole = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for (sent, drips) in [("", true), (whole, true), ("", false), (whole, false)] {
            let (client, server) = tokio::io::duplex(64 * 1024);
            let permit = ConnectionLimit::new(1).take().await;
            let facts = ConnFacts::new(Local::Unix, Peer::Own, Trace::Nothing);
            let never = CancellationToken::new();
            let rejector = Rejector::new(1);
            let serving = serve(
                server,
                facts,
                Arc::new(Greets),
                never,
                permit,
                rejector,
                LIMITS,
            );
            let served = tokio::spawn(serving);
            let (mut answers, mut requests) = tokio::io::split(client);
            let begin = Instant::now();
            let dripping = tokio::spawn(async move {
                requests.write_all(sent.as_bytes()).await.unwrap();
                let mut head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Filler: ".to_vec();
                while drips && requests.write_all(&head).await.is_ok() {
                    head = b"x".to_vec();
                    tokio::time::sleep(Duration::from_secs(10)).await;
                }
                // Closing this end would be the client ending the connection.
                std::future::pending::<()>().await;
                drop(requests);
            });
            let mut heard = Vec::new();
            drop(answers.read_to_end(&mut heard).await);
            served.await.unwrap();
            dripping.abort();
            let heard = String::from_utf8(heard).unwrap();
            assert_eq!(heard.contains("hello"), !sent.is_empty(), "{heard}");
            let took = begin.elapsed();
            let most = HEADER_TIMEOUT + Duration::from_secs(15);
            assert!(took >= HEADER_TIMEOUT && took < most, "{took:?}: {heard}");
        }
    }
}
