//! Maps what a script writes back: local URLs in a request's body lead to Zendesk again.
//!
//! Otherwise a script that uploads an image and puts its `content_url` into a comment would send a
//! link to this machine to a customer.
//!
//! A body of known length is read completely, because its length may change and has to be declared
//! first; the replay cap bounds the memory for it. One of unknown length is mapped as it streams.
//! Longer ones pass unchanged, and so does anything that is sent to a route for files, whatever its
//! type says: node-zendesk labels every upload as JSON.

mod bases;
mod mapping;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, HeaderMap};
use http::request::Parts;
use http_body::Body as _;

use self::bases::{Bases, KnownBases};
use self::mapping::Mapping;
use crate::body::{self, Body, BudgetShare, FilteredBody, REQUEST_MAX};
use crate::config::{Account, Config};
use crate::content::{Coding, DIGESTS, MediaType};
use crate::error_response::ErrorResponse;
use crate::rewrite;
use crate::route_table::CarriedFiles;

/// Where local URLs lead under one configuration.
#[derive(Debug)]
pub struct WriteBack {
    known: Arc<KnownBases>,
}

impl WriteBack {
    /// The local bases under `config`.
    pub fn new(config: &Config) -> Self {
        Self {
            known: Arc::new(KnownBases::of(config)),
        }
    }

    /// Maps a request's body back if it is text that may contain local URLs and none of `files`,
    /// and adapts its head. `base` is the local base that this request used; `memory` may or may
    /// not have room for the body.
    ///
    /// # Errors
    /// If the script doesn't send what it has announced.
    pub async fn request(
        &self,
        head: &mut Parts,
        body: Body,
        base: &str,
        account: &Account,
        files: CarriedFiles,
        memory: &mut BudgetShare,
    ) -> Result<Body, ErrorResponse> {
        let wanted = !files.sent && rewrite::is_wanted(&head.headers, account);
        let Some(percent) = may_be_encoded(&head.headers).filter(|_| wanted) else {
            return Ok(body);
        };
        let length = body.size_hint().exact();
        if length.is_some_and(|length| length == 0 || length > REQUEST_MAX as u64) {
            return Ok(body);
        }
        let bases = Bases::new(Arc::clone(&self.known), base, &account.api_origin);
        let mapping = Mapping::new(bases, percent);
        let Some(length) = memory.room_for(&body) else {
            describe_streamed(&mut head.headers);
            return Ok(Body::adapted(FilteredBody::new(body, mapping)));
        };
        let text = body::whole(body, length).await;
        let text = text.map_err(|broken| ErrorResponse::of_body(&broken.error))?;
        let (mapped, changed) = mapped(mapping, text);
        if changed {
            describe_changed(&mut head.headers, mapped.len());
        }
        Ok(Body::full(mapped))
    }
}

/// Whether a body is of a kind that is mapped, and if so whether URLs in it may be percent-encoded.
fn may_be_encoded(headers: &HeaderMap) -> Option<bool> {
    if Coding::of(headers) != Coding::Identity {
        return None;
    }
    match MediaType::of(headers)? {
        MediaType::Json => Some(false),
        MediaType::Form => Some(true),
        MediaType::Other => None,
    }
}

/// The mapped text, and whether it differs.
fn mapped(mut mapping: Mapping, text: Bytes) -> (Bytes, bool) {
    let start = mapping.push(&text);
    let end = mapping.finish();
    if !mapping.has_changed() {
        return (text, false);
    }
    (Bytes::from([start, end].concat()), true)
}

fn describe_changed(headers: &mut HeaderMap, length: usize) {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    for name in &DIGESTS {
        headers.remove(name);
    }
}

/// Removes what might turn out to be wrong.
fn describe_streamed(headers: &mut HeaderMap) {
    for name in DIGESTS.iter().chain([&CONTENT_LENGTH]) {
        headers.remove(name);
    }
}
