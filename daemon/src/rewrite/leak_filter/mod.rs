//! Keeps live tokens out of what a script receives, whichever Zendesk endpoint echoes them.
//!
//! ```text
//! header values, trailers: masked at once
//! body as it is:           mask     masks, holds back only what a token has begun with
//! body in gzip:            abort    decodes a copy beside the stream, cuts the connection
//! ```
//!
//! A mask has the token's length, so `Content-Length` stays correct. Parts of a compressed body,
//! and codings that are never requested from Zendesk, can't be inspected and pass.

mod abort;
mod mask;
mod secrets;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HeaderMap};
use http::{HeaderValue, Response, StatusCode};
use hyper::ext::ReasonPhrase;

pub use self::secrets::TokenPatterns;

use self::abort::AbortFilter;
use self::mask::MaskFilter;
use crate::body::{Body, FilteredBody, filtered};
use crate::content::Coding;

/// Removes the session's secrets from an answer; they travel in its extensions.
pub fn response(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let Some(secrets) = head.extensions.remove::<TokenPatterns>() else {
        return Response::from_parts(head, body);
    };
    if secrets.is_empty() {
        return Response::from_parts(head, body);
    }
    let spoken = head.extensions.get::<ReasonPhrase>();
    if spoken.is_some_and(|phrase| secrets.are_in(phrase.as_bytes())) {
        head.extensions.remove::<ReasonPhrase>();
    }
    mask(&mut head.headers, &secrets);
    let coding = Coding::of(&head.headers);
    // The middle of a compressed body can't be decoded.
    let is_part = head.status == StatusCode::PARTIAL_CONTENT;
    let body = match coding {
        _ if http_body::Body::is_end_stream(&body) => body,
        Coding::Identity => match body.into_full() {
            Ok(bytes) => Body::full(masked_body(bytes, &secrets)),
            Err(body) => Body::adapted(FilteredBody::new(body, MaskFilter::new(secrets))),
        },
        Coding::Gzip if !is_part => filtered(body, || AbortFilter::new(secrets.clone())),
        Coding::Gzip | Coding::Other => {
            tracing::debug!(coding = ?head.headers.get(CONTENT_ENCODING), "not scanned for tokens");
            body
        }
    };
    Response::from_parts(head, body)
}

/// A body that has arrived, with its secrets masked.
fn masked_body(bytes: Bytes, secrets: &TokenPatterns) -> Bytes {
    match secrets.masked(&bytes) {
        Some(masked) => {
            tracing::warn!("{MASKED_BODY}");
            masked.into()
        }
        None => bytes,
    }
}

/// Masks the secrets in the values of a head or trailer section.
fn mask(headers: &mut HeaderMap, secrets: &TokenPatterns) {
    for value in headers.values_mut() {
        let Some(masked) = secrets.masked(value.as_bytes()) else {
            continue;
        };
        tracing::warn!("a header of Zendesk's answer repeats a token; it is masked");
        // A mask is as valid as the text it replaces.
        *value = HeaderValue::from_bytes(&masked).unwrap_or(HeaderValue::from_static(""));
    }
}

const MASKED_BODY: &str = "the body of Zendesk's answer repeats a token; it is masked";

#[cfg(test)]
mod tests;
