//! The browser of a person in a hurry: opens the page it is given, clicks, and follows redirects.
//!
//! `$BROWSER` of a [`Home`](crate::Home) is this program. `CONSENT_CA` names the CA to trust,
//! `CONSENT` is `allow` (the default) or `deny`. With `CONSENT_FORMS`, the pages are
//! oidc-provider's. `CONSENT_PAGES` is the number of pages after which the person gives up.
//! `CONSENT_AT` is the address at which Zendesk is found, whatever its name.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use http::Uri;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::oauth_server;
use crate::zendesk::{Caller, Decision};

/// Opens the page named by the last argument.
pub(crate) fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    match runtime.block_on(visit()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn visit() -> io::Result<()> {
    let page = std::env::args().next_back().unwrap_or_default();
    let ca = std::env::var_os("CONSENT_CA").map(PathBuf::from);
    let ca = ca.ok_or_else(|| io::Error::other("no CA to trust"))?;
    let decision = match std::env::var("CONSENT").as_deref() {
        Ok("deny") => Decision::Deny,
        _ => Decision::Allow,
    };
    let pages = std::env::var("CONSENT_PAGES").ok();
    let pages = pages.and_then(|n| n.parse().ok()).unwrap_or(u32::MAX);
    let at = std::env::var("CONSENT_AT").ok();
    let at = at.and_then(|address| address.parse().ok());
    let mut next = Some(entered(page).await?);
    for _ in 0..pages {
        let Some(page) = next else { break };
        let callback = match std::env::var_os("CONSENT_FORMS") {
            Some(_) => oauth_server::person::consent(&page, &ca).await?,
            None => {
                let caller = Caller::new(&page, &ca)?.connecting_to(at);
                caller.consent(&page, decision).await?
            }
        };
        next = led_on(&open(&callback).await?);
    }
    Ok(())
}

/// Where loopdesk's own address leads; any other address is the page itself.
async fn entered(page: String) -> io::Result<String> {
    if !page.starts_with("http://") {
        return Ok(page);
    }
    let answer = ask(&page).await?;
    let location = answer.headers().get(http::header::LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    location
        .map(str::to_owned)
        .ok_or_else(|| io::Error::other("it leads nowhere"))
}

/// Where a page leads without a click.
fn led_on(page: &str) -> Option<String> {
    let (_, refresh) = page.split_once("http-equiv=\"refresh\"")?;
    let (_, url) = refresh.split_once("url=")?;
    let (url, _) = url.split_once('"')?;
    Some(url.replace("&amp;", "&"))
}

/// Shows the last page, which this machine serves over plain HTTP.
async fn open(address: &str) -> io::Result<String> {
    let page = ask(address).await?.into_body().collect();
    let page = page.await.map_err(io::Error::other)?.to_bytes();
    Ok(String::from_utf8_lossy(&page).into_owned())
}

async fn ask(address: &str) -> io::Result<http::Response<hyper::body::Incoming>> {
    let uri: Uri = address.parse().map_err(io::Error::other)?;
    let authority = uri.authority().ok_or_else(|| io::Error::other("no host"))?;
    let stream = TcpStream::connect(authority.as_str()).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let request = http::Request::builder()
        .uri(uri.path_and_query().map_or("/", |p| p.as_str()))
        .header(http::header::HOST, authority.as_str())
        .body(Empty::<bytes::Bytes>::new())
        .map_err(io::Error::other)?;
    // The server may close the connection before its last bytes are read.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(io::Error::other)
}
