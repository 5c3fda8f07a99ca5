//! Serves HTTP on streams that were accepted elsewhere: within TLS, for `loopdesk exec`.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::Handler;
use super::conn;
use super::connection_limit::ConnectionLimit;
use super::exchange::Limits;
use super::reject::Rejector;
use crate::facts::ConnFacts;
use crate::supervise::descriptors::Room;

/// Serves streams, each with a handler of its own. Clones share one limit.
#[derive(Clone, Debug)]
pub(crate) struct StreamServer {
    limit: ConnectionLimit,
    rejector: Rejector,
}

impl StreamServer {
    /// Serves as many at a time as `room` has connections.
    pub(crate) fn new(room: Room) -> Self {
        Self {
            limit: ConnectionLimit::new(room.connections),
            rejector: Rejector::new(room.rejections),
        }
    }

    /// Serves `stream` until either side ends it, or, in good order, until `stop`.
    pub(crate) async fn serve<S, H>(
        &self,
        stream: S,
        facts: ConnFacts,
        handler: Arc<H>,
        stop: CancellationToken,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        H: Handler,
    {
        let permit = self.limit.take().await;
        let rejector = self.rejector.clone();
        let limits = Limits {
            time: HEADER_TIMEOUT,
            ..conn::LIMITS
        };
        conn::serve(stream, facts, handler, stop, permit, rejector, limits).await;
    }
}

/// Shorter than the daemon's own: of two connections in a row, the one towards the client ends first, so
/// that no request is on its way to the other as that is closed.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use tokio::io::AsyncReadExt;
    use tokio::time::Instant;

    use super::*;
    use crate::body::Body;
    use crate::facts::Local;
    use crate::keys::Trace;
    use crate::peer::Peer;

    struct Greets;

    impl Handler for Greets {
        async fn handle(&self, _: &ConnFacts, _: Request<Body>) -> Response<Body> {
            Response::new(Body::full("hello"))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn s9_an_idle_stream_ends_before_the_daemons_connection_behind_it() {
        let room = Room {
            connections: 1,
            rejections: 1,
            control: 1,
        };
        let (mut client, stream) = tokio::io::duplex(1024);
        let facts = ConnFacts::new(Local::Unix, Peer::Own, Trace::Nothing);
        let begin = Instant::now();
        tokio::spawn(async move {
            let server = StreamServer::new(room);
            let never = CancellationToken::new();
            server.serve(stream, facts, Arc::new(Greets), never).await;
        });
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert!(begin.elapsed() + Duration::from_secs(10) < conn::LIMITS.time);
    }
}
