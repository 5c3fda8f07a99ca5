//! The page for a user who opened the address of a Zendesk page at our port: it links to the same
//! address at Zendesk, and does nothing else.

use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Response};

use crate::body::Body;
use crate::error_response::ErrorResponse;
use crate::html::escape;

/// The refusal's answer with a page in place of its JSON. It never redirects; the user has to
/// click.
pub(crate) fn page(refusal: &ErrorResponse, address: &str) -> Response<Body> {
    let address = escape(address);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>This page is at Zendesk \u{b7} loopdesk</title>\n</head>\n<body>\n\
         <h1>This page is at Zendesk</h1>\n\
         <p><a href=\"{address}\" rel=\"noreferrer\">{address}</a></p>\n\
         <p>loopdesk serves programs on this computer, and no pages.</p>\n</body>\n</html>\n"
    );
    let (mut head, _) = refusal.clone().into_response().into_parts();
    let fixed = HeaderValue::from_static;
    head.headers
        .insert(CONTENT_TYPE, fixed("text/html; charset=utf-8"));
    head.headers.insert(CONTENT_SECURITY_POLICY, fixed(POLICY));
    head.headers.insert(REFERRER_POLICY, fixed("no-referrer"));
    head.headers
        .insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    head.headers.insert(X_FRAME_OPTIONS, fixed("DENY"));
    Response::from_parts(head, Body::full(html))
}

/// Nothing can be loaded, run, sent or framed.
const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
