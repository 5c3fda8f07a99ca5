//! Names of another method, or of another person, in the head of a request.
//!
//! Rails and other frameworks act on the method that a header or a parameter names. A limited key
//! must be judged by the method that takes effect, so a request that names two is refused.

use http::HeaderMap;
use http::header::HeaderName;
use http::request::Parts;

/// Whether a server may act on another method than the request's own.
pub(crate) fn names_another_method(head: &Parts) -> bool {
    method_header(&head.headers).is_some() || head.uri.query().is_some_and(query_names_method)
}

/// The header that names another method, if there is one.
pub(super) fn method_header(headers: &HeaderMap) -> Option<&HeaderName> {
    headers
        .keys()
        .find(|name| is_one_of(name.as_str(), &METHOD))
}

/// Whether a query names another method, however it is encoded.
pub(super) fn query_names_method(query: &str) -> bool {
    // Nearly every query has no underscore, encoded or not, and needs no further check.
    let bytes = query.as_bytes();
    let underscore = |triple: &[u8]| matches!(triple, [b'%', b'5', b'f' | b'F'] | b"%25");
    if !bytes.contains(&b'_') && !bytes.windows(3).any(underscore) {
        return false;
    }
    // Decoded before it is split: an encoded separator also hides what follows it.
    let decoded = super::param_names::decoded(bytes);
    let pairs = decoded.split(|b| matches!(b, b'&' | b';' | b'?'));
    let mut names = pairs.map(|pair| pair.split(|b| *b == b'=').next().unwrap_or(pair));
    names.any(super::param_names::is_method)
}

/// Whether a request asks to be served as another person.
pub(super) fn acts_for_another(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| is_one_of(name.as_str(), &PERSON))
}

/// Rack reads `_` in a header's name as `-`.
fn is_one_of(name: &str, known: &[&str]) -> bool {
    name.starts_with('x')
        && known.iter().any(|known| {
            let same = |(a, b): (u8, u8)| a == b || a == b'_' && b == b'-';
            name.len() == known.len() && name.bytes().zip(known.bytes()).all(same)
        })
}

/// The headers of Rack::MethodOverride and other frameworks.
const METHOD: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// Zendesk's impersonation of end users.
const PERSON: [&str; 1] = ["x-on-behalf-of"];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: &str) -> HeaderMap {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        [(name, HeaderValue::from_static("DELETE"))]
            .into_iter()
            .collect()
    }

    #[test]
    fn d3_p9_headers_that_name_another_method_are_seen() {
        for name in [
            "X-HTTP-Method-Override",
            "x-http-method",
            "X-Method-Override",
            "X_HTTP_Method_Override",
            "x-http_method-OVERRIDE",
        ] {
            assert!(method_header(&headers(name)).is_some(), "{name}");
        }
        for name in [
            "x-http-methods",
            "method",
            "x-method",
            "access-control-request-method",
        ] {
            assert!(method_header(&headers(name)).is_none(), "{name}");
        }
        assert!(acts_for_another(&headers("X-On-Behalf-Of")));
        assert!(acts_for_another(&headers("x_on-behalf_of")));
        assert!(!acts_for_another(&headers("x-on-behalf")));
    }

    #[test]
    fn d3_p9_a_query_that_names_another_method_is_seen_however_encoded() {
        for query in [
            "_method=DELETE",
            "_method=",
            "_method",
            "page=1&_method=put",
            "page=1;_method=put",
            "&&_method=x",
            "_Method=x",
            "_METHOD=x",
            "%5Fmethod=x",
            "%5fmethod=x",
            "_meth%6fd=x",
            "%5F%6D%65%74%68%6F%64=x",
            "_method%3Dx",
            "%255Fmethod=x",
            "_meth%25256fd=x",
            "a=1%26_method=x",
            "a=1%2526_method%253Dx",
            "a=1%3B_method=x",
            "+_method=x",
            "%20_method=x",
            "[_method]=x",
            "%5B_method%5D=x",
            "_method[]=x",
            "_method[x]=y",
            "_method%00=x",
            "a?_method=x",
        ] {
            assert!(query_names_method(query), "{query}");
        }
        for query in [
            "",
            "page=1",
            "page[size]=100&page%5Bafter%5D=x",
            "payment_method=x",
            "my_method=x&http_methods=y",
            "_methods=x",
            "query=_method",
            "query=_method:x",
            "query=type%3Aticket%20_method",
            "sort_by=created_at&a=%25",
            "ticket[_method]=x",
            "x_method=y",
        ] {
            assert!(!query_names_method(query), "{query}");
        }
    }
}
