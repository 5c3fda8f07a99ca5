//! All TCP connections of one account, for what affects them together: a change of network, or a
//! suspend.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::Instant;
use tower_service::Service;

use super::connection::{ConnectionState, CutReason, Stream};
use super::looks::Looks;
use crate::body::BodyError;
use crate::network::{Network, RouteStatus};

/// One account's connections. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<ConnectionsInner>);

#[derive(Debug)]
struct ConnectionsInner {
    network: Network,
    looks: Looks,
    /// How many milliseconds the machine had spent asleep at the last check.
    slept: AtomicU64,
    all: Mutex<Vec<Weak<ConnectionState>>>,
}

impl Connections {
    pub(super) fn new(network: Network) -> Self {
        let slept = AtomicU64::new(millis(network.slept()));
        Self(Arc::new(ConnectionsInner {
            network,
            looks: Looks::default(),
            slept,
            all: Mutex::default(),
        }))
    }

    /// The network that they use.
    pub(super) fn network(&self) -> &Network {
        &self.0.network
    }

    /// When their unanswered requests are checked.
    pub(super) fn looks(&self) -> &Looks {
        &self.0.looks
    }

    /// Registers the connections that `tcp` makes.
    pub(super) fn knows<R>(&self, tcp: HttpConnector<R>) -> TrackingConnector<R> {
        TrackingConnector {
            tcp,
            connections: self.clone(),
        }
    }

    /// Reviews all connections whenever the network changes; never returns.
    pub(super) async fn follow(self) {
        let mut changes = self.0.network.changes();
        loop {
            changes.next().await;
            self.review();
        }
    }

    /// Retires those for which the kernel would now choose another source address, and closes those
    /// whose source address no longer exists.
    fn review(&self) {
        let mut counts = [0, 0];
        for connection in self.open() {
            match connection.way() {
                RouteStatus::Same => continue,
                RouteStatus::Other => {
                    connection.mistrust();
                    counts[0] += 1;
                }
                RouteStatus::Gone => {
                    connection.cut(CutReason::Moved);
                    counts[1] += 1;
                }
            }
        }
        if counts != [0, 0] {
            let [replaced, ended] = counts;
            tracing::info!(replaced, ended, "this machine's network has changed");
        }
    }

    /// Retires all of them if the machine has been asleep since the last check: the other end and
    /// the routers on the way weren't.
    pub(super) fn notice_sleep(&self) {
        let now = millis(self.0.network.slept());
        let before = self.0.slept.fetch_max(now, Ordering::Relaxed);
        if now.saturating_sub(before) >= millis(SLEEP) {
            tracing::info!(
                seconds = (now - before) / 1000,
                "this machine was suspended"
            );
            for connection in self.open() {
                connection.mistrust();
            }
        }
    }

    /// Gives no new requests to those that have received nothing since `then`.
    pub(super) fn retire_unheard_since(&self, then: Instant) {
        for connection in self.open() {
            if connection.heard() < then {
                connection.retire();
            }
        }
    }

    /// Those that may still be open.
    pub(super) fn open(&self) -> Vec<Arc<ConnectionState>> {
        self.all().iter().filter_map(Weak::upgrade).collect()
    }

    fn add(&self, connection: &Arc<ConnectionState>) {
        let mut all = self.all();
        if all.len() == all.capacity() {
            all.retain(|connection| connection.strong_count() > 0);
        }
        all.push(Arc::downgrade(connection));
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<ConnectionState>>> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes TCP connections and registers them here.
#[derive(Clone, Debug)]
pub(super) struct TrackingConnector<R> {
    tcp: HttpConnector<R>,
    connections: Connections,
}

impl<R> Service<Uri> for TrackingConnector<R>
where
    HttpConnector<R>: Service<Uri, Response = hyper_util::rt::TokioIo<tokio::net::TcpStream>>,
    <HttpConnector<R> as Service<Uri>>::Error: Into<BodyError>,
    <HttpConnector<R> as Service<Uri>>::Future: Send + 'static,
{
    type Response = Stream;
    type Error = BodyError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BodyError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.tcp.call(target);
        let connections = self.connections.clone();
        Box::pin(async move {
            let tcp = connecting.await.map_err(Into::into)?;
            let (connection, stream) = ConnectionState::new(tcp.into_inner())?;
            connections.add(&connection);
            Ok(stream)
        })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// After a shorter sleep no peer or router has forgotten a connection.
const SLEEP: Duration = Duration::from_secs(1);
