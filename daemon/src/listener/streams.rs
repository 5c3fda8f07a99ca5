//! Serves HTTP on streams that were accepted elsewhere: within TLS, for `loopdesk exec`.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::Handler;
use super::conn;
use super::connection_limit::ConnectionLimit;
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
        conn::serve(stream, facts, handler, stop, permit, self.rejector.clone()).await;
    }
}
