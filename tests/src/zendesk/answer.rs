//! Answers as a script of faults writes them, and as the simulation makes them.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

/// A whole answer: status, headers, body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, without those that every answer of Zendesk's carries.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// An answer without headers or body. A number that is no status becomes 500.
    pub fn new(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// An answer in JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status)
            .header("content-type", "application/json; charset=utf-8")
            .body(body.to_string())
    }

    /// An answer in plain text.
    pub fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status)
            .header("content-type", "text/plain; charset=utf-8")
            .body(body)
    }

    /// A web page.
    pub fn html(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status)
            .header("content-type", "text/html; charset=utf-8")
            .body(body)
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::html(
            status,
            "<html><body>You are being <a href=\"#\">redirected</a>.</body></html>",
        )
        .header("location", location)
    }

    /// The error page that the network before Zendesk shows when Zendesk can't be reached.
    pub fn gateway_page(status: u16) -> Self {
        Self::html(
            status,
            format!(
                "<!DOCTYPE html>\n<html><head><title>zendesk.com | {status}</title></head>\
                 <body><h1>Error {status}</h1><p>Web server is down</p></body></html>\n"
            ),
        )
    }

    /// The page of a hotel's or airport's network that wants a click before it lets anyone out.
    pub fn captive_portal() -> Self {
        Self::html(
            200,
            "<!DOCTYPE html>\n<html><head><title>Free Wi-Fi</title></head><body>\
             <form method=\"post\" action=\"/accept\"><button>Accept the terms</button></form>\
             </body></html>\n",
        )
    }

    /// Zendesk's answer to one request too many.
    pub fn too_many_requests(retry_after: u32) -> Self {
        Self::new(429)
            .header("content-type", "text/plain")
            .header("cache-control", "max-age=1,public")
            .header("retry-after", &retry_after.to_string())
            .header("x-rate-limit-remaining", "0")
            .body("Number of allowed API requests per minute exceeded")
    }

    /// Zendesk's answer while it is being repaired.
    pub fn maintenance(retry_after: u32) -> Self {
        Self::gateway_page(503).header("retry-after", &retry_after.to_string())
    }

    /// The same answer with one more header. A name or value that HTTP forbids is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            // These can stand only once; everything else may be repeated, as Zendesk does.
            if [CONTENT_TYPE, LOCATION, CACHE_CONTROL, RETRY_AFTER].contains(&name) {
                self.headers.insert(name, value);
            } else {
                self.headers.append(name, value);
            }
        }
        self
    }

    /// The same answer with another body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}
