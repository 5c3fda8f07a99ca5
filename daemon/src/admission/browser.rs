//! Signs of a web page. Programs don't send these headers; a page can't avoid sending them.

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, ORIGIN, REFERER};
use http::request::Parts;
use http::{HeaderValue, Method};

use crate::config::Origin;
use crate::error_response::ErrorResponse;

/// Refuses requests from web pages. `is_ours` tells whether an authority is one of our own. A program
/// under `loopdesk exec` may name the origin that it means to talk to, `meant`; no page can get there.
pub(super) fn check(
    head: &Parts,
    meant: Option<&Origin>,
    is_ours: impl Fn(&[u8]) -> bool,
) -> Result<(), ErrorResponse> {
    let headers = &head.headers;
    let meant = meant.map(ToString::to_string);
    let is_meant = |value: &HeaderValue| {
        let rest = meant
            .as_ref()
            .and_then(|meant| value.as_bytes().strip_prefix(meant.as_bytes()));
        rest.is_some_and(|rest| rest.first().is_none_or(|next| *next == b'/'))
    };
    if headers.get_all(ORIGIN).iter().any(|value| !is_meant(value)) {
        return Err(ErrorResponse::WebPage("Origin"));
    }
    // Only this one of the `Sec-Fetch` family: Node's `fetch` sends `Sec-Fetch-Mode`.
    if headers.contains_key(SEC_FETCH_SITE) {
        return Err(ErrorResponse::WebPage("Sec-Fetch-Site"));
    }
    if head.method == Method::OPTIONS && is_preflight(headers) {
        return Err(ErrorResponse::WebPage("Access-Control-Request-Method"));
    }
    // Go's client names us as the referrer when it follows one of our redirects.
    let foreign = |value: &HeaderValue| !authority(value).is_some_and(&is_ours) && !is_meant(value);
    if headers.get_all(REFERER).iter().any(foreign) {
        return Err(ErrorResponse::WebPage("Referer"));
    }
    Ok(())
}

/// Whether somebody opened this address in a browser, and it is one of Zendesk's pages: the agent
/// workspace or a help centre (Fetch Metadata, `Sec-Fetch-Dest`).
pub(super) fn is_opened(head: &Parts) -> bool {
    let is = |name, value: &str| {
        let values = head.headers.get(name);
        values.is_some_and(|given: &HeaderValue| given == value)
    };
    let path = head.uri.path();
    let is_page = ["/agent", "/hc"].iter().any(|page| {
        let rest = path.strip_prefix(page);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    head.method == Method::GET
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
        && is_page
}

fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        || headers
            .keys()
            .any(|name| name.as_str().starts_with("access-control-request-"))
}

/// The authority of a `Referer`, if it could be one of ours.
fn authority(referer: &HeaderValue) -> Option<&[u8]> {
    let rest = referer.as_bytes().strip_prefix(b"http://")?;
    rest.split(|b| b"/?#".contains(b)).next()
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::admission::host::HostHeader;

    fn verdict(method: &str, header: (&str, &str)) -> Result<(), ErrorResponse> {
        let request = Request::builder()
            .method(method)
            .uri("/api/v2/tickets")
            .header(header.0, header.1);
        let (head, ()) = request.body(()).unwrap().into_parts();
        check(&head, None, |authority| {
            HostHeader::parse(authority).is_some_and(|host| host.port == 8484)
        })
    }

    #[test]
    fn d1_w3_w4_web_pages_are_refused() {
        for (method, name, value) in [
            ("GET", "origin", "https://evil.com"),
            ("POST", "origin", "null"),
            ("GET", "origin", "http://localhost:8484"),
            ("GET", "sec-fetch-site", "cross-site"),
            ("GET", "sec-fetch-site", "same-origin"),
            ("GET", "sec-fetch-site", "none"),
            ("GET", "referer", "https://evil.com/"),
            ("GET", "referer", "http://localhost:3000/"),
            ("GET", "referer", "http://localhost:8484.evil.com/"),
            ("GET", "referer", "http://evil.com/http://localhost:8484/"),
            ("GET", "referer", "http://localhost:8484@evil.com/"),
            ("GET", "referer", "https://localhost:8484/"),
            ("GET", "referer", ""),
            ("OPTIONS", "access-control-request-method", "PUT"),
            ("OPTIONS", "access-control-request-headers", "authorization"),
            ("OPTIONS", "access-control-request-private-network", "true"),
        ] {
            let refusal = verdict(method, (name, value)).unwrap_err();
            assert_eq!(refusal.code(), "web-page-refused", "{name}: {value}");
            assert_eq!(refusal.status(), 403);
        }
    }

    #[test]
    fn s9_a_program_under_exec_may_name_the_origin_that_it_means() {
        let meant: Origin = "https://acme.zendesk.com".parse().unwrap();
        let is_let_in = |name: &str, value: &str| {
            let request = Request::builder().header(name, value);
            let (head, ()) = request.body(()).unwrap().into_parts();
            check(&head, Some(&meant), |_| false).is_ok()
        };
        for (name, value) in [
            ("origin", "https://acme.zendesk.com"),
            ("referer", "https://acme.zendesk.com"),
            ("referer", "https://acme.zendesk.com/agent/tickets/1"),
        ] {
            assert!(is_let_in(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("origin", "https://acme.zendesk.com.evil.example"),
            ("origin", "http://acme.zendesk.com"),
            ("origin", "null"),
            ("referer", "https://acme.zendesk.com:444/"),
            ("referer", "https://acme.zendesk.com@evil.example/"),
            ("sec-fetch-site", "same-origin"),
        ] {
            assert!(!is_let_in(name, value), "{name}: {value}");
        }
    }

    #[test]
    fn d1_only_pages_that_a_person_opens_are_shown_the_way_to_zendesk() {
        let opened = |method: &str, target: &str, dest: &str| {
            let request = Request::builder().method(method).uri(target);
            let request = request
                .header("sec-fetch-site", "none")
                .header("sec-fetch-mode", "navigate")
                .header("sec-fetch-dest", dest);
            is_opened(&request.body(()).unwrap().into_parts().0)
        };
        for target in ["/agent", "/agent/tickets/1", "/hc/en-us/articles/1?a=b"] {
            assert!(opened("GET", target, "document"), "{target}");
            assert!(!opened("GET", target, "iframe"), "{target}");
            assert!(!opened("POST", target, "document"), "{target}");
        }
        for target in ["/", "/api/v2/tickets", "/agents", "/hcx", "/x/hc"] {
            assert!(!opened("GET", target, "document"), "{target}");
        }
    }

    #[test]
    fn s1_programs_are_not_taken_for_web_pages() {
        for (method, name, value) in [
            ("GET", "sec-fetch-mode", "cors"),
            ("GET", "referer", "http://localhost:8484/api/v2/x"),
            ("GET", "referer", "http://127.0.0.1:8484"),
            ("OPTIONS", "accept", "*/*"),
            ("GET", "user-agent", "Mozilla/5.0"),
        ] {
            assert_eq!(verdict(method, (name, value)), Ok(()), "{name}: {value}");
        }
    }
}
