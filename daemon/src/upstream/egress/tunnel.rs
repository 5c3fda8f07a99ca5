//! CONNECT (RFC 9110 section 9.3.6): asks an HTTP proxy for a tunnel.
//!
//! hyper speaks the protocol. When a CONNECT is accepted, its answer is the connection itself, and
//! bytes that came with the head of the answer are read from it first.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONTENT_TYPE, HOST, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::ext::ReasonPhrase;
use hyper::upgrade::{self, Upgraded};

use super::proxy_error::{ProxyError, ProxyFault};
use super::{HTTPS, Proxy, ToProxy};
use crate::error_response::ERROR_HEADER;
use crate::telemetry::Foreign;

/// Asks for a tunnel to `target`.
pub(super) async fn open(
    proxy: &Proxy,
    stream: ToProxy,
    target: &Uri,
) -> Result<Upgraded, ProxyError> {
    let failed = |reason| ProxyError::new(proxy, reason);
    let host = target.host().unwrap_or_default();
    let authority = format!("{host}:{}", target.port_u16().unwrap_or(HTTPS));
    let request =
        request(proxy, &authority).map_err(|e| failed(ProxyFault::Broke(Foreign::root(&e))))?;
    let handshake = http1::Builder::new()
        // Some proxies only understand this spelling.
        .title_case_headers(true)
        .max_buf_size(HEAD_MAX)
        .handshake(stream)
        .await;
    let (mut sender, connection) = handshake.map_err(|e| failed(ProxyFault::of_exchange(&e)))?;
    let exchange = async {
        let response = sender.send_request(request).await;
        let response = response.map_err(|e| ProxyFault::of_exchange(&e))?;
        if response.status().is_success() {
            let upgraded = upgrade::on(response).await;
            upgraded.map_err(|e| ProxyFault::of_exchange(&e))
        } else {
            Err(refused(proxy, &authority, response).await)
        }
    };
    let driven = async {
        // The exchange reports how it ended.
        drop(connection.with_upgrades().await);
        std::future::pending().await
    };
    let (exchange, driven) = (pin!(exchange), pin!(driven));
    tokio::select! {
        biased;
        opened = exchange => opened.map_err(failed),
        never = driven => never,
    }
}

fn request(proxy: &Proxy, authority: &str) -> http::Result<Request<Empty<Bytes>>> {
    let mut request = Request::connect(authority).header(HOST, authority);
    if let Some(basic) = &proxy.basic {
        request = request.header(PROXY_AUTHORIZATION, basic);
    }
    request.body(Empty::new())
}

async fn refused(proxy: &Proxy, authority: &str, response: Response<Incoming>) -> ProxyFault {
    let (head, body) = response.into_parts();
    if head.headers.contains_key(ERROR_HEADER) {
        return ProxyFault::Loopdesk;
    }
    if head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return match (other_schemes(&head.headers), &proxy.basic) {
            (Some(schemes), _) => ProxyFault::OtherLogin(schemes),
            (None, None) => ProxyFault::WantsLogin,
            (None, Some(_)) => ProxyFault::WrongLogin,
        };
    }
    let page = beginning(body).await;
    let said = head.extensions.get::<ReasonPhrase>();
    let phrase = match said {
        Some(phrase) => String::from_utf8_lossy(phrase.as_bytes()).into_owned(),
        None => head
            .status
            .canonical_reason()
            .unwrap_or_default()
            .to_owned(),
    };
    let squid = head.headers.get(SQUID_ERROR).and_then(|v| v.to_str().ok());
    let words = [
        Some(phrase),
        squid.map(str::to_owned),
        title(&head.headers, &page),
    ];
    let mut told: Vec<String> = Vec::new();
    for words in words.into_iter().flatten() {
        let words = String::from(Foreign::new(&words));
        if !words.is_empty() && !told.contains(&words) {
            told.push(words);
        }
    }
    ProxyFault::Refused {
        target: authority.to_owned(),
        status: head.status,
        words: told.join(", "),
    }
}

/// The first bytes of a refusal's body. A proxy that refuses and then sends nothing must not hold
/// us up.
async fn beginning(mut body: Incoming) -> Vec<u8> {
    let mut page = Vec::new();
    let read = async {
        while page.len() < WORDS_MAX {
            match body.frame().await {
                Some(Ok(frame)) => page.extend(frame.into_data().unwrap_or_default()),
                Some(Err(_)) | None => return,
            }
        }
    };
    drop(tokio::time::timeout(WORDS_PATIENCE, read).await);
    page
}

/// The schemes that the proxy offers (RFC 9110 section 11.7.1), unless Basic is one of them.
fn other_schemes(headers: &HeaderMap) -> Option<String> {
    let challenges = headers.get_all(PROXY_AUTHENTICATE).iter();
    let mut schemes: Vec<String> = Vec::new();
    for challenge in challenges.filter_map(|value| value.to_str().ok()) {
        // Unlike a parameter, a scheme has no `=`, which tells them apart if several are on one line.
        for part in challenge.split(',') {
            let word = part.split_whitespace().next().unwrap_or_default();
            if !word.is_empty() && !word.contains('=') {
                schemes.push(Foreign::new(word).into());
            }
        }
    }
    let knows_basic = schemes.iter().any(|s| s.eq_ignore_ascii_case("basic"));
    schemes.dedup();
    (!schemes.is_empty() && !knows_basic).then(|| schemes.join(" or "))
}

/// The title of the proxy's page, or the first line of a plain text.
fn title(headers: &HeaderMap, page: &[u8]) -> Option<String> {
    let kind = headers
        .get(CONTENT_TYPE)?
        .to_str()
        .ok()?
        .to_ascii_lowercase();
    let page = String::from_utf8_lossy(page);
    if kind.starts_with("text/plain") {
        return page
            .lines()
            .find(|line| !line.trim().is_empty())
            .map(str::to_owned);
    }
    if !kind.starts_with("text/html") {
        return None;
    }
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower.get(start..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find("</title")?;
    page.get(start..end).map(str::to_owned)
}

/// What Squid adds to each refusal: `ERR_DNS_FAIL 0`.
const SQUID_ERROR: HeaderName = HeaderName::from_static("x-squid-error");

/// The maximum length of an answer's head. Proxies send a handful of headers.
const HEAD_MAX: usize = 64 << 10;

/// How much of a refusal's body is read. Squid's pages are about 4 KiB.
const WORDS_MAX: usize = 16 << 10;

/// The page comes with the head, or right after it.
const WORDS_PATIENCE: Duration = Duration::from_secs(1);
