//! Zendesk's head on its way to a script.

use std::sync::{Arc, LazyLock};

use http::header::HeaderMap;
use http::{Method, Request, Response, StatusCode};
use loopdeskd::body::Body;
use loopdeskd::rewrite::{
    self, Arrival, Context, Origins, STRIPPED, STRIPPED_FAMILIES, ScriptClient,
};
use loopdeskd::route_table::CarriedFiles;

use super::{HOP_BY_HOP, assert_one_line, named_by_connection, values};
use crate::fuzz_config;

/// Checks what `given` becomes.
pub(super) fn check(choice: u8, first: u8, accept: &[u8], given: &HeaderMap) {
    let asked = Asked::from(choice, accept);
    let status = STATUSES[usize::from(first) % STATUSES.len()];
    let status = StatusCode::from_u16(status).expect("a status");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().clone_from(given);
    let answer = rewrite::response(response, &asked.context());
    assert_eq!(answer.status(), status);
    let found = answer.headers();

    assert_one_line(found);
    let named = named_by_connection(given);
    for name in HOP_BY_HOP.iter().chain(STRIPPED).chain(&["te"]) {
        assert!(!found.contains_key(*name), "{name} has crossed: {found:?}");
    }
    for name in found.keys() {
        let of_a_family = STRIPPED_FAMILIES
            .iter()
            .any(|family| name.as_str().starts_with(family));
        assert!(!of_a_family, "{name} has crossed");
        let is_named = named.contains(name.as_str());
        assert!(!is_named || OURS.contains(&name.as_str()), "{name}");
    }
    assert_eq!(values(found, OURS[0]), [b"nosniff"]);
    assert_eq!(values(found, OURS[1]), [b"same-origin"]);
    for name in ["location", "content-location", "link"] {
        let localised = match name {
            "link" => linked,
            _ => located,
        };
        let expected = if named.contains(name) {
            Vec::new()
        } else {
            let all = values(given, name).into_iter();
            all.map(|value| localised(value, asked.has_key)).collect()
        };
        assert_eq!(values(found, name), expected, "{name}");
    }
    check_trailer(asked.trailers, given, found);
    check_body_headers(&asked, status, given, found);
    for name in given.keys() {
        let name = name.as_str();
        let ends = named.contains(name)
            || HOP_BY_HOP.contains(&name)
            || STRIPPED.contains(&name)
            || STRIPPED_FAMILIES
                .iter()
                .any(|family| name.starts_with(family))
            || [
                "te",
                "trailer",
                "location",
                "content-location",
                "link",
                "vary",
                "etag",
            ]
            .contains(&name)
            || OF_THE_BODY.contains(&name)
            || OURS.contains(&name);
        if !ends {
            assert_eq!(values(found, name), values(given, name), "{name}");
        }
    }
    for name in found.keys() {
        let known = given.contains_key(name) || OURS.contains(&name.as_str());
        assert!(known, "{name} is made up");
    }
}

/// What the script has sent.
struct Asked {
    head: bool,
    range: bool,
    trailers: bool,
    off: bool,
    has_key: bool,
    accept: Vec<u8>,
}

impl Asked {
    fn from(choice: u8, accept: &[u8]) -> Self {
        let bit = |bit: u8| choice >> bit & 1 == 1;
        Self {
            head: bit(0),
            range: bit(1),
            trailers: bit(2),
            off: bit(3),
            has_key: bit(4),
            accept: accept.to_owned(),
        }
    }

    fn context(&self) -> Context {
        let mut request =
            Request::builder().method(if self.head { Method::HEAD } else { Method::GET });
        if self.range {
            request = request.header("range", "bytes=0-");
        }
        if self.trailers {
            request = request.header("te", "trailers");
        }
        if self.off {
            request = request.header("x-loopdesk-rewrite", "off");
        }
        let mut request = request.body(()).expect("a request");
        if let Ok(accept) = self.accept.as_slice().try_into() {
            request.headers_mut().insert("accept-encoding", accept);
        }
        let (head, ()) = request.into_parts();
        let client = ScriptClient {
            base: BASE.into(),
            at: Arrival::Shared,
            names_account: false,
            has_key: self.has_key,
        };
        static ORIGINS: LazyLock<Arc<Origins>> =
            LazyLock::new(|| Origins::new(&fuzz_config::CONFIG));
        Context::of(
            &head,
            ORIGINS.view(client, fuzz_config::acme()),
            CarriedFiles::default(),
        )
    }
}

/// Either no header that describes the body's bytes has changed, or all of them are gone and a
/// strong tag has become a weak one. What can't be reassembled is never changed.
fn check_body_headers(asked: &Asked, status: StatusCode, given: &HeaderMap, found: &HeaderMap) {
    let named = named_by_connection(given);
    let left = |name: &&&str| given.contains_key(**name) && !named.contains(**name);
    let crossed = OF_THE_BODY.iter().filter(left);
    let (kept, gone): (Vec<&str>, Vec<&str>) =
        crossed.partition(|name| values(found, name) == values(given, name));
    assert!(
        kept.is_empty() || gone.is_empty(),
        "{kept:?} but not {gone:?}"
    );
    let never = asked.range || status == StatusCode::PARTIAL_CONTENT;
    assert!(!never || gone.is_empty(), "{gone:?} of a part are gone");
    for name in &gone {
        assert!(!found.contains_key(*name), "{name} has become another");
    }
    if !named.contains("etag") {
        let weak = |tag: &&[u8]| [b"W/", *tag].concat();
        let (old, new) = (values(given, "etag"), values(found, "etag"));
        assert_eq!(old.len(), new.len());
        for (at, (old, new)) in old.iter().zip(&new).enumerate() {
            let weakened = at == 0 && old.starts_with(b"\"") && *new == weak(old);
            assert!(old == new || weakened, "{old:?} has become {new:?}");
            assert!(!weakened || kept.is_empty(), "weakened for nothing");
        }
    }
    let given_vary = if named.contains("vary") {
        Vec::new()
    } else {
        values(given, "vary")
    };
    let vary = values(found, "vary");
    let added = vary.strip_prefix(given_vary.as_slice());
    assert!(matches!(added, Some([] | [b"accept-encoding"])), "{vary:?}");
}

/// A trailer section is announced only to clients that read it, and without the fields it must not
/// contain.
fn check_trailer(accepted: bool, given: &HeaderMap, found: &HeaderMap) {
    let given = values(given, "trailer").join(&b',').to_ascii_lowercase();
    for line in values(found, "trailer") {
        assert!(accepted, "a trailer section for nobody");
        for name in line.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            let mut known = given.split(|b| *b == b',').map(<[u8]>::trim_ascii);
            assert!(known.any(|known| known == name), "{name:?} is made up");
            let name = String::from_utf8_lossy(name);
            let name = name.as_ref();
            let mut bad = HOP_BY_HOP.iter().chain(STRIPPED).chain(&OF_THE_BODY);
            assert!(bad.all(|bad| *bad != name), "{name} in a trailer");
            assert!(!["location", "content-location"].contains(&name), "{name}");
        }
    }
}

/// Where a `Location` finally leads, read without any of the daemon's code.
fn located(given: &[u8], has_key: bool) -> Vec<u8> {
    let Some((base, rest)) = served(given, has_key) else {
        return given.to_owned();
    };
    let path = String::from_utf8_lossy(rest).into_owned();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let is_page = match segments[..] {
        ["agent", ..] => true,
        ["hc", "api" | "article_attachments", ..] => false,
        ["hc", _, "api" | "article_attachments", ..] => false,
        ["hc", ..] => true,
        _ => false,
    };
    if is_page {
        given.to_owned()
    } else {
        [base.as_bytes(), rest].concat()
    }
}

/// A line of `Link` with the targets that lead to the API made local.
fn linked(given: &[u8], has_key: bool) -> Vec<u8> {
    let mut line = Vec::new();
    let mut rest = given;
    while !rest.is_empty() {
        let gap = rest.iter().take_while(|b| b" \t,".contains(b)).count();
        line.extend_from_slice(&rest[..gap]);
        rest = &rest[gap..];
        if rest.first() == Some(&b'<') {
            let Some(close) = rest.iter().position(|b| *b == b'>') else {
                break;
            };
            let target = &rest[1..close];
            let local = served(target, has_key).filter(|(_, path)| {
                let api = [&b"/api/"[..], b"/attachments/", b"/hc/article_attachments/"];
                api.iter().any(|api| path.starts_with(api))
            });
            line.push(b'<');
            match local {
                Some((base, path)) => line.extend([base.as_bytes(), path].concat()),
                None => line.extend_from_slice(target),
            }
            rest = &rest[close..];
        }
        let (mut at, mut quoted) = (0, false);
        while at < rest.len() && (quoted || rest[at] != b',') {
            match rest[at] {
                b'"' => quoted = !quoted,
                b'\\' if quoted => at += 1,
                _ => {}
            }
            at += 1;
        }
        let at = at.min(rest.len());
        line.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
    }
    line.extend_from_slice(rest);
    line
}

/// The local base for the host that an address leads to, and the address from its path on.
fn served(given: &[u8], has_key: bool) -> Option<(&'static str, &[u8])> {
    let lower = given.to_ascii_lowercase();
    let places = [
        (fuzz_config::ACME, Some(BASE)),
        ("acme.zendesk.com", Some(BASE)),
        // An account of its own, for which a key of the first one isn't valid.
        (fuzz_config::BETA, (!has_key).then_some(BASE_OF_BETA)),
    ];
    for (host, base) in places {
        // Without a scheme, it would get that of the local base (RFC 3986 section 4.2).
        for (scheme, port) in ["https://", "//"]
            .into_iter()
            .flat_map(|scheme| ["", ":", ":443"].map(|port| (scheme, port)))
        {
            let origin = format!("{scheme}{host}{port}");
            let Some(rest) = lower.strip_prefix(origin.as_bytes()) else {
                continue;
            };
            if matches!(rest.first(), None | Some(b'/' | b'?' | b'#')) {
                return base.map(|base| (base, &given[origin.len()..]));
            }
        }
    }
    None
}

const BASE: &str = "http://LOCALHOST:8484";
const BASE_OF_BETA: &str = "http://LOCALHOST:8490";

const STATUSES: [u16; 12] = [200, 201, 202, 204, 206, 302, 304, 401, 404, 422, 429, 503];

/// Set by us, whatever Zendesk sends.
const OURS: [&str; 4] = [
    "x-content-type-options",
    "cross-origin-resource-policy",
    "content-security-policy",
    "vary",
];

const OF_THE_BODY: [&str; 7] = [
    "content-length",
    "content-encoding",
    "accept-ranges",
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
];
