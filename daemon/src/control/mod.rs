//! The control API: HTTP/1.1 on `control.sock`, for the command line only.
//!
//! It isn't part of the request path: it reads sessions and the configuration, and asks them to
//! act. The peer's user is checked on every connection, although the folder is already private.

mod handlers;
mod lines;
mod reply;
mod routes;

use std::convert::Infallible;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use loopdesk_protocol::{Problem, status};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::Body;
use crate::clock::Clock;
use crate::conditions::Conditions;
use crate::config::live::LoadedConfig;
use crate::keys::Keys;
use crate::listener::AcceptBackoff;
use crate::proof::Prover;
use crate::session::Sessions;
use crate::telemetry::{self, Whom};

pub use routes::calls;

/// Everything that the control API reads or asks to act.
#[derive(Clone, Debug)]
pub struct Control {
    /// The accounts' sessions.
    pub sessions: Sessions,
    /// The local keys.
    pub keys: Keys,
    /// The configuration in use.
    pub loaded: watch::Receiver<LoadedConfig>,
    /// Other current problems.
    pub conditions: Conditions,
    /// Where scripts can connect.
    pub listeners: watch::Receiver<Vec<status::Listener>>,
    /// Why the notification command can't be run.
    pub hook: watch::Receiver<Option<Problem>>,
    /// Asks for a reload of the configuration.
    pub reload: mpsc::Sender<ReloadRequest>,
    /// Proves which ports belong to this process.
    pub prover: Prover,
    /// Tells the time.
    pub clock: Clock,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// How many connections the daemon may have.
    pub places: usize,
    /// Cancelled when the daemon begins to end.
    pub stopping: CancellationToken,
    /// Tracks the tasks.
    pub tracker: TaskTracker,
}

/// Asks for a reload of the configuration. The answer is the reason if the old one stays in use.
pub type ReloadRequest = oneshot::Sender<Result<(), Problem>>;

impl Control {
    /// Serves `listener` until `stop`.
    pub async fn serve(self, listener: UnixListener, stop: CancellationToken) {
        let control = Arc::new(self);
        let places = Arc::new(Semaphore::new(control.places));
        let mut backoff = AcceptBackoff::default();
        loop {
            let accept = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                accepted = accept => accepted,
            };
            match accepted {
                Ok((stream, _)) if is_own(&stream) => {
                    let connection = Arc::clone(&control).connection(stream, stop.clone());
                    control.tracker.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Ok((stream, _)) => {
                    let peer = stream.peer_cred();
                    let whom = peer.map_or(Whom::Unknown, |peer| Whom::Other(peer.uid()));
                    telemetry::refused(whom, "control-socket");
                }
                Err(error) => backoff.met(&error, "the command line").await,
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: UnixStream, stop: CancellationToken) {
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = routes::answer(Arc::clone(&self), request.map(Body::from));
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let mut stopping = false;
        loop {
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "a control connection broke");
                    }
                    return;
                }
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// Whether the peer runs as our own user.
fn is_own(stream: &UnixStream) -> bool {
    let own = rustix::process::getuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own)
}
