//! The client of the control API: HTTP/1.1 over a unix socket, with one connection per call.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::call::{Call, Query};
use crate::problem::{Kind, Problem};

/// A client of the daemon behind a control socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon at `socket`. Doesn't connect yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Makes a call that asks for nothing.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if nothing listens, [`ClientError::Problem`] if the daemon
    /// refuses or fails, [`ClientError::Broken`] if its answer can't be read.
    pub async fn get<T: DeserializeOwned>(&self, call: Call<(), T>) -> Result<T, ClientError> {
        let response = self.send(call.method, call.path, Bytes::new()).await?;
        read(response).await
    }

    /// Makes a call that asks in its query.
    ///
    /// # Errors
    /// See [`Client::get`].
    pub async fn query<Q: Query, T: DeserializeOwned>(
        &self,
        call: Call<Q, T>,
        asked: &Q,
    ) -> Result<T, ClientError> {
        let target = format!("{}?{}", call.path, asked.query());
        let response = self.send(call.method, &target, Bytes::new()).await?;
        read(response).await
    }

    /// Makes a call that asks in its body.
    ///
    /// # Errors
    /// See [`Client::get`].
    pub async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        call: Call<B, T>,
        body: &B,
    ) -> Result<T, ClientError> {
        let response = self.send(call.method, call.path, encode(body)?).await?;
        read(response).await
    }

    /// Makes a call that asks in its body, and reads the answer line by line.
    ///
    /// # Errors
    /// See [`Client::get`].
    pub async fn stream<B: Serialize, T: DeserializeOwned>(
        &self,
        call: Call<B, Lines<T>>,
        body: &B,
    ) -> Result<Lines<T>, ClientError> {
        let response = self.send(call.method, call.path, encode(body)?).await?;
        if !response.status().is_success() {
            return Err(problem(response).await);
        }
        Ok(Lines {
            body: response.into_body(),
            buffer: BytesMut::new(),
            item: std::marker::PhantomData,
        })
    }

    async fn send(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let stream = self
            .connect()
            .await
            .map_err(|source| ClientError::Unreachable {
                socket: self.socket.clone(),
                source,
            })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, "loopdesk")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|e| ClientError::Broken(e.to_string()))?;
        let driver = tokio::task::spawn(connection);
        let response = sender.send_request(request).await;
        if response.is_err() {
            driver.abort();
        }
        Ok(response?)
    }

    async fn connect(&self) -> io::Result<UnixStream> {
        // Another user's socket must neither see our requests nor answer as the daemon.
        let owner = std::fs::symlink_metadata(&self.socket)?.uid();
        let stream = UnixStream::connect(&self.socket).await?;
        let own = rustix::process::getuid().as_raw();
        let peer = stream.peer_cred()?.uid();
        if owner != own || peer != own {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the socket belongs to user {owner}, and its server to user {peer}"),
            ));
        }
        Ok(stream)
    }
}

/// An answer with one JSON value per line.
#[derive(Debug)]
pub struct Lines<T> {
    body: Incoming,
    buffer: BytesMut,
    item: std::marker::PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Lines<T> {
    /// The next value, or `None` after the last. Cancel safe.
    ///
    /// # Errors
    /// [`ClientError::Broken`] if the daemon hangs up early or its answer can't be read.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(end);
                self.buffer.advance(1);
                return decode(&line).map(Some);
            }
            match self.body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                    if self.buffer.len() > ANSWER_MAX {
                        return Err(ClientError::Broken("a line is too long".to_owned()));
                    }
                }
                None => return Ok(None),
            }
        }
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No daemon listens at the socket.
    #[error("no daemon answers at `{}`: {source}", .socket.display())]
    Unreachable {
        /// The control socket's path.
        socket: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The daemon refused or failed.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The daemon's answer can't be read.
    #[error("the daemon's answer can't be read: {0}")]
    Broken(String),
}

impl From<hyper::Error> for ClientError {
    fn from(error: hyper::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

fn encode(body: &impl Serialize) -> Result<Bytes, ClientError> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|e| ClientError::Broken(e.to_string()))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(bytes).map_err(|e| ClientError::Broken(e.to_string()))
}

async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, ClientError> {
    if !response.status().is_success() {
        return Err(problem(response).await);
    }
    decode(&collect(response).await?)
}

async fn problem(response: Response<Incoming>) -> ClientError {
    let status = response.status();
    let body = match collect(response).await {
        Ok(body) => body,
        Err(error) => return error,
    };
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => ClientError::Problem(problem),
        Err(_) => ClientError::Problem(Problem::new(
            Kind::Daemon,
            format!("the daemon answered {status} without a reason"),
        )),
    }
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let body = Limited::new(response.into_body(), ANSWER_MAX);
    match body.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(ClientError::Broken(error.to_string())),
    }
}

/// The longest answer is a status with many accounts; a megabyte holds thousands.
const ANSWER_MAX: usize = 1 << 20;
