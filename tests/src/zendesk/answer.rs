//! Responses, as scripted in faults and as created by the simulation.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

/// A complete response: status, headers, body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, without those that every response of Zendesk's has.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// A response without headers or body. An invalid status becomes 500.
    pub fn new(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// A response in JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status)
            .header("content-type", "application/json; charset=utf-8")
            .body(body.to_string())
    }

    /// A response in plain text.
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

    /// The error page of the network in front of Zendesk, shown when Zendesk can't be reached.
    pub fn gateway_page(status: u16) -> Self {
        Self::html(
            status,
            format!(
                "<!DOCTYPE html>\n<html><head><title>zendesk.com | {status}</title></head>\
                 <body><h1>Error {status}</h1><p>Web server is down</p></body></html>\n"
            ),
        )
    }

    /// The page of a hotel's or airport's network that requires a click before it lets anyone out.
    pub fn captive_portal() -> Self {
        Self::html(
            200,
            "<!DOCTYPE html>\n<html><head><title>Free Wi-Fi</title></head><body>\
             <form method=\"post\" action=\"/accept\"><button>Accept the terms</button></form>\
             </body></html>\n",
        )
    }

    /// Zendesk's response to one request too many.
    pub fn too_many_requests(retry_after: u32) -> Self {
        Self::new(429)
            .header("content-type", "text/plain")
            .header("cache-control", "max-age=1,public")
            .header("retry-after", &retry_after.to_string())
            .header("x-rate-limit-remaining", "0")
            .body("Number of allowed API requests per minute exceeded")
    }

    /// Zendesk's response during maintenance.
    pub fn maintenance(retry_after: u32) -> Self {
        Self::gateway_page(503).header("retry-after", &retry_after.to_string())
    }

    /// The same response with one more header. A name or value that HTTP forbids is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            // These may occur only once; all others may be repeated, as Zendesk does.
            if [CONTENT_TYPE, LOCATION, CACHE_CONTROL, RETRY_AFTER].contains(&name) {
                self.headers.insert(name, value);
            } else {
                self.headers.append(name, value);
            }
        }
        self
    }

    /// The same response with another body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}
