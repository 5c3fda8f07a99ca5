//! The control API: HTTP/1.1 on `control.sock`, for the command line only.
//!
//! It isn't part of the request path: it reads sessions and the configuration, and asks them to
//! act. The peer's user is checked on every connection, although the folder is already private.

mod handlers;
mod lines;
mod reply;

use std::sync::Arc;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use loopdesk_protocol::config::RELOAD;
use loopdesk_protocol::{
    Kind, Problem, key, login, proof, session, status, unlock, vault, version, wait,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::Body;
use crate::clock::Clock;
use crate::conditions::Conditions;
use crate::config::live::Loaded;
use crate::keys::Keys;
use crate::listener::AcceptBackoff;
use crate::proof::Prover;
use crate::session::Sessions;
use crate::telemetry::{self, Sent, Whom};

/// Everything that the control API reads or asks to act.
#[derive(Clone, Debug)]
pub struct Control {
    /// The accounts' sessions.
    pub sessions: Sessions,
    /// The local keys.
    pub keys: Keys,
    /// The configuration in use.
    pub loaded: watch::Receiver<Loaded>,
    /// Other current problems.
    pub conditions: Conditions,
    /// Where scripts can connect.
    pub listeners: watch::Receiver<Vec<status::Listener>>,
    /// Why the notification command can't be run.
    pub hook: watch::Receiver<Option<Problem>>,
    /// Asks for a reload of the configuration.
    pub reload: mpsc::Sender<Reload>,
    /// Proves which ports belong to this process.
    pub prover: Prover,
    /// Tells the time.
    pub clock: Clock,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// How many connections the daemon may have.
    pub places: usize,
    /// Tracks the tasks.
    pub tracker: TaskTracker,
}

/// Asks for a reload of the configuration; the answer says whether it is in use.
pub type Reload = oneshot::Sender<Result<(), Problem>>;

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
        let service = service_fn(move |request| {
            let control = Arc::clone(&self);
            async move { Ok::<_, std::convert::Infallible>(control.answer(request).await) }
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

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        match (&head.method, path) {
            (&Method::GET, version::PATH) => reply::json(&handlers::version::version()),
            (&Method::GET, status::PATH) => reply::json(&handlers::status::status(self).await),
            (&Method::GET, wait::PATH) => {
                reply::from(handlers::wait::wait(self, head.uri.query()).await)
            }
            (&Method::POST, login::PATH) => match reply::read(body).await {
                Ok(asked) => handlers::login::login(self, &asked),
                Err(problem) => reply::problem(&problem),
            },
            (&Method::POST, login::CALLBACK) => {
                reply::told(body, async |pasted| handlers::login::paste(self, &pasted)).await
            }
            (&Method::POST, session::LOGOUT) => {
                reply::told(body, async |asked| {
                    handlers::logout::logout(self, asked).await
                })
                .await
            }
            (&Method::POST, session::REFRESH) => {
                reply::told(body, async |asked| {
                    handlers::refresh::refresh(self, asked).await
                })
                .await
            }
            (&Method::POST, unlock::PATH) => {
                reply::told(body, async |asked| {
                    handlers::unlock::unlock(self, &asked).await
                })
                .await
            }
            (&Method::POST, vault::FORGET) => reply::from(handlers::vault::forget(self).await),
            (&Method::POST, proof::PATH) => {
                reply::told(body, async |asked| handlers::proof::proof(self, &asked)).await
            }
            (&Method::GET, key::LIST) => reply::from(handlers::keys::list(self).await),
            (&Method::POST, key::CREATE) => {
                reply::told(body, async |asked| {
                    handlers::keys::create(self, asked).await
                })
                .await
            }
            (&Method::POST, key::ROTATE) => {
                reply::told(body, async |asked| {
                    handlers::keys::rotate(self, asked).await
                })
                .await
            }
            (&Method::POST, key::REVOKE) => {
                reply::told(body, async |asked| {
                    handlers::keys::revoke(self, asked).await
                })
                .await
            }
            (&Method::POST, key::CONFIRM) => {
                reply::told(body, async |asked| {
                    handlers::keys::confirm(self, asked).await
                })
                .await
            }
            (&Method::POST, key::CALLERS) => {
                reply::told(body, async |asked| handlers::keys::callers(self, &asked)).await
            }
            (&Method::POST, key::EXPLAIN) => {
                reply::told(body, async |asked| {
                    handlers::keys::explain(self, &asked).await
                })
                .await
            }
            (&Method::POST, RELOAD) => reply::from(handlers::reload::reload(self).await),
            (method, path) => {
                let own = handlers::version::version();
                let asked = Sent::escaped(format!("{method} {path}"));
                let message = format!(
                    "the running daemon, loopdesk {} (process {}), doesn't support `{asked}`",
                    own.version, own.pid
                );
                let hint = "run `loopdesk version`: it says what to do if this command is newer";
                reply::problem(&Problem::new(Kind::Daemon, message).hint(hint))
            }
        }
    }
}

/// Whether the peer runs as our own user.
fn is_own(stream: &UnixStream) -> bool {
    let own = rustix::process::getuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own)
}
