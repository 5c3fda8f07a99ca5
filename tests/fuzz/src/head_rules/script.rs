//! A script's head on its way to Zendesk.

use http::header::HeaderMap;
use http::{Method, Request};
use loopdeskd::body::Body;
use loopdeskd::upstream::{Credential, Outgoing, fuzzing};

use super::{HOP_BY_HOP, assert_one_line, named_by_connection, values};
use crate::fuzz_config;
use crate::reading;

/// Checks what `given`, sent to `target`, becomes.
pub(super) fn check(choice: u8, first: u8, target: &[u8], given: &HeaderMap) {
    let credential = match choice & 3 {
        0 | 2 => Credential::Injected,
        1 => Credential::Own,
        _ => Credential::None,
    };
    let target = [b"/", target].concat();
    let Ok(uri) = http::Uri::try_from(target.as_slice()) else {
        return;
    };
    let Some(target) = uri.path_and_query().filter(|_| uri.authority().is_none()) else {
        return;
    };
    let mut request = Request::new(Body::full(vec![b'x'; usize::from(first)]));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    request.headers_mut().clone_from(given);
    let origin = fuzz_config::acme().api_origin.clone();
    let outgoing = Outgoing::new(request, origin, credential);
    let sent = fuzzing::attempt(&outgoing, &fuzz_config::TOKEN).expect("it can be sent");
    let found = sent.headers();

    assert_one_line(found);
    let named = named_by_connection(given);
    check_authorization(credential, given, found);
    for name in found.keys() {
        let name = name.as_str();
        let forbidden = reading::ends_here(name) && name != "te";
        assert!(!forbidden, "{name} has crossed");
        let is_ours = name == "te" || name == "authorization" && credential == Credential::Injected;
        assert!(!named.contains(name) || is_ours, "{name} is named");
        assert!(given.contains_key(name) || is_ours, "{name} is made up");
    }
    assert!(matches!(values(found, "te")[..], [] | [b"trailers"]));
    if given.contains_key("transfer-encoding") {
        assert!(!found.contains_key("content-length"), "two lengths");
    }
    for name in given.keys().map(http::HeaderName::as_str) {
        let ends = named.contains(name)
            || HOP_BY_HOP.contains(&name)
            || reading::ends_here(name)
            || ["authorization", "content-length"].contains(&name);
        if !ends {
            assert_eq!(values(found, name), values(given, name), "{name}");
        }
    }
    let uri = sent.uri();
    assert_eq!(uri.scheme_str(), Some("https"));
    assert_eq!(uri.authority().map(|a| a.as_str()), Some(fuzz_config::ACME));
    let sent = uri.path_and_query().map_or("", |target| target.as_str());
    let expected = match credential {
        Credential::Injected | Credential::None => reading::without_token(target.as_str()),
        Credential::Own => target.as_str().to_owned(),
    };
    assert_eq!(sent, expected);
}

fn check_authorization(credential: Credential, given: &HeaderMap, found: &HeaderMap) {
    match credential {
        Credential::Injected => {
            assert_eq!(
                values(found, "authorization"),
                [fuzz_config::TOKEN.as_bytes()]
            );
            let is_sensitive = found.get("authorization").is_some_and(|v| v.is_sensitive());
            assert!(is_sensitive, "`Debug` would show it");
        }
        Credential::None => assert!(!found.contains_key("authorization")),
        Credential::Own if named_by_connection(given).contains("authorization") => {
            assert!(!found.contains_key("authorization"));
        }
        Credential::Own => assert_eq!(
            values(found, "authorization"),
            values(given, "authorization")
        ),
    }
}
