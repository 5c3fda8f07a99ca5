//! Stage 6: what the script sees of Zendesk's answer.
//!
//! ```text
//! head: strip → point `Location` and `Link` at the local base → make it true of the changed body
//! body: gunzip → scan JSON for URLs that scripts follow
//! both: guard against tokens that Zendesk repeats
//! ```
//!
//! The head alone decides what happens to a body, before its first byte is there: bodies stream,
//! and none of their content is kept.

mod address;
mod body;
mod coding;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gzip;
mod head;
pub mod leak_filter;
mod link;
mod origins;
mod prefix;
mod scanner;
#[cfg(test)]
mod tests;

use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, RANGE, TE};
use http::{Method, Response, StatusCode, Version, request, response};

use self::gzip::Decoder;
use self::scanner::Scanner;
use crate::body::{Body, filtered};
use crate::config::Account;
use crate::content::{Coding, MediaType, items};
use crate::route_table::CarriedFiles;

pub use self::head::{STRIPPED, STRIPPED_FAMILIES, STRIPPED_VERBATIM};
pub use self::origins::{Arrival, Origins, OriginsView, ScriptClient};

/// What a request determines about its answer.
#[derive(Clone, Debug)]
pub struct Context {
    /// The local addresses, from this client's point of view.
    view: OriginsView,
    rewrites: bool,
    is_file: bool,
    is_head: bool,
    has_range: bool,
    accepts_gzip: bool,
    accepts_trailers: bool,
    is_verbatim: bool,
}

impl Context {
    /// Notes what matters in a request's head, as the script sent it. An answer for one of `files`
    /// isn't changed.
    pub fn of(head: &request::Parts, view: OriginsView, files: CarriedFiles) -> Self {
        let headers = &head.headers;
        let is_file = files.answered;
        Self {
            rewrites: !is_file && is_wanted(headers, view.account()) && is_plain(view.base()),
            is_file,
            view,
            is_head: head.method == Method::HEAD,
            has_range: headers.contains_key(RANGE),
            accepts_gzip: coding::accepts_gzip(headers),
            accepts_trailers: items(headers, TE).any(|item| item.eq_ignore_ascii_case(b"trailers")),
            is_verbatim: false,
        }
    }

    /// The same for a program that takes itself to be talking to Zendesk.
    pub fn verbatim(self) -> Self {
        Self {
            rewrites: false,
            is_verbatim: true,
            ..self
        }
    }

    /// Replaces a script's `Accept-Encoding` by what Zendesk is asked for. Parts of an answer can
    /// be neither decoded nor rewritten, so a `Range` request asks for what the script reads, as
    /// does one whose answer isn't to be changed.
    pub fn ask_for_coding(&self, headers: &mut HeaderMap) {
        match coding::asked(headers, self.rewrites && !self.has_range) {
            Some(codings) => headers.insert(ACCEPT_ENCODING, codings),
            None => headers.remove(ACCEPT_ENCODING),
        };
    }

    fn scanner(&self) -> Scanner {
        Scanner::new(&self.view.account().rewrite, self.view.clone())
    }
}

/// Whether this account's URLs are rewritten for a request with these headers, in its answer and in
/// the request itself.
pub fn is_wanted(headers: &HeaderMap, account: &Account) -> bool {
    let mut items = items(headers, REWRITE_HEADER);
    !account.rewrite.is_empty() && !items.any(|item| item.eq_ignore_ascii_case(b"off"))
}

/// Turns Zendesk's answer into the one that the script sees.
pub fn response(response: Response<Body>, context: &Context) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    head.version = Version::HTTP_11;
    if context.is_verbatim {
        head::clean_verbatim(&mut head.headers, context.accepts_trailers);
        return Response::from_parts(head, body);
    }
    head::clean(&mut head.headers, context.accepts_trailers);
    head::localise(&mut head.headers, &context.view);
    let change = Change::of(&head, context);
    if change.rewrite || change.decode {
        head::describe_changed(&mut head.headers);
    }
    if change.decode && !context.accepts_gzip {
        head::vary_by_coding(&mut head.headers);
    }
    let has_body = !context.is_head && head.status != StatusCode::NOT_MODIFIED;
    let body = if has_body {
        change.apply(body, context)
    } else {
        body
    };
    Response::from_parts(head, body)
}

/// What is done to a body, or would be if the answer had one: the head of an answer to HEAD and of
/// a 304 describes the body that GET gets.
#[derive(Clone, Copy)]
struct Change {
    decode: bool,
    rewrite: bool,
}

impl Change {
    fn of(head: &response::Parts, context: &Context) -> Self {
        let coding = Coding::of(&head.headers);
        // A part of a body is useless to a parser or decoder, and a script that assembles parts
        // must get all of them unchanged, even when Zendesk answers with the whole body.
        let whole = !context.has_range
            && !context.is_file
            && head.status != StatusCode::PARTIAL_CONTENT
            && head.status != StatusCode::NO_CONTENT;
        if !whole || coding == Coding::Other {
            return Self {
                decode: false,
                rewrite: false,
            };
        }
        let rewrite = context.rewrites && is_json(head);
        Self {
            decode: coding == Coding::Gzip && (rewrite || !context.accepts_gzip),
            rewrite,
        }
    }

    fn apply(self, body: Body, context: &Context) -> Body {
        let body = match self.decode {
            true => filtered(body, Decoder::new),
            false => body,
        };
        match self.rewrite {
            true => filtered(body, || context.scanner()),
            false => body,
        }
    }
}

/// Whether an answer's body is JSON by its media type. A 304 that doesn't repeat the type is
/// assumed to be about JSON, like the API's other answers.
fn is_json(head: &response::Parts) -> bool {
    match MediaType::of(&head.headers) {
        Some(media_type) => media_type == MediaType::Json,
        None => head.status == StatusCode::NOT_MODIFIED,
    }
}

/// Whether a base can be put into a JSON string without escapes. It comes from the client's `Host`.
fn is_plain(base: &str) -> bool {
    base.bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
}

/// `off` in a request returns the body as Zendesk sent it.
const REWRITE_HEADER: HeaderName = HeaderName::from_static("x-loopdesk-rewrite");
