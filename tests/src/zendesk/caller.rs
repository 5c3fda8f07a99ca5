//! A small HTTPS client that trusts one simulation: to call it directly, and to act as the browser
//! in a login.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::form_urlencoded;

/// What a person clicks on the consent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The client gets a code.
    Allow,
    /// The client gets `error=access_denied`.
    Deny,
}

/// An HTTPS client that trusts the simulation's CA. Each request has its own connection; the client
/// follows no redirects, decodes nothing, and adds no header except `Host`.
#[derive(Clone, Debug)]
pub struct Caller {
    tls: Arc<ClientConfig>,
    /// Where all connections go, whatever host a URL names; otherwise, to the URL's host.
    address: Option<SocketAddr>,
    origin: String,
    token: Option<HeaderValue>,
}

impl Caller {
    /// A client for the simulation at `origin`, whose CA is in `ca_file`: that of `zendesk-sim`,
    /// say. Paths without an origin are requested there.
    pub fn new(origin: &str, ca_file: &Path) -> io::Result<Self> {
        let pem = std::fs::read(ca_file)?;
        Self::trusting(&pem, origin, None)
    }

    pub(super) fn trusting(
        ca_pem: &[u8],
        origin: &str,
        address: Option<SocketAddr>,
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem) {
            let certificate = certificate.map_err(io::Error::other)?;
            roots.add(certificate).map_err(io::Error::other)?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let caller = Self {
            tls: Arc::new(tls),
            address,
            origin: origin.to_owned(),
            token: None,
        };
        Ok(caller.offering(&[b"http/1.1"]))
    }

    /// The same, connecting to this address, whatever host a URL names.
    #[must_use]
    pub fn connecting_to(mut self, address: Option<SocketAddr>) -> Self {
        self.address = address;
        self
    }

    /// The same, speaking HTTP/2.
    #[must_use]
    pub fn http2(self) -> Self {
        self.offering(&[b"h2"])
    }

    /// The same, sending this access token with every request that has no `Authorization`.
    #[must_use]
    pub fn bearer(mut self, token: &str) -> Self {
        self.token = HeaderValue::from_str(&format!("Bearer {token}")).ok();
        self
    }

    /// Sends `GET` to a path or a whole URL.
    pub async fn get(&self, target: &str) -> io::Result<Reply> {
        self.send(Method::GET, target, HeaderMap::new(), Bytes::new())
            .await
    }

    /// Sends `DELETE` to a path or a whole URL.
    pub async fn delete(&self, target: &str) -> io::Result<Reply> {
        self.send(Method::DELETE, target, HeaderMap::new(), Bytes::new())
            .await
    }

    /// Sends JSON by `POST`.
    pub async fn post(&self, target: &str, body: &Value) -> io::Result<Reply> {
        let headers = typed("application/json");
        let body = Bytes::from(body.to_string());
        self.send(Method::POST, target, headers, body).await
    }

    /// Sends JSON by `PUT`.
    pub async fn put(&self, target: &str, body: &Value) -> io::Result<Reply> {
        let headers = typed("application/json");
        let body = Bytes::from(body.to_string());
        self.send(Method::PUT, target, headers, body).await
    }

    /// Sends a form by `POST`.
    pub async fn post_form(&self, target: &str, fields: &[(&str, &str)]) -> io::Result<Reply> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let headers = typed("application/x-www-form-urlencoded");
        self.send(Method::POST, target, headers, body.into()).await
    }

    /// Sends any request and reads the complete response.
    pub async fn send(
        &self,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> io::Result<Reply> {
        let response = self.open(method, target, headers, body).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// Sends any request and returns as soon as the response's head has arrived.
    pub async fn open(
        &self,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> io::Result<Response<Incoming>> {
        let url = if target.starts_with('/') {
            format!("{}{target}", self.origin)
        } else {
            target.to_owned()
        };
        let uri: Uri = url.parse().map_err(io::Error::other)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        if let Some(token) = &self.token
            && !request.headers().contains_key(AUTHORIZATION)
        {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let stream = self.connect(&uri).await?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            *request.uri_mut() = uri;
            *request.version_mut() = Version::HTTP_2;
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .map_err(io::Error::other)?;
            tokio::spawn(connection);
            return sender.send_request(request).await.map_err(io::Error::other);
        }
        if let (Some(authority), false) = (uri.authority(), request.headers().contains_key(HOST)) {
            let host = HeaderValue::from_str(authority.as_str()).map_err(io::Error::other)?;
            request.headers_mut().insert(HOST, host);
        }
        *request.uri_mut() = uri
            .path_and_query()
            .map_or_else(|| Uri::from_static("/"), |path| Uri::from(path.clone()));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(io::Error::other)
    }

    /// Acts as the browser of a person who is logged in to Zendesk: fetches the page of an
    /// authorize URL, clicks, and returns the address that this leads to, without following it. A
    /// page with an error, such as "No such client", is an error with the page's text.
    pub async fn consent(&self, authorize_url: &str, decision: Decision) -> io::Result<String> {
        let page = self.get(authorize_url).await?;
        let text = String::from_utf8_lossy(page.body()).into_owned();
        if !page.status().is_success() {
            return Err(refused(&page, &text));
        }
        let token = between(&text, "name=\"authenticity_token\" value=\"", "\"");
        let action = between(&text, "<form method=\"post\" action=\"", "\"");
        let (Some(token), Some(action)) = (token, action) else {
            return Err(io::Error::other(format!("no form on the page: {text}")));
        };
        // Relative to the page, whose host may differ from our own origin.
        let page_url: Uri = authorize_url.parse().map_err(io::Error::other)?;
        let action = match (page_url.scheme_str(), page_url.authority()) {
            (Some(scheme), Some(authority)) => format!("{scheme}://{authority}{action}"),
            _ => action.to_owned(),
        };
        let decision = match decision {
            Decision::Allow => "allow",
            Decision::Deny => "deny",
        };
        let fields = [("authenticity_token", token), ("decision", decision)];
        let reply = self.post_form(&action, &fields).await?;
        let location = reply.headers().get(LOCATION);
        match location.and_then(|location| location.to_str().ok()) {
            Some(location) => Ok(location.to_owned()),
            None => Err(refused(&reply, &String::from_utf8_lossy(reply.body()))),
        }
    }

    fn offering(mut self, protocols: &[&[u8]]) -> Self {
        let mut tls = ClientConfig::clone(&self.tls);
        tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        self.tls = Arc::new(tls);
        self
    }

    async fn connect(&self, uri: &Uri) -> io::Result<TlsStream<TcpStream>> {
        let host = uri.host().unwrap_or("").trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let stream = match self.address {
            // A URL with another port of this machine means that port.
            Some(address) if host != "127.0.0.1" => TcpStream::connect(address).await?,
            _ => TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?,
        };
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        connector.connect(name, stream).await
    }
}

/// A response with its complete body.
pub type Reply = Response<Bytes>;

/// The body as JSON; `null` if it isn't.
pub fn json(reply: &Reply) -> Value {
    serde_json::from_slice(reply.body()).unwrap_or(Value::Null)
}

fn typed(media_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))])
}

fn refused(reply: &Reply, text: &str) -> io::Error {
    let heading = between(text, "<h1>", "</h1>").unwrap_or("an error page");
    let why = between(text, "<p>", "</p>").unwrap_or("");
    io::Error::other(format!("{}: {heading}: {why}", reply.status()))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    let (found, _) = rest.split_once(end)?;
    Some(found)
}
