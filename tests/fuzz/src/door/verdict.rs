//! What must hold between the bytes received, the request judged and the bytes sent.

use loopdeskd::facts::{ConnFacts, Local};
use loopdeskd::peer::Peer;
use loopdeskd::upstream::Credential;

use super::run::{Exchange, Forwarded};
use crate::fuzz_config;
use crate::reading::{self, Read, Request};

/// Checks one request. `given` is a strict reader's reading, if it has one.
pub(super) fn check(facts: &ConnFacts, exchange: &Exchange, given: Option<&Request>) {
    let judged = &exchange.head;
    if let Some(given) = given {
        assert_eq!(judged.method.as_str(), given.method, "judged another");
        // Other forms are refused, whatever they mean.
        if given.target.starts_with('/') {
            assert_eq!(judged.uri.to_string(), given.target, "judged another");
        }
    }
    let Some(forwarded) = &exchange.forwarded else {
        return;
    };
    let has_key = has_key(judged);
    assert!(has_key || facts.peer == Peer::Own, "of nobody known");
    if has_key {
        check_reader(judged, &forwarded.bytes);
    }
    let target = judged.uri.to_string();
    assert!(target.starts_with('/'), "not origin-form: {target}");
    let method = judged.method.as_str();
    let echoes = ["CONNECT", "TRACE", "TRACK"];
    assert!(!echoes.iter().any(|echo| method.eq_ignore_ascii_case(echo)));
    if let Some(route) = reading::mints_credentials(method, &target) {
        panic!("{target} was let through: it may be read as {route}");
    }
    assert_no_page(judged);
    let account = account(facts, judged);
    assert_eq!(forwarded.account, account, "another account");

    let sent = match reading::request(&forwarded.bytes) {
        Read::Whole(request, length) => {
            assert!(forwarded.answered, "sent as a whole, and reported lost");
            assert_eq!(length, forwarded.bytes.len(), "more than one request");
            request
        }
        Read::Part => {
            assert!(!forwarded.answered, "answered before it was sent");
            return;
        }
        Read::KeyError(why) => panic!("{why}: {}", forwarded.bytes.escape_ascii()),
    };
    assert_eq!(sent.method, method, "another method");
    assert!(sent.is_encoded, "sent as RFC 3986 doesn't allow it");
    let expected = match forwarded.credential {
        Credential::Injected | Credential::None => reading::without_token(&target),
        Credential::Own => target,
    };
    // A key is judged by a path with single slashes, and that path is sent.
    let expected = match has_key {
        true => squeezed(&expected),
        false => expected,
    };
    assert_eq!(sent.target, expected, "another target");
    let host = match account {
        "acme" => fuzz_config::ACME,
        _ => fuzz_config::BETA,
    };
    assert_eq!(sent.values("host"), [host.as_bytes()]);
    check_authorization(forwarded, judged, &sent);
    let own = ["host", "authorization", "transfer-encoding"];
    for (name, value) in &sent.headers {
        let may = own.contains(&name.as_str()) || name == "te" && value == b"trailers";
        assert!(may || !reading::ends_here(name), "{name} has crossed");
    }
    if let Some(given) = given {
        let is_same = sent.body == given.body;
        assert!(
            is_same || may_be_mapped(&given.body),
            "another body: {}, not {}",
            sent.body.escape_ascii(),
            given.body.escape_ascii()
        );
    }
}

/// A target with single slashes in its path.
fn squeezed(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut path = path.to_owned();
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    path + query
}

/// Whether the read-only key is in one of the places for a key.
fn has_key(judged: &http::request::Parts) -> bool {
    let key = fuzz_config::KEYS.1.as_bytes();
    let slots = ["x-loopdesk-key", "authorization", "proxy-authorization"];
    let values = slots.iter().flat_map(|slot| judged.headers.get_all(*slot));
    let mut values = values.map(http::HeaderValue::as_bytes);
    values.any(|value| value.windows(key.len()).any(|part| part == key))
}

/// What a read-only key has let through: a read, whichever way it is read, and without the key.
fn check_reader(judged: &http::request::Parts, sent: &[u8]) {
    assert!(
        !sent.windows(4).any(|part| part == b"ldk_"),
        "a key has crossed"
    );
    let (method, path) = (judged.method.as_str(), squeezed(judged.uri.path()));
    let reads = ["GET", "HEAD", "OPTIONS"].contains(&method)
        || method == "POST" && POSTS_THAT_READ.iter().any(|word| path.contains(word));
    assert!(reads, "{method} {path} by a key that may only read");
    let lower = path.to_ascii_lowercase();
    for doubtful in [
        "//", "/.", "..", ";", "\\", "%2f", "%5c", "%2e", "%00", "%25", "%3f", "%23",
    ] {
        assert!(!lower.contains(doubtful), "{path} may be read two ways");
    }
    let overrides = |name: &http::HeaderName| {
        let name = name.as_str().replace('_', "-");
        name.contains("method-override") || name == "x-http-method"
    };
    assert!(
        !judged.headers.keys().any(overrides),
        "another method in a header"
    );
    let query = judged.uri.query().unwrap_or_default().to_ascii_lowercase();
    assert!(!query.contains("_method="), "another method in the query");
}

/// Part of the paths of the POSTs that change nothing.
const POSTS_THAT_READ: [&str; 4] = ["search", "preview", "autocomplete", "validate"];

/// Whether a body may contain local URLs, which lead to Zendesk when they are written back.
fn may_be_mapped(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    let host = ["localhost", "127.0.0.1", "::1", "%3a%3a1"]
        .iter()
        .any(|host| text.contains(host));
    host && ["api", "attachments"]
        .iter()
        .any(|path| text.contains(path))
}

fn check_authorization(forwarded: &Forwarded, judged: &http::request::Parts, sent: &Request) {
    let found = sent.values("authorization");
    let asked = judged.headers.get_all("x-loopdesk-auth").into_iter();
    let asked: Vec<_> = asked.map(|v| v.as_bytes().to_ascii_lowercase()).collect();
    assert!(asked.iter().all(|word| word == b"off"), "not followed");
    assert_eq!(forwarded.credential == Credential::None, !asked.is_empty());
    match forwarded.credential {
        Credential::None => assert!(found.is_empty(), "not anonymous"),
        Credential::Injected => {
            assert_eq!(found, [fuzz_config::TOKEN.as_bytes()]);
        }
        Credential::Own => {
            assert!(found.len() <= 1, "two credentials");
            let own = judged.headers.get("authorization").map(|v| v.as_bytes());
            assert!(found.iter().all(|found| Some(*found) == own));
        }
    }
}

/// No web page gets here: each sign of a page is one that no program sends.
fn assert_no_page(judged: &http::request::Parts) {
    for sign in ["origin", "sec-fetch-site"] {
        assert!(!judged.headers.contains_key(sign), "{sign} was let in");
    }
    let is_preflight =
        |name: &http::HeaderName| name.as_str().starts_with("access-control-request");
    assert!(judged.method != "OPTIONS" || !judged.headers.keys().any(is_preflight));
    let upgrade = judged.headers.get_all("upgrade").into_iter();
    for upgrade in upgrade {
        let upgrade = upgrade.as_bytes().to_ascii_lowercase();
        let mut protocols = upgrade.split(|b| matches!(b, b',' | b'/' | b' ' | b'\t'));
        assert!(!protocols.any(|name| name == b"websocket"), "a WebSocket");
    }
}

/// The account selected by the connection and its `Host`; panics if that isn't one of ours.
fn account(facts: &ConnFacts, judged: &http::request::Parts) -> &'static str {
    let hosts: Vec<_> = judged.headers.get_all("host").into_iter().collect();
    assert!(hosts.len() <= 1, "two hosts");
    let host = hosts
        .first()
        .map_or("", |host| host.to_str().unwrap_or("?"));
    let host = host.to_ascii_lowercase();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() => (name, port),
        _ => (host.as_str(), "80"),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    // A number from 1 on. On the unix socket any port is accepted, but a name with an invalid port
    // isn't a name.
    let has_port =
        !port.starts_with('0') && port.parse::<u16>().is_ok_and(|_| !port.starts_with('+'));
    let named = match name {
        "beta.localhost" if has_port => "beta",
        _ => "acme",
    };
    match &facts.local {
        Local::Unix => named,
        Local::Tcp { addr } => {
            let is_of_beta = addr.port() == fuzz_config::PORT_OF_BETA;
            let is_old = judged.version == http::Version::HTTP_10;
            let is_ours = OURS.contains(&name) && port == addr.port().to_string();
            assert!(is_ours || is_old && hosts.is_empty(), "called {host:?}");
            let is_other = is_of_beta && name == "acme.localhost";
            assert!(!is_other, "two accounts are named");
            if is_of_beta { "beta" } else { named }
        }
    }
}

const OURS: [&str; 5] = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    "acme.localhost",
    "beta.localhost",
];
