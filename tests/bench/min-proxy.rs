//! The least that a proxy in Rust can do: hyper in front, rustls behind, one header set. What the other
//! proxies cost is given as a ratio to this one.
//!
//! `min-proxy PORT ORIGIN CA-FILE [h2]`

use std::error::Error;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::net::TcpListener;

type Failure = Box<dyn Error + Send + Sync>;
type Upstream = Client<HttpsConnector<HttpConnector>, Incoming>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, origin, ca, rest @ ..] = &arguments[..] else {
        return Err("usage: min-proxy PORT ORIGIN CA-FILE [h2]".into());
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let tls =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only();
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let connector = match rest.is_empty() {
        true => connector.enable_http1().wrap_connector(tcp),
        false => connector.enable_http2().wrap_connector(tcp),
    };
    let upstream: Upstream = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector);
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    loop {
        let (stream, _peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (upstream, origin) = (upstream.clone(), origin.clone());
        let service = service_fn(move |request| pass(upstream.clone(), origin.clone(), request));
        let server = hyper::server::conn::http1::Builder::new();
        tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
    }
}

async fn pass(
    upstream: Upstream,
    origin: String,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Failure> {
    *request.uri_mut() = format!("{origin}{}", request.uri()).parse::<Uri>()?;
    *request.version_mut() = Version::default();
    let token = HeaderValue::from_static("Bearer bench");
    request.headers_mut().insert(AUTHORIZATION, token);
    for name in HOP_BY_HOP {
        request.headers_mut().remove(name);
    }
    let mut response = upstream.request(request).await?;
    *response.version_mut() = Version::default();
    for name in HOP_BY_HOP {
        response.headers_mut().remove(name);
    }
    Ok(response)
}

/// The body's own length says how it is framed.
const HOP_BY_HOP: [HeaderName; 3] = [CONNECTION, HOST, TRANSFER_ENCODING];
