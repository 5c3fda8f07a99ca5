//! An independent reader of HTTP/1.1 requests, headers and paths: written by the letter of RFC
//! 9112, separately from the daemon's own, with which it is compared.

mod paths;
mod request;

pub(crate) use paths::{decoded, mints_credentials, readings};
pub(crate) use request::{Read, Request, has_two_lengths, request};

/// Whether a script's header ends at the daemon, whatever its spelling.
pub(crate) fn ends_here(name: &str) -> bool {
    if name == "access_token" {
        return true;
    }
    let name = name.to_ascii_lowercase().replace('_', "-");
    ENDS_HERE.contains(&name.as_str())
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-loopdesk-")
}

/// A target without the query parameters that are an access token.
pub(crate) fn without_token(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else {
        return target.to_owned();
    };
    let pairs: Vec<&str> = query.split('&').collect();
    let is_token = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        decoded(name.as_bytes()) == b"access_token"
    };
    let left: Vec<&str> = pairs.iter().filter(|p| !is_token(p)).copied().collect();
    if left.len() == pairs.len() {
        target.to_owned()
    } else if left.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", left.join("&"))
    }
}

/// Hop-by-hop headers, those that hyper has handled, browsers' headers, and proxies' claims.
const ENDS_HERE: [&str; 19] = [
    "connection",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "http2-settings",
    "cookie",
    "cookie2",
    "origin",
    "referer",
    "forwarded",
    "x-original-url",
    "x-rewrite-url",
];
