//! The route table and its five users: refused routes, rights, body inspection, mapping back and
//! rewriting all rely on the same answer for every route, which is worked out here a second time.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use loopdesk_protocol::Paths;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::key;
use tempfile::TempDir;

use super::pipeline::{Prepared, RequestRules};
use crate::body::Body;
use crate::clock::Clock;
use crate::config::Config;
use crate::error_response::{ErrorResponse, KeyErrorResponse};
use crate::facts::{ConnFacts, Local};
use crate::keys::{KEY_HEADER, Keys, NewKey, Trace};
use crate::peer::Peer;
use crate::rewrite;
use crate::route_table::published::{self, PublishedRoute, shape};
use crate::route_table::{Credentials, NormalizedPath, TABLE};
use crate::samples;

/// What a route carries, by the names in its path and its method.
#[derive(Debug, PartialEq, Eq)]
struct Carries {
    credentials: bool,
    file_sent: bool,
    file_answered: bool,
}

impl Carries {
    fn of(route: &PublishedRoute) -> Self {
        let names: Vec<&str> = route.path.trim_start_matches('/').split('/').collect();
        let reads = route.method == "GET";
        let names = match names.as_slice() {
            ["api", "v2", rest @ ..] => rest,
            all => all,
        };
        let last = *names.last().unwrap_or(&"");
        let credentials = match names {
            ["help_center", "integration", name, ..] => {
                !matches!(*name, "keys" | "account_custom_claims")
            }
            ["oauth" | "api_tokens" | "remote_authentications", ..]
            | ["help_center", "integration"]
            | ["channels", "voice", "call_console", ..]
            | ["webhooks", _, "signing_secret"]
            | ["users", _, "oauth", ..] => true,
            ["users", _, "password", ..] => last != "requirements",
            ["api", "services", "zis", rest @ ..] => match rest {
                ["inbound_webhooks", "generic", "ingest", _] => false,
                ["connections" | "inbound_webhooks", ..] => true,
                ["integrations", _, "connections", ..] | ["registry", _] => true,
                _ => false,
            },
            _ => false,
        };
        let is_upload = match names {
            ["uploads"] | ["apps", "uploads"] | ["brands", _, "logo"] | ["guide", "medias"] => true,
            ["suspended_tickets", "attachments"] | ["attachments", ..] => false,
            ["tickets", _, "comments", ..] => false,
            ["custom_objects", ..] => names.contains(&"attachments"),
            _ => last == "attachments",
        };
        let file_answered = match names {
            ["attachments", "token", _] => true,
            ["hc", ..] => names.contains(&"article_attachments"),
            _ => matches!(last, "content" | "download"),
        };
        Self {
            credentials,
            file_sent: is_upload && !reads,
            file_answered: file_answered && reads,
        }
    }
}

/// The daemon's rules, and keys that they know.
struct TableBench {
    _home: TempDir,
    keys: Keys,
    closed: RequestRules,
}

impl TableBench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::resolve(|_| None, Some(home.path().to_owned()), None).unwrap();
        let keys = Keys::open(&paths, Clock::system());
        Self {
            closed: RequestRules::new(&config(), keys.clone()),
            _home: home,
            keys,
        }
    }

    fn key(&self, name: &str, scopes: &[&str]) -> String {
        let new = NewKey {
            name: name.to_owned(),
            account: "acme".parse().unwrap(),
            person: Person {
                id: 1,
                name: "Ann".to_owned(),
                email: None,
                role: None,
            },
            rights: key::RightsText {
                scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
                ..key::RightsText::default()
            },
            expires_in: None,
            note: None,
        };
        self.keys.create(new).unwrap().1.expose().to_owned()
    }

    /// The rules with this one path opened.
    fn open(&self, path: &str) -> RequestRules {
        let mut config = config();
        config.open_routes = vec![path.parse().unwrap()];
        RequestRules::new(&config, self.keys.clone())
    }
}

fn config() -> Config {
    samples::config(vec![samples::account("acme", "https://acme.zendesk.com")])
}

async fn prepared(
    rules: &RequestRules,
    key: Option<&str>,
    method: &str,
    target: &str,
    body: &'static str,
) -> Result<Prepared, ErrorResponse> {
    let addr = "127.0.0.1:8484".parse().unwrap();
    let local = Local::Tcp { addr };
    let facts = ConnFacts::new(local, Peer::Own, Trace::Nothing);
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "localhost:8484");
    if let Some(key) = key {
        request = request.header(KEY_HEADER, key);
    }
    let body = match method {
        "GET" => Body::empty(),
        _ => {
            request = request
                .header("content-type", "application/json")
                .header("content-length", body.len());
            Body::full(body)
        }
    };
    rules.prepare(&facts, request.body(body).unwrap()).await
}

async fn sent(prepared: &Prepared) -> Bytes {
    let request = prepared.outgoing.attempt(None).unwrap();
    request.into_body().collect().await.unwrap().to_bytes()
}

async fn answered(prepared: &Prepared) -> Bytes {
    let page = r#"{"next_page":"https://acme.zendesk.com/api/v2/x"}"#;
    let answer = Response::builder()
        .header("content-type", "application/json")
        .body(Body::full(page))
        .unwrap();
    let answer = rewrite::response(answer, &prepared.context);
    answer.into_body().collect().await.unwrap().to_bytes()
}

fn is_refused_route<T>(outcome: &Result<T, ErrorResponse>) -> bool {
    matches!(outcome, Err(ErrorResponse::RefusedRoute(_)))
}

fn is_denied<T>(outcome: &Result<T, ErrorResponse>) -> bool {
    matches!(
        outcome,
        Err(ErrorResponse::Key(KeyErrorResponse::Denied { .. }))
    )
}

/// Every known route from any source.
fn routes() -> BTreeSet<PublishedRoute> {
    let of_table = TABLE.entries().into_iter().map(|entry| PublishedRoute {
        method: entry.verb.name().to_owned(),
        path: shape(&entry.path),
    });
    let mut routes = published::routes();
    routes.extend(of_table);
    routes.extend(published::listed().unwrap_or_default());
    routes
}

#[tokio::test]
async fn s2_s6_d3_the_users_of_the_route_table_agree_about_every_route() {
    const LINK: &str = r#"{"a":"http://localhost:8484/api/v2/x"}"#;
    const MAPPED: &str = r#"{"a":"https://acme.zendesk.com/api/v2/x"}"#;
    const METHOD: &str = r#"{"_method":"DELETE"}"#;
    let bench = TableBench::new();
    let full = bench.key("full", &["read", "write"]);
    let writer = bench.key("writer", &["write"]);
    let scopes = crate::rights::Rights::scopes().into_iter();
    let others: Vec<String> = scopes
        .filter(|scope| scope != "write" && scope != "impersonate")
        .enumerate()
        .map(|(n, scope)| bench.key(&format!("key-{n}"), &[&scope]))
        .collect();
    let routes = routes();
    assert!(routes.len() > 700, "{}", routes.len());
    let (mut refused, mut files) = (0, 0);
    for route in &routes {
        let carries = Carries::of(route);
        let is_own_token = route.path == "/api/v2/oauth/tokens/current" && route.method == "GET";
        let method: Method = route.method.parse().unwrap();
        for target in spellings(route) {
            let shown = format!("{method} {target}");
            let uri: http::Uri = target.parse().unwrap();
            // The table itself.
            let found = TABLE.properties(&method, &NormalizedPath::of(uri.path()));
            let of_table = Carries {
                credentials: found.credentials != Credentials::None,
                file_sent: found.files.sent,
                file_answered: found.files.answered,
            };
            assert_eq!(of_table, carries, "{shown}");

            // The refused routes.
            let keyless = prepared(&bench.closed, None, &route.method, &target, LINK).await;
            let is_refused = carries.credentials && !is_own_token;
            assert_eq!(
                is_refused_route(&keyless),
                is_refused,
                "{shown}: {keyless:?}"
            );
            let keyed = prepared(&bench.closed, Some(&full), &route.method, &target, LINK).await;
            assert_eq!(is_refused_route(&keyed), carries.credentials, "{shown}");
            refused += u32::from(is_refused);

            // Mapping back, and rewriting.
            if let Ok(keyless) = &keyless {
                let body = sent(keyless).await;
                match (method == Method::GET, carries.file_sent) {
                    (true, _) => assert!(body.is_empty()),
                    (false, true) => assert_eq!(body, LINK, "{shown}"),
                    (false, false) => assert_eq!(body, MAPPED, "{shown}"),
                }
                let is_kept = !answered(keyless)
                    .await
                    .windows(9)
                    .any(|w| w == b"localhost");
                assert_eq!(is_kept, carries.file_answered, "{shown}");
                files += u32::from(carries.file_sent) + u32::from(is_kept);
            }
        }
        // Rights, once a route of credentials is open.
        if carries.credentials {
            let path = route.path.replace('#', "35436");
            let open = bench.open(&path);
            let with = |key| prepared(&open, Some(key), &route.method, &path, "{}");
            assert!(with(&full).await.is_ok(), "{route:?}");
            assert!(with(&writer).await.is_ok(), "{route:?}");
            for key in &others {
                assert!(is_denied(&with(key).await), "{route:?}");
            }
        }
        // Bodies: their content only doesn't matter if nothing but a file is sent.
        if method != Method::GET && !carries.credentials {
            let path = route.path.replace('#', "35436");
            let named = prepared(&bench.closed, Some(&writer), &route.method, &path, METHOD).await;
            assert!(is_denied(&named) || carries.file_sent, "{route:?}");
            if path == "/api/v2/uploads" {
                assert_eq!(sent(&named.unwrap()).await, METHOD);
            }
        }
    }
    assert!(
        refused > 100 && files > 50,
        "{refused} refused, {files} files"
    );
}

/// The path as Zendesk writes it, and other spellings that some server accepts as the same.
fn spellings(route: &PublishedRoute) -> Vec<String> {
    let mut spellings: Vec<String> = route.samples().into();
    let plain = spellings[0].clone();
    spellings.push(plain.to_ascii_uppercase());
    spellings.push(plain.replace("/v2/", "/v1/"));
    for name in ["help_center", "hc"] {
        let with_locale = format!("/{name}/en-us/");
        spellings.push(plain.replacen(&format!("/{name}/"), &with_locale, 1));
    }
    spellings.dedup();
    spellings
}
