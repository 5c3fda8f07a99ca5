//! The head of a request to Zendesk: pure functions over what a script sent.

use http::Method;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, TE, TRANSFER_ENCODING};
use http::uri::{PathAndQuery, Scheme, Uri};

use super::Credential;
use crate::config::Origin;
use crate::hop_by_hop;
use crate::percent;

/// Removes what ends at this daemon: hop-by-hop headers, the script's credentials, our own headers,
/// and everything by which a script could pose as a proxy.
pub(super) fn strip(headers: &mut HeaderMap, credential: Credential) {
    // RFC 9112 section 6.3: the transfer coding determines the length; a second opinion is request
    // smuggling.
    let has_coding = headers.contains_key(TRANSFER_ENCODING);
    let trailers = headers.get_all(TE).iter().any(accepts_trailers);
    hop_by_hop::strip_and(headers, |name| {
        !(ends_here(name.as_str(), credential) || (has_coding && name == CONTENT_LENGTH))
    });
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// States the length of the body if nothing else does: hyper's client assumes that a GET or HEAD of
/// unknown length has no body, and drops it. An HTTP/2 connection removes the header again.
pub(super) fn frame(headers: &mut HeaderMap, method: &Method) {
    if matches!(*method, Method::GET | Method::HEAD) && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Sets the only `Authorization`. Runs last, so that nothing can remove it again.
pub(super) fn inject(headers: &mut HeaderMap, authorization: &HeaderValue) {
    let mut value = authorization.clone();
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
}

/// The request's target: path and query byte for byte, without a token in the query.
pub(super) fn target(uri: &Uri, origin: &Origin, credential: Credential) -> Option<Uri> {
    let path_and_query = match uri.path_and_query() {
        Some(given) => match without_token(given, credential) {
            Some(stripped) => PathAndQuery::try_from(stripped).ok()?,
            None => given.clone(),
        },
        None => PathAndQuery::from_static("/"),
    };
    Uri::builder()
        .scheme(Scheme::HTTPS)
        .authority(origin.authority().clone())
        .path_and_query(path_and_query)
        .build()
        .ok()
}

/// The path and query without `access_token`, if it is there and has to go.
fn without_token(given: &PathAndQuery, credential: Credential) -> Option<String> {
    if credential == Credential::Own {
        return None;
    }
    let query = given.query()?;
    if !query.split('&').any(is_token) {
        return None;
    }
    let mut text = given.path().to_owned();
    let mut separator = '?';
    for pair in query.split('&').filter(|pair| !is_token(pair)) {
        text.push(separator);
        text.push_str(pair);
        separator = '&';
    }
    Some(text)
}

fn is_token(pair: &str) -> bool {
    let key = pair.split('=').next().unwrap_or_default();
    percent::decoded_once(key.as_bytes()).eq(b"access_token".iter().copied())
}

fn accepts_trailers(value: &HeaderValue) -> bool {
    let tokens = value.as_bytes().split(|b| *b == b',');
    tokens.map(<[u8]>::trim_ascii).any(|token| {
        let name = token.split(|b| *b == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"trailers")
    })
}

fn ends_here(name: &str, credential: Credential) -> bool {
    if name.contains('_') {
        // Rack and CGI treat `X_Forwarded_For` and `X-Forwarded-For` as one header.
        return ends_here(&name.replace('_', "-"), credential) || name == "access_token";
    }
    match name {
        "authorization" => credential != Credential::Own,
        // Hop-by-hop, listed again for their spellings with `_`.
        "connection"
        | "host"
        | "keep-alive"
        | "proxy-connection"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "transfer-encoding"
        | "upgrade" => true,
        // hyper answers `Expect` itself as soon as the body is read. Trailers are dropped, as RFC
        // 9110 section 6.5.1 allows, so none may be announced.
        "te" | "trailer" | "expect" | "http2-settings" => true,
        "cookie" | "cookie2" => true,
        // Admission lets these through only when they hold our own address.
        "origin" | "referer" => true,
        "forwarded" | "x-original-url" | "x-rewrite-url" => true,
        _ => name.starts_with("x-forwarded-") || name.starts_with("x-loopdesk-"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use proptest::prelude::*;

    use super::*;

    fn sent_to(path: &str) -> String {
        let origin: Origin = "https://acme.zendesk.com".parse().unwrap();
        target(&path.parse().unwrap(), &origin, Credential::Injected)
            .unwrap()
            .to_string()
    }

    #[test]
    fn s1_path_and_query_stay_byte_for_byte_but_for_the_token() {
        let table = [
            ("/api/v2/tickets.json", "/api/v2/tickets.json"),
            (
                "/a//b/../%2e;x?y=%20z&[a]=%5B",
                "/a//b/../%2e;x?y=%20z&[a]=%5B",
            ),
            ("/a?access_token=x", "/a"),
            ("/a?b=1&access_token=x&c=%5b", "/a?b=1&c=%5b"),
            ("/a?access%5Ftoken=x&b", "/a?b"),
            (
                "/a?b=access_token&my_access_token=1",
                "/a?b=access_token&my_access_token=1",
            ),
            ("/a?&&b=", "/a?&&b="),
            ("/a?access_token&access_token=2&&b", "/a?&b"),
            ("/a?", "/a?"),
        ];
        for (given, expected) in table {
            let expected = format!("https://acme.zendesk.com{expected}");
            assert_eq!(sent_to(given), expected, "{given}");
        }
    }

    #[test]
    fn s6_products_with_their_own_credentials_keep_them() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer own"));
        strip(&mut headers, Credential::Own);
        assert_eq!(headers[AUTHORIZATION], "Bearer own");
        let origin: Origin = "https://acme.zendesk.com".parse().unwrap();
        let uri = "/api/v2/chat/chats?access_token=own".parse().unwrap();
        let uri = target(&uri, &origin, Credential::Own).unwrap();
        assert_eq!(uri.query(), Some("access_token=own"));
    }

    #[test]
    fn d1_p11_nobody_plays_the_proxy() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-forwarded-for",
            "x_forwarded_host",
            "forwarded",
            "x-original-url",
            "x-rewrite-url",
            "x-loopdesk-key",
            "x_loopdesk-key",
            "proxy_authorization",
            "http2-settings",
            "origin",
            "referer",
            "cookie",
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        strip(&mut headers, Credential::Injected);
        assert!(headers.is_empty(), "{headers:?}");
    }

    #[test]
    fn only_trailers_is_left_of_te() {
        for (te, left) in [("gzip", None), ("gzip, Trailers", Some("trailers"))] {
            let mut headers = HeaderMap::new();
            headers.insert(TE, HeaderValue::from_static(te));
            strip(&mut headers, Credential::Injected);
            let found = headers.get(TE).map(|v| v.to_str().unwrap());
            assert_eq!(found, left);
        }
    }

    fn any_header() -> impl Strategy<Value = (String, String)> {
        let names = prop::sample::select(vec![
            "connection",
            "Connection",
            "authorization",
            "AUTHORIZATION",
            "proxy-authorization",
            "te",
            "trailer",
            "upgrade",
            "host",
            "expect",
            "cookie",
            "keep-alive",
            "transfer-encoding",
            "content-length",
            "x-any",
            "x_forwarded_for",
        ]);
        let values = prop::sample::select(vec![
            "authorization",
            "close, Authorization",
            "x-any,AUTHORIZATION , te",
            "Bearer theirs",
            "trailers",
            "chunked",
            "0",
            "",
            "Basic YTpi",
            "\u{fc}, authorization",
        ]);
        (
            names.prop_map(str::to_owned),
            values.prop_map(str::to_owned),
        )
    }

    proptest! {
        #[test]
        fn p1_whatever_goes_in_exactly_our_authorization_comes_out(
            given in prop::collection::vec(any_header(), 0..20)
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.append(
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_bytes(value.as_bytes()).unwrap(),
                );
            }
            strip(&mut headers, Credential::Injected);
            inject(&mut headers, &HeaderValue::from_static("Bearer ours"));
            let values: Vec<_> = headers.get_all(AUTHORIZATION).iter().collect();
            prop_assert_eq!(values, ["Bearer ours"]);
            prop_assert!(headers[AUTHORIZATION].is_sensitive());
            for gone in [
                "connection", "host", "upgrade", "keep-alive", "expect", "trailer", "cookie",
                "transfer-encoding", "proxy-authorization", "x_forwarded_for",
            ] {
                prop_assert!(!headers.contains_key(gone), "{}", gone);
            }
            prop_assert!(headers.get(TE).is_none_or(|te| te == "trailers"));
        }

        #[test]
        fn any_path_and_query_arrives_unchanged(text in "/[!-\"$-~]{0,40}") {
            prop_assume!(!text.contains("token") && !text.contains('%'));
            if let Ok(path) = text.parse::<PathAndQuery>() {
                prop_assert_eq!(sent_to(path.as_str()), format!("https://acme.zendesk.com{path}"));
            }
        }
    }
}
