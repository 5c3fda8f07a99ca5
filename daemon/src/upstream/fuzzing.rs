//! A request as it is written on the wire, for the fuzz targets.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tower_service::Service;

use super::{Credential, Outgoing, connect, request};
use crate::body::Body;

/// The head of the request that would be sent.
pub fn attempt(outgoing: &Outgoing, authorization: &HeaderValue) -> Option<Request<Body>> {
    outgoing.attempt(Some(authorization))
}

/// Removes from a head what must not leave this machine, as for every request.
pub fn strip(headers: &mut http::HeaderMap, credential: Credential) {
    request::strip(headers, credential);
}

/// Sends `outgoing` once over `stream` instead of a connection over TLS.
pub async fn send(
    outgoing: &Outgoing,
    authorization: &HeaderValue,
    stream: DuplexStream,
) -> Option<Response<Body>> {
    let request = attempt(outgoing, authorization)?;
    let connector = Once(Arc::new(Mutex::new(Some(stream))));
    let client: legacy::Client<Once, Body> = connect::pool().build(connector);
    client
        .request(request)
        .await
        .ok()
        .map(|r| r.map(Body::from))
}

/// Connects once, to the given stream.
#[derive(Clone)]
struct Once(Arc<Mutex<Option<DuplexStream>>>);

impl Service<Uri> for Once {
    type Response = FuzzStream;
    type Error = io::Error;
    type Future = Ready<io::Result<FuzzStream>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let stream = self.0.lock().ok().and_then(|mut stream| stream.take());
        let wire = stream.map(|stream| FuzzStream(TokioIo::new(stream)));
        ready(wire.ok_or_else(|| io::Error::other("there is only one connection")))
    }
}

/// A stream in the form that the pool takes.
struct FuzzStream(TokioIo<DuplexStream>);

impl Connection for FuzzStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for FuzzStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for FuzzStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
