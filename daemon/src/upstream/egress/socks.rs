//! SOCKS5 (RFC 1928) with user and password (RFC 1929). The proxy resolves the name.
//!
//! Each answer states its own length, so no byte beyond it is read.

use std::io;
use std::net::IpAddr;

use http::Uri;
use hyper_util::rt::TokioIo;
use loopdesk_protocol::proxy::ProxyLogin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::proxy_error::{ProxyError, ProxyFault};
use super::{HTTPS, Proxy, ToProxy};
use crate::telemetry::Foreign;

/// Asks for a connection to `target`.
pub(super) async fn open(
    proxy: &Proxy,
    stream: ToProxy,
    target: &Uri,
) -> Result<ToProxy, ProxyError> {
    let mut stream = TokioIo::new(stream);
    match negotiate(&mut stream, proxy.url.login(), target).await {
        Ok(()) => Ok(stream.into_inner()),
        Err(reason) => Err(ProxyError::new(proxy, reason)),
    }
}

async fn negotiate(
    stream: &mut TokioIo<ToProxy>,
    login: Option<&ProxyLogin>,
    target: &Uri,
) -> Result<(), ProxyFault> {
    let methods: &[u8] = match login {
        Some(_) => &[NO_LOGIN, PASSWORD],
        None => &[NO_LOGIN],
    };
    send(stream, &[&[VERSION, length(methods)?], methods].concat()).await?;
    let [version, method] = receive(stream).await?;
    if version != VERSION {
        return Err(ProxyFault::NoSocks);
    }
    match (method, login) {
        (NO_LOGIN, _) => {}
        (PASSWORD, Some(login)) => log_in(stream, login).await?,
        (NO_METHOD, None) => return Err(ProxyFault::WantsLogin),
        (NO_METHOD, Some(_)) => return Err(ProxyFault::WrongLogin),
        _ => return Err(ProxyFault::NoSocks),
    }
    let port = target.port_u16().unwrap_or(HTTPS).to_be_bytes();
    let address = address(target.host().unwrap_or_default())?;
    send(
        stream,
        &[&[VERSION, CONNECT, 0], &address[..], &port].concat(),
    )
    .await?;
    let [version, reply, _, kind] = receive(stream).await?;
    if version != VERSION {
        return Err(ProxyFault::NoSocks);
    }
    if reply != SUCCEEDED {
        return Err(ProxyFault::Socks {
            target: target
                .authority()
                .map(ToString::to_string)
                .unwrap_or_default(),
            words: words(reply),
        });
    }
    // The address that the proxy connects from, which isn't needed.
    match kind {
        V4 => receive::<6>(stream).await.map(drop),
        V6 => receive::<18>(stream).await.map(drop),
        NAME => {
            let [length] = receive(stream).await?;
            let mut rest = vec![0; usize::from(length) + 2];
            stream.read_exact(&mut rest).await.map_err(|e| broke(&e))?;
            Ok(())
        }
        _ => Err(ProxyFault::NoSocks),
    }
}

async fn log_in(stream: &mut TokioIo<ToProxy>, login: &ProxyLogin) -> Result<(), ProxyFault> {
    let mut request = zeroize::Zeroizing::new(vec![LOGIN_VERSION]);
    for part in [login.user(), login.password()] {
        request.push(length(part)?);
        request.extend_from_slice(part);
    }
    send(stream, &request).await?;
    match receive(stream).await? {
        [LOGIN_VERSION, SUCCEEDED] => Ok(()),
        [LOGIN_VERSION, _] => Err(ProxyFault::WrongLogin),
        _ => Err(ProxyFault::NoSocks),
    }
}

/// RFC 1928 section 5: the kind, then the address.
fn address(host: &str) -> Result<Vec<u8>, ProxyFault> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    Ok(match bare.parse() {
        Ok(IpAddr::V4(ip)) => [&[V4], &ip.octets()[..]].concat(),
        Ok(IpAddr::V6(ip)) => [&[V6], &ip.octets()[..]].concat(),
        Err(_) => [&[NAME, length(host.as_bytes())?], host.as_bytes()].concat(),
    })
}

fn length(bytes: &[u8]) -> Result<u8, ProxyFault> {
    u8::try_from(bytes.len())
        .map_err(|_| ProxyFault::Broke(Foreign::new("more than 255 bytes in a field")))
}

async fn send(stream: &mut TokioIo<ToProxy>, bytes: &[u8]) -> Result<(), ProxyFault> {
    let sent = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    sent.await.map_err(|e| broke(&e))
}

async fn receive<const N: usize>(stream: &mut TokioIo<ToProxy>) -> Result<[u8; N], ProxyFault> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.map_err(|e| broke(&e))?;
    Ok(bytes)
}

fn broke(error: &io::Error) -> ProxyFault {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        ProxyFault::HungUp
    } else {
        ProxyFault::Broke(Foreign::root(error))
    }
}

/// RFC 1928 section 6.
fn words(reply: u8) -> String {
    match reply {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "kind of address not supported",
        other => return format!("failure {other}"),
    }
    .to_owned()
}

const VERSION: u8 = 5;
const CONNECT: u8 = 1;
const SUCCEEDED: u8 = 0;
const LOGIN_VERSION: u8 = 1;

const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;

const V4: u8 = 1;
const NAME: u8 = 3;
const V6: u8 = 4;
