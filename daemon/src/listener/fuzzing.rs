//! One connection without a socket, for the fuzz targets.

use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;

use super::connection_limit::ConnectionLimit;
use super::reject::Rejector;
use super::{Handler, conn};
use crate::facts::ConnFacts;

/// Serves a connection to its end, like one that was accepted.
pub async fn serve<H: Handler>(stream: DuplexStream, facts: ConnFacts, handler: Arc<H>) {
    let permit = ConnectionLimit::new(1).take().await;
    let (never, rejector) = (CancellationToken::new(), Rejector::new(1));
    conn::serve(
        stream,
        facts,
        handler,
        never,
        permit,
        rejector,
        conn::LIMITS,
    )
    .await;
}
