//! Requests that name a whole URL of others, as proxies got them before CONNECT: plain `http`, since Ruby
//! reads `http_proxy` alone, and `https` from older axios that follows a redirect. Each is sent on a
//! connection of its own, without a credential.

use http::header::{CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body::Body as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::body::Body;
use crate::hop_by_hop;
use crate::upstream::{WayOut, WayOutError};

/// Sends `request` to `host`, by TLS if its URL says so.
///
/// # Errors
/// The target is out of bounds, or gives no answer.
pub(super) async fn send(
    way_out: &WayOut,
    mut request: Request<Body>,
    host: &str,
    port: u16,
) -> Result<Response<Body>, WayOutError> {
    let is_https = request.uri().scheme_str() == Some("https");
    prepare(&mut request);
    if is_https {
        origin_form(&mut request);
        return exchange(way_out.connect_tls(host, port).await?, request).await;
    }
    let (stream, proxy) = way_out.connect_plain(host, port).await?;
    match proxy {
        None => origin_form(&mut request),
        Some(proxy) => {
            if let Some(login) = proxy.login {
                request.headers_mut().insert(PROXY_AUTHORIZATION, login);
            }
        }
    }
    exchange(stream, request).await
}

/// What a proxy changes (RFC 9110 section 7.6.1, RFC 9112 section 3.2.2).
fn prepare(request: &mut Request<Body>) {
    let host = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().to_owned());
    *request.version_mut() = Version::HTTP_11;
    let has_body = !request.body().is_end_stream();
    let headers = request.headers_mut();
    hop_by_hop::strip(headers);
    if let Some(Ok(host)) = host.map(HeaderValue::try_from) {
        headers.insert(HOST, host);
    }
    // Otherwise hyper takes a GET for one without a body.
    if has_body && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

fn origin_form(request: &mut Request<Body>) {
    let target = request.uri().path_and_query().cloned();
    *request.uri_mut() = target.map_or_else(|| Uri::from_static("/"), Uri::from);
}

async fn exchange<S>(stream: S, request: Request<Body>) -> Result<Response<Body>, WayOutError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let lost = |error: hyper::Error| {
        WayOutError::Unreachable(format!(
            "the connection broke before an answer came: {error}"
        ))
    };
    let (mut sender, connection) = http1::Builder::new()
        .preserve_header_case(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(lost)?;
    // It ends with the answer: nobody can send another request on it.
    tokio::spawn(async move { drop(connection.await) });
    let mut response = sender.send_request(request).await.map_err(lost)?;
    hop_by_hop::strip(response.headers_mut());
    Ok(response.map(Body::from))
}
