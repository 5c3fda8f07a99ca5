//! Where the browser comes back to: on loopback, while a login is pending, and for it alone.
//!
//! Whoever asks must know the login's state, which left this machine only in the authorize URL.
//! Anybody else gets a 404, and the login goes on waiting (RFC 8252 section 8; W8).

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use loopdesk_protocol::{Kind, Problem};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::task::TaskTracker;

use super::page::Page;
use crate::config::RedirectUri;
use crate::session::oauth;

/// Where what comes back is handed in, by the browser or by the person. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct Desk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Open(Open),
    /// For good.
    Closed,
}

#[derive(Debug)]
struct Open {
    path: String,
    state: SecretString,
    /// Taken by the first to come.
    waiting: Option<oneshot::Sender<Arrival>>,
}

/// What became of something handed in.
#[derive(Debug)]
pub(super) enum Offer {
    /// It is what the login waits for; the page comes when it is over.
    Taken(oneshot::Receiver<Page>),
    /// It came before.
    Used,
    /// It is not of this login.
    NotOurs,
    /// It is of this login and makes no sense; why.
    Malformed(&'static str),
    /// No login waits.
    Nobody,
}

/// What a login has waited for, and where to say how it went.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) came: Came,
    pub(super) page: oneshot::Sender<Page>,
}

/// What Zendesk sends the browser back with.
#[derive(Debug)]
pub(super) enum Came {
    Code(SecretString),
    Denied { error: String, description: String },
}

impl Desk {
    /// Opens the desk for a login and returns what will arrive. A login that it was open for gets
    /// nothing any more.
    pub(super) fn open(&self, path: &str, state: SecretString) -> oneshot::Receiver<Arrival> {
        let (waiting, arrival) = oneshot::channel();
        let mut desk = self.lock();
        if !matches!(*desk, State::Closed) {
            *desk = State::Open(Open {
                path: path.to_owned(),
                state,
                waiting: Some(waiting),
            });
        }
        arrival
    }

    /// Sends away the login that waits, and every later one.
    pub(in crate::session) fn close(&self) {
        *self.lock() = State::Closed;
    }

    /// Whether it is closed for good.
    pub(super) fn is_closed(&self) -> bool {
        matches!(*self.lock(), State::Closed)
    }

    /// Hands in an address as a person pastes it: whole, or from its path on.
    pub(super) fn paste(&self, address: &str) -> Offer {
        let address = address.trim();
        let target = match address.split_once("://") {
            // Behind the authority comes the path.
            Some((_, rest)) => rest.find('/').map_or("", |slash| &rest[slash..]),
            None => address,
        };
        let target = target.split('#').next().unwrap_or_default();
        match target.split_once('?') {
            Some((path, query)) => self.offer(path, query),
            None => Offer::Malformed("it has no `?` with a code behind it"),
        }
    }

    fn offer(&self, path: &str, query: &str) -> Offer {
        let mut desk = self.lock();
        let State::Open(open) = &mut *desk else {
            return Offer::Nobody;
        };
        if path != open.path {
            return Offer::NotOurs;
        }
        let parameters = match Parameters::read(query) {
            Ok(parameters) => parameters,
            Err(why) => return Offer::Malformed(why),
        };
        let state = parameters.state.unwrap_or_default();
        let expected = open.state.expose_secret().as_bytes();
        if !bool::from(state.as_bytes().ct_eq(expected)) {
            return Offer::NotOurs;
        }
        let came = match (parameters.code, parameters.error) {
            (_, Some(error)) => Came::Denied {
                error: oauth::plain(&error),
                description: oauth::plain(&parameters.description.unwrap_or_default()),
            },
            (Some(code), None) if !code.is_empty() => Came::Code(code.into()),
            (_, None) => return Offer::Malformed("it has no `code`"),
        };
        let Some(waiting) = open.waiting.take() else {
            return Offer::Used;
        };
        let (page, shown) = oneshot::channel();
        match waiting.send(Arrival { came, page }) {
            Ok(()) => Offer::Taken(shown),
            Err(_) => Offer::Nobody,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Parameters {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    description: Option<String>,
}

impl Parameters {
    fn read(query: &str) -> Result<Self, &'static str> {
        let mut parameters = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let slot = match name.as_ref() {
                "state" => &mut parameters.state,
                "code" => &mut parameters.code,
                "error" => &mut parameters.error,
                "error_description" => &mut parameters.description,
                _ => continue,
            };
            // RFC 6749 section 3.1: parameters must not be included more than once.
            if slot.replace(value.into_owned()).is_some() {
                return Err("it says something twice");
            }
        }
        Ok(parameters)
    }
}

/// The callback's sockets.
#[derive(Debug)]
pub(super) struct Listening {
    uri: RedirectUri,
    sockets: Vec<TcpListener>,
}

impl Listening {
    /// Listens for the first redirect URI whose port is free.
    pub(super) async fn bind(uris: &[RedirectUri]) -> Result<Self, Problem> {
        let mut tried = Vec::new();
        for uri in uris {
            let socket = match TcpListener::bind(uri.address()).await {
                Ok(socket) => socket,
                Err(error) => {
                    tried.push(format!("{} ({error})", uri.address()));
                    continue;
                }
            };
            let mut sockets = vec![socket];
            if uri.as_str().starts_with("http://localhost:") {
                // Some browsers try the other family first.
                let other = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), uri.address().port());
                sockets.extend(TcpListener::bind(other).await.ok());
            }
            return Ok(Self {
                uri: uri.clone(),
                sockets,
            });
        }
        let message = format!(
            "no port is free for the browser to come back to: {}",
            tried.join(", ")
        );
        Err(Problem::new(Kind::Login, message)
            .hint("finish or stop the other login, or what else listens there")
            .hint("or register a further redirect URI at Zendesk and add it to `redirect-uris`"))
    }

    pub(super) fn redirect_uri(&self) -> &str {
        self.uri.as_str()
    }

    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    /// Serves the browser until the result is dropped, or has lingered.
    pub(super) fn serve(self, desk: &Desk, tracker: &TaskTracker) -> Server {
        let tasks = self.sockets.into_iter().map(|socket| {
            let task = tracker.spawn(accept(socket, desk.clone()));
            task.abort_handle()
        });
        Server {
            tasks: tasks.collect(),
            linger: Duration::ZERO,
        }
    }
}

/// The running callback.
#[derive(Debug)]
pub(super) struct Server {
    tasks: Vec<AbortHandle>,
    linger: Duration,
}

impl Server {
    /// Stays for a while after it is dropped: the last page is still to be fetched.
    pub(super) fn linger(&mut self, time: Duration) {
        self.linger = time;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let (tasks, linger) = (std::mem::take(&mut self.tasks), self.linger);
        if linger.is_zero() {
            tasks.iter().for_each(AbortHandle::abort);
            return;
        }
        tokio::task::spawn(async move {
            tokio::time::sleep(linger).await;
            tasks.iter().for_each(AbortHandle::abort);
        });
    }
}

async fn accept(socket: TcpListener, desk: Desk) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                    connections.spawn(serve(stream, desk.clone()));
                }
                // One too many is closed; a browser tries again.
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "the login callback can't accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, desk: Desk) {
    let service = service_fn(move |request| answer(desk.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .keep_alive(false)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a browser's connection broke");
    }
}

async fn answer(
    desk: Desk,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if *request.method() != Method::GET {
        return Ok(Page::method().into_response());
    }
    let query = request.uri().query().unwrap_or_default();
    let page = match desk.offer(request.uri().path(), query) {
        Offer::Taken(page) => page.await.unwrap_or_else(|_| Page::lost()),
        Offer::Used => Page::used(),
        Offer::Malformed(_) => Page::malformed(),
        Offer::NotOurs | Offer::Nobody => Page::not_ours(),
    };
    Ok(page.into_response())
}

/// A browser opens a handful, some of them in advance.
const CONNECTIONS_MAX: usize = 16;
/// A browser sends its request at once.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Codes may be long, cookies for localhost too.
const HEAD_MAX: usize = 64 * 1024;
/// For want of file descriptors: they come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
