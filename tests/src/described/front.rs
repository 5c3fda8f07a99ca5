//! Terminates TLS, and chooses the server for each request.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::{ETAG, HOST};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use loopdeskd::clock::Clock;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::zendesk::{Caller, Zendesk, tls};

/// The front, which ends when dropped.
#[derive(Debug)]
pub(super) struct Front {
    behind: Arc<Behind>,
    origin: String,
    directory: TempDir,
    _stop: DropGuard,
}

/// The servers behind it.
#[derive(Debug)]
struct Behind {
    zendesk: Caller,
    mock: OnceLock<SocketAddr>,
    is_mocking: AtomicBool,
}

impl Front {
    pub(super) async fn start(zendesk: &Zendesk, port: u16) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let pems = tls::Pems::generate("Front of Prism", Clock::system().now())?;
        std::fs::write(directory.path().join("ca.pem"), &pems.ca)?;
        let acceptor = TlsAcceptor::from(Arc::new(config(&pems)?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let origin = format!("https://127.0.0.1:{port}");
        let behind = Arc::new(Behind {
            zendesk: zendesk.caller()?,
            mock: OnceLock::new(),
            is_mocking: AtomicBool::new(false),
        });
        let stop = CancellationToken::new();
        let accepting = accept(listener, acceptor, Arc::clone(&behind), stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(accepting));
        Ok(Self {
            behind,
            origin,
            directory,
            _stop: stop.drop_guard(),
        })
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The mock's address.
    pub(super) fn set_mock(&self, address: SocketAddr) {
        self.behind.mock.set(address).expect("it is set once");
    }

    /// Sends the mock everything that isn't OAuth.
    pub(super) fn mock(&self) {
        self.behind.is_mocking.store(true, Ordering::SeqCst);
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    behind: Arc<Behind>,
    stop: CancellationToken,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, behind) = (acceptor.clone(), Arc::clone(&behind));
        let serve = async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(|request| behind.answer(request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // How a connection ends is the client's business.
            drop(connection.await);
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve));
    }
}

impl Behind {
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let is_oauth = ["/oauth/", "/api/v2/oauth/"]
            .iter()
            .any(|path| head.uri.path().starts_with(path));
        let mocking = self.is_mocking.load(Ordering::SeqCst) && !is_oauth;
        let answer = if mocking {
            let address = self.mock.get().ok_or(io::ErrorKind::NotConnected)?;
            dressed(ask(*address, Request::from_parts(head, body)).await?)
        } else {
            let path = head.uri.to_string();
            let mut headers = head.headers;
            // It responds only to its own name, which the caller sets.
            headers.remove(HOST);
            self.zendesk.send(head.method, &path, headers, body).await?
        };
        Ok(answer.map(Full::new))
    }
}

/// One request on its own connection, with its head unchanged.
async fn ask(address: SocketAddr, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
    let stream = TcpStream::connect(address).await?;
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let answer = sender.send_request(request.map(Full::new)).await;
    let (head, body) = answer.map_err(io::Error::other)?.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    Ok(Response::from_parts(head, body))
}

/// What Zendesk's own front adds: without it, there would be nothing to strip.
fn dressed(mut answer: Response<Bytes>) -> Response<Bytes> {
    let headers = answer.headers_mut();
    for (name, value) in DRESS {
        let value = HeaderValue::from_static(value);
        headers.append(HeaderName::from_static(name), value);
    }
    headers.insert(ETAG, HeaderValue::from_static("\"0123456789abcdef\""));
    answer
}

fn config(pems: &tls::Pems) -> io::Result<ServerConfig> {
    let certificate = CertificateDer::from_pem_slice(pems.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(pems.key.as_bytes());
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.map_err(io::Error::other)?],
            key.map_err(io::Error::other)?,
        )
        .map_err(io::Error::other)
}

const DRESS: [(&str, &str); 11] = [
    ("server", "cloudflare"),
    ("x-zendesk-api-version", "v2"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-request-id", "70b4-IAD"),
    ("x-request-id", "70b4-IAD, 70b4-IAD"),
    ("vary", "Accept-Encoding"),
    ("strict-transport-security", "max-age=31536000;"),
    (
        "set-cookie",
        "_zendesk_cookie=BAhJIhl7fQY6BkVU; path=/; secure; HttpOnly",
    ),
    ("nel", r#"{"report_to":"cf-nel","max_age":604800}"#),
    (
        "report-to",
        r#"{"group":"cf-nel","max_age":604800,"endpoints":[]}"#,
    ),
    ("alt-svc", "h3=\":443\"; ma=86400"),
];
