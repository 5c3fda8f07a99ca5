//! One connection without a socket, for the fuzz targets.

use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;

use super::connection_limit::Slots;
use super::reject::Strangers;
use super::{Handler, conn};
use crate::facts::ConnFacts;

/// Serves a connection to its end, like one that was accepted.
pub async fn serve<H: Handler>(stream: DuplexStream, facts: ConnFacts, handler: Arc<H>) {
    let slot = Slots::new(1).take().await;
    let (never, strangers) = (CancellationToken::new(), Strangers::new(1));
    conn::serve(stream, facts, handler, never, slot, strangers).await;
}
