//! From one connection of the command to loopdesk: each has a connection to `proxy.sock` of its own,
//! and the two end together. With a pool between them, a request could be lost or sent twice.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::header::{EXPECT, HOST, HeaderName, HeaderValue};
use http::{Request, Response, Version};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use loopdesk_protocol::SecretText;
use loopdesk_protocol::client::ClientError;
use loopdesk_protocol::exec::{CALLER_HEADER, ORIGIN_HEADER, REWRITE_NONE, TICKET_HEADER};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::target::is_host_of;
use super::ticket::Tickets;
use crate::body::Body;
use crate::config::Origin;
use crate::error_response::ErrorResponse;
use crate::facts::{ConnFacts, LengthBesideCoding};
use crate::listener::Handler;
use crate::program;
use crate::telemetry::Sent;

/// The way to the daemon that all connections of a run share.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) proxy_socket: PathBuf,
    /// `NAME.localhost`.
    pub(super) host: HeaderValue,
    /// The process of the command.
    pub(super) command: u32,
    /// `None` if the run has its person's own rights.
    pub(super) tickets: Option<Tickets>,
}

/// Passes on the requests of one connection, all for one origin.
#[derive(Debug)]
pub(super) struct Hop {
    daemon: Arc<Daemon>,
    origin: Origin,
    /// Cancelled when the daemon ends its connection.
    ended: CancellationToken,
    /// Locked for one request at a time: the command's connection has no more.
    line: Mutex<Option<Line>>,
}

/// A connection to the daemon.
#[derive(Debug)]
struct Line {
    sender: SendRequest<Body>,
    ticket: Option<SecretText>,
    caller: Option<HeaderValue>,
}

impl Hop {
    /// A way for requests to `origin`. The connection that they come by has to end when `ended` is
    /// cancelled.
    pub(super) fn new(daemon: Arc<Daemon>, origin: Origin, ended: CancellationToken) -> Self {
        Self {
            daemon,
            origin,
            ended,
            line: Mutex::new(None),
        }
    }

    async fn pass(&self, request: Request<Body>) -> Result<Response<Body>, ErrorResponse> {
        self.is_meant(&request)?;
        let mut request = self.prepared(request);
        let mut line = self.line.lock().await;
        for left in (0..ATTEMPTS).rev() {
            let open = match line.take().filter(|line| !line.sender.is_closed()) {
                Some(open) => open,
                None => self.daemon.connect(&self.ended).await?,
            };
            let Line {
                mut sender,
                ticket,
                caller,
            } = open;
            if let Some(ticket) = &ticket {
                request.headers_mut().insert(&TICKET, secret(ticket)?);
            }
            if let Some(caller) = &caller {
                request.headers_mut().insert(&CALLER, caller.clone());
            }
            match sender.try_send_request(request).await {
                Ok(response) => {
                    *line = Some(Line {
                        sender,
                        ticket,
                        caller,
                    });
                    return Ok(response.map(Body::from));
                }
                // Nothing of it was sent, since the daemon had just closed the connection.
                Err(mut failed) => match failed.take_message().filter(|_| left > 0) {
                    Some(unsent) => request = unsent,
                    None => return Err(lost(failed.error())),
                },
            }
        }
        Err(ErrorResponse::NoDaemon)
    }

    /// A connection serves one origin, whatever its requests claim.
    fn is_meant(&self, request: &Request<Body>) -> Result<(), ErrorResponse> {
        // hyper has removed the length that stood beside it, and the daemon couldn't see it any more.
        if request.extensions().get::<LengthBesideCoding>().is_some() {
            let why = "the request has both a `Content-Length` and a `Transfer-Encoding`";
            return Err(ErrorResponse::BadRequest(why.to_owned()));
        }
        let mut hosts = request.headers().get_all(HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(host), None) if is_host_of(host.as_bytes(), &self.origin) => Ok(()),
            (None, _) if request.version() == Version::HTTP_10 => Ok(()),
            (host, _) => Err(ErrorResponse::OtherHost {
                host: host.map(|host| Sent::escaped(host.as_bytes())),
                origin: self.origin.to_string(),
            }),
        }
    }

    fn prepared(&self, mut request: Request<Body>) -> Request<Body> {
        // For an absolute-form target; RFC 9112 section 3.2.2 lets only proxies take those.
        if let Some(target) = request.uri().path_and_query().cloned() {
            *request.uri_mut() = target.into();
        }
        *request.version_mut() = Version::HTTP_11;
        let headers = request.headers_mut();
        for own in [&ORIGIN, &REWRITE, &TICKET, &CALLER, &EXPECT] {
            headers.remove(own);
        }
        headers.insert(HOST, self.daemon.host.clone());
        if let Ok(origin) = HeaderValue::try_from(self.origin.to_string()) {
            headers.insert(&ORIGIN, origin);
        }
        headers.insert(&REWRITE, HeaderValue::from_static(REWRITE_NONE));
        request
    }
}

impl Handler for Hop {
    async fn handle(&self, _: &ConnFacts, request: Request<Body>) -> Response<Body> {
        match self.pass(request).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        }
    }
}

impl Daemon {
    /// A connection, as soon as the daemon is there: it may be restarting.
    async fn connect(&self, ended: &CancellationToken) -> Result<Line, ErrorResponse> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.connect_now(ended).await {
                Ok(line) => return Ok(line),
                Err(NoLine::Refused(refusal)) => return Err(refusal),
                Err(NoLine::NotThere(error)) => {
                    if Instant::now() + LOOK_AGAIN >= deadline {
                        tracing::warn!(error, "the daemon isn't there");
                        return Err(ErrorResponse::NoDaemon);
                    }
                }
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn connect_now(&self, ended: &CancellationToken) -> Result<Line, NoLine> {
        let stream = connect(&self.proxy_socket).await?;
        let ticket = match &self.tickets {
            Some(tickets) => Some(tickets.current().await?),
            None => None,
        };
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .max_headers(HEADER_LINES)
            .handshake::<_, Body>(TokioIo::new(stream))
            .await
            .map_err(|error| NoLine::NotThere(error.to_string()))?;
        let ended = ended.clone();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the daemon broke");
            }
            ended.cancel();
        });
        Ok(Line {
            sender,
            ticket,
            caller: self.caller().await,
        })
    }

    /// The command, as the daemon shows callers. It may run another program by the next connection.
    async fn caller(&self) -> Option<HeaderValue> {
        let process = self.command;
        let name = tokio::task::spawn_blocking(move || program::name(process));
        let name = name.await.ok().flatten()?;
        HeaderValue::try_from(format!("{process} {name}")).ok()
    }
}

/// Why the daemon can't be reached now.
enum NoLine {
    /// It isn't there, and may be in a moment.
    NotThere(String),
    /// It doesn't want us.
    Refused(ErrorResponse),
}

impl From<io::Error> for NoLine {
    fn from(error: io::Error) -> Self {
        Self::NotThere(error.to_string())
    }
}

impl From<ClientError> for NoLine {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => {
                tracing::warn!(%problem, "the daemon issues no more tickets for this run");
                Self::Refused(crate::error_response::KeyErrorResponse::TicketOver.into())
            }
            ClientError::Unreachable { .. } | ClientError::Broken(_) => {
                Self::NotThere(error.to_string())
            }
        }
    }
}

/// Another user's socket must not see our requests.
async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let own = rustix::process::getuid().as_raw();
    let owner = std::fs::symlink_metadata(socket)?.uid();
    let stream = UnixStream::connect(socket).await?;
    if owner != own || stream.peer_cred()?.uid() != own {
        let why = format!("the socket belongs to user {owner}");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(stream)
}

fn secret(ticket: &SecretText) -> Result<HeaderValue, ErrorResponse> {
    let value = HeaderValue::from_str(ticket.expose());
    let mut value = value.map_err(|_| ErrorResponse::NoDaemon)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The daemon may have acted, so the request isn't repeated.
fn lost(error: &hyper::Error) -> ErrorResponse {
    tracing::warn!(%error, "the daemon has ended a connection without an answer");
    ErrorResponse::BrokenAnswer
}

static ORIGIN: HeaderName = HeaderName::from_static(ORIGIN_HEADER);
static TICKET: HeaderName = HeaderName::from_static(TICKET_HEADER);
static CALLER: HeaderName = HeaderName::from_static(CALLER_HEADER);
static REWRITE: HeaderName = HeaderName::from_static("x-loopdesk-rewrite");

/// A daemon that is being restarted or replaced is back within seconds.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How often a request is begun of which nothing was sent before.
const ATTEMPTS: usize = 3;

/// As many as Zendesk's answers may have.
const HEADER_LINES: usize = 256;
