//! Requests that could be read in two ways, or that ask for something other than HTTP/1.1.

use http::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::error_response::{ErrorResponse, HeadError};
use crate::facts::LengthBesideCoding;
use crate::telemetry::Sent;

/// Refuses requests that RFC 9112 doesn't allow to an origin server, and those that can't be API
/// calls.
pub(super) fn check(head: &Parts) -> Result<(), ErrorResponse> {
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    if head.headers.iter().map(size).sum::<usize>() > HEAD_MAX {
        return Err(HeadError::TooLarge(HEAD_MAX).into());
    }
    let is_method = |name: &&str| head.method.as_str().eq_ignore_ascii_case(name);
    if NOT_PASSED_ON.iter().any(is_method) {
        return Err(ErrorResponse::Method(Sent::escaped(head.method.as_str())));
    }
    if head.uri.scheme().is_some() || head.uri.authority().is_some() {
        return Err(ErrorResponse::AbsoluteForm);
    }
    if !head.uri.path().starts_with('/') {
        let form = match head.method {
            Method::OPTIONS => "OPTIONS needs a path here, not `*`",
            _ => "the request's target isn't a path",
        };
        return Err(ErrorResponse::BadRequest(form.to_owned()));
    }
    at_most_one(&head.headers, &AUTHORIZATION)?;
    // hyper accepts any list that ends in `chunked`. Another coding beneath it would reach Zendesk
    // without its name, and chunks within chunks can be read in two ways (RFC 9112 section 6.1).
    at_most_one(&head.headers, &TRANSFER_ENCODING)?;
    let coding = head.headers.get(TRANSFER_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        let why = "the request's body has a transfer coding other than `chunked`";
        return Err(ErrorResponse::BadRequest(why.to_owned()));
    }
    // Such a request is either an attempt at smuggling or a mistake (RFC 9112 section 6.1).
    let had_length = || head.extensions.get::<LengthBesideCoding>().is_some();
    if coding.is_some() && (had_length() || head.headers.contains_key(CONTENT_LENGTH)) {
        let why = "the request has both a `Content-Length` and a `Transfer-Encoding`";
        return Err(ErrorResponse::BadRequest(why.to_owned()));
    }
    // Java's HttpClient offers h2c with its first request. A server may ignore an offer, and a
    // proxy that passes it on can no longer see the requests that follow (RFC 9113 section 3.1
    // retired it).
    if asks_for_websocket(&head.headers) {
        return Err(ErrorResponse::Upgrade);
    }
    Ok(())
}

/// Refuses a header that occurs twice: another reader could use the other value.
pub(super) fn at_most_one(headers: &HeaderMap, name: &HeaderName) -> Result<(), ErrorResponse> {
    match headers.get_all(name).iter().nth(1) {
        None => Ok(()),
        Some(_) => Err(ErrorResponse::BadRequest(format!(
            "the request has more than one `{name}` header"
        ))),
    }
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    headers.get_all(UPGRADE).iter().any(|line| {
        line.as_bytes().split(|b| *b == b',').any(|protocol| {
            let name = protocol.split(|b| *b == b'/').next().unwrap_or_default();
            name.trim_ascii().eq_ignore_ascii_case(b"websocket")
        })
    })
}

/// CONNECT opens a tunnel; TRACE and its kin echo the request's head, including our token.
const NOT_PASSED_ON: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];

/// Servers usually accept 8 to 32 KiB. hyper's own limit only covers what it reads in one piece.
const HEAD_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn verdict(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<(), &'static str> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        check(&head).map_err(|refusal| refusal.code())
    }

    #[test]
    fn d1_p7_only_origin_form_is_served() {
        assert_eq!(verdict("GET", "/api/v2/tickets", &[]), Ok(()));
        assert_eq!(verdict("OPTIONS", "/api/v2/tickets", &[]), Ok(()));
        let table = [
            ("GET", "http://evil/api/v2/users/me", "absolute-form"),
            ("GET", "https://acme.zendesk.com@evil/", "absolute-form"),
            (
                "GET",
                "http://localhost:8484/api/v2/users/me",
                "absolute-form",
            ),
            ("CONNECT", "evil:443", "method-refused"),
            ("OPTIONS", "*", "bad-request"),
        ];
        for (method, target, code) in table {
            assert_eq!(verdict(method, target, &[]), Err(code), "{target}");
        }
    }

    #[test]
    fn d1_p13_nothing_that_echoes_a_head_is_passed_on() {
        for method in ["TRACE", "TRACK", "trace", "Track"] {
            assert_eq!(verdict(method, "/", &[]), Err("method-refused"), "{method}");
        }
    }

    #[test]
    fn d1_p3_two_credentials_are_one_too_many() {
        let two = [("authorization", "Basic a"), ("Authorization", "Basic a")];
        assert_eq!(verdict("GET", "/", &two), Err("bad-request"));
    }

    #[test]
    fn d1_p4_chunked_is_the_only_coding_and_is_there_once() {
        let once = [("transfer-encoding", "Chunked")];
        assert_eq!(verdict("POST", "/", &once), Ok(()));
        for codings in [
            &["chunked", "chunked"][..],
            &["chunked, chunked"],
            &["gzip, chunked"],
            &["gzip", "chunked"],
            &[""],
        ] {
            let headers: Vec<_> = codings
                .iter()
                .map(|coding| ("transfer-encoding", *coding))
                .collect();
            assert_eq!(
                verdict("POST", "/", &headers),
                Err("bad-request"),
                "{codings:?}"
            );
        }
    }

    #[test]
    fn d1_p4_a_length_beside_a_coding_is_refused_whether_it_was_left_or_taken_away() {
        let both = [("transfer-encoding", "chunked"), ("content-length", "4")];
        assert_eq!(verdict("POST", "/", &both), Err("bad-request"));
        let request = Request::post("/").header(TRANSFER_ENCODING, "chunked");
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert!(check(&head).is_ok());
        let request = Request::post("/").header(TRANSFER_ENCODING, "chunked");
        let request = request.extension(LengthBesideCoding).body(()).unwrap();
        let refused = check(&request.into_parts().0).unwrap_err();
        assert_eq!(refused.code(), "bad-request");
    }

    #[test]
    fn d1_w6_p6_websockets_are_refused_and_javas_h2c_offer_is_ignored() {
        let java = [
            ("connection", "Upgrade, HTTP2-Settings"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"),
        ];
        assert_eq!(verdict("GET", "/", &java), Ok(()));
        for upgrade in ["websocket", "WebSocket/13", "h2c, websocket"] {
            let headers = [("upgrade", upgrade)];
            assert_eq!(verdict("GET", "/", &headers), Err("upgrade-refused"));
        }
    }
}
