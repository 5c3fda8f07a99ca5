//! No refusal reveals whether a guess at a secret is right.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, HeaderValue, Method, Uri};
use http_body_util::BodyExt;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::{Paths, key};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::clock::Clock;
use crate::facts::Local;
use crate::keys::{NewKey, Trace};
use crate::peer::Peer;
use crate::samples;
use crate::telemetry::redact;

#[test]
fn d7_no_refusal_depends_on_a_secret_that_lives() {
    let scene = PipelineScene::set();
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..TOKENS {
        let mut draw = |regex: &str| {
            let strategy = proptest::string::string_regex(regex).unwrap();
            strategy.new_tree(&mut runner).unwrap().current()
        };
        let token = draw("[0-9a-f]{64}|[A-Za-z0-9_-]{40,86}|[A-Za-z0-9+/=_.~-]{40,80}");
        let asked: Vec<_> = (0..REQUESTS)
            .map(|_| asked().new_tree(&mut runner).unwrap().current())
            .collect();
        let answers = || -> Vec<_> { asked.iter().map(|asked| scene.ask(asked, &token)).collect() };
        let unknown = answers();
        let _hidden = redact::hide(&token);
        for (asked, (before, after)) in asked.iter().zip(unknown.into_iter().zip(answers())) {
            assert_eq!(before, after, "{asked:?} of {token}");
            seen.extend(before.map(|(code, _)| code));
        }
    }
    // Every refusal that repeats part of a request was among them.
    for code in [
        "unknown-host",
        "unknown-account",
        "two-accounts-named",
        "route-refused",
        "key-denied",
        "key-wrong",
        "key-misplaced",
        "key-of-another-account",
        "bad-request",
        "web-page-refused",
    ] {
        assert!(seen.contains(code), "{code} in {seen:?}");
    }
}

/// A request with a guess in one of its places.
#[derive(Clone, Debug)]
struct GuessedRequest {
    place: GuessPlace,
    /// Which part of the token is guessed, and how it is written.
    from: usize,
    length: usize,
    form: GuessForm,
    key: Option<usize>,
    port_of_beta: bool,
}

#[derive(Clone, Copy, Debug)]
enum GuessPlace {
    Host,
    Account,
    Method,
    Path,
    OauthPath,
    UserPath,
    Query,
    Include,
    Header,
    Value(&'static str),
    MethodName,
    Json,
    Form,
}

#[derive(Clone, Copy, Debug)]
enum GuessForm {
    Raw,
    Hex,
    Base64,
    Percent,
}

fn asked() -> impl Strategy<Value = GuessedRequest> {
    let place = prop_oneof![
        Just(GuessPlace::Host),
        Just(GuessPlace::Account),
        Just(GuessPlace::Method),
        Just(GuessPlace::Path),
        Just(GuessPlace::OauthPath),
        Just(GuessPlace::UserPath),
        Just(GuessPlace::Query),
        Just(GuessPlace::Include),
        Just(GuessPlace::Header),
        prop::sample::select(VALUES).prop_map(GuessPlace::Value),
        Just(GuessPlace::MethodName),
        Just(GuessPlace::Json),
        Just(GuessPlace::Form),
    ];
    let form = prop::sample::select(
        &[
            GuessForm::Raw,
            GuessForm::Hex,
            GuessForm::Base64,
            GuessForm::Percent,
        ][..],
    );
    let key = prop::option::of(0..RIGHTS.len());
    (place, 0..64_usize, 8..90_usize, form, key, any::<bool>()).prop_map(
        |(place, from, length, form, key, port_of_beta)| GuessedRequest {
            place,
            from,
            length,
            form,
            key,
            port_of_beta,
        },
    )
}

impl GuessedRequest {
    fn guess(&self, token: &str) -> String {
        let from = self.from.min(token.len() - 8);
        let to = (from + self.length).min(token.len());
        let piece = &token[from..to];
        match self.form {
            GuessForm::Raw => piece.to_owned(),
            GuessForm::Hex => piece.bytes().map(|b| format!("{b:02x}")).collect(),
            GuessForm::Base64 => STANDARD.encode(piece),
            GuessForm::Percent => piece.bytes().map(|b| format!("%{b:02X}")).collect(),
        }
    }

    /// Nothing if the guess isn't possible in that place.
    fn request(&self, token: &str, keys: &[String]) -> Option<Request<Body>> {
        let guess = self.guess(token);
        let port = if self.port_of_beta { 8490 } else { 8484 };
        let mut host = format!("localhost:{port}");
        let mut method = Method::GET;
        let mut target = "/api/v2/tickets".to_owned();
        let mut headers = Vec::new();
        let mut body = String::new();
        match self.place {
            GuessPlace::Host => host.clone_from(&guess),
            GuessPlace::Account => host = format!("{guess}.localhost:{port}"),
            GuessPlace::Method => method = Method::from_bytes(guess.as_bytes()).ok()?,
            GuessPlace::Path => target = format!("/api/v2/{guess}/../tickets"),
            GuessPlace::OauthPath => target = format!("/oauth/{guess}"),
            GuessPlace::UserPath => target = format!("/api/v2/users/{guess}/password"),
            GuessPlace::Query => target = format!("/api/v2/tickets?_method={guess}&{guess}"),
            GuessPlace::Include => target = format!("/api/v2/tickets?include={guess}"),
            GuessPlace::Header => headers.push((format!("x-{guess}"), keys[0].clone())),
            GuessPlace::Value(name) => headers.push((name.to_owned(), guess)),
            GuessPlace::MethodName => {
                headers.push((format!("x-{guess}-http-method-override"), guess));
            }
            GuessPlace::Json => {
                method = Method::POST;
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
                body = format!(r#"{{"_method":"{guess}","{guess}":1}}"#);
            }
            GuessPlace::Form => {
                method = Method::POST;
                let form = "application/x-www-form-urlencoded";
                headers.push(("content-type".to_owned(), form.to_owned()));
                body = format!("_method={guess}&{guess}");
            }
        }
        let mut request = Request::new(Body::full(body));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::try_from(target).ok()?;
        let all = request.headers_mut();
        all.insert(HOST, HeaderValue::from_str(&host).ok()?);
        if let Some(key) = self.key {
            let key = HeaderValue::from_str(&format!("Bearer {}", keys[key])).ok()?;
            all.insert(AUTHORIZATION, key);
        }
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).ok()?;
            all.append(name, HeaderValue::from_str(&value).ok()?);
        }
        Some(request)
    }
}

/// The stages before the session, with keys of all sorts.
struct PipelineScene {
    rules: RequestRules,
    keys: Vec<String>,
    runtime: tokio::runtime::Runtime,
    /// Keys whose file has been removed don't work.
    _home: tempfile::TempDir,
}

impl PipelineScene {
    fn set() -> Self {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::resolve(|_| None, Some(home.path().to_owned()), None).unwrap();
        std::fs::create_dir_all(paths.state_dir()).unwrap();
        let store = Keys::open(&paths, Clock::system());
        let mut keys = Vec::new();
        for (number, (scopes, deny)) in RIGHTS.iter().enumerate() {
            let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let new = NewKey {
                name: format!("key-{number}"),
                account: "acme".parse().unwrap(),
                person: Person {
                    id: 1,
                    name: "Ada".to_owned(),
                    email: None,
                    role: None,
                },
                rights: key::RightsText {
                    scopes: owned(scopes),
                    allow: Vec::new(),
                    deny: owned(deny),
                },
                expires_in: None,
                note: None,
            };
            keys.push(store.create(new).unwrap().1.expose().to_owned());
        }
        let accounts = ["acme", "beta"].map(|name| {
            let mut account = samples::account(name, &format!("https://{name}.zendesk.com"));
            account.port = (name == "beta").then_some(8490);
            account
        });
        let config = samples::config(accounts.into());
        Self {
            rules: RequestRules::new(&config, store),
            keys,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                // Guesses at keys are throttled.
                .start_paused(true)
                .build()
                .unwrap(),
            _home: home,
        }
    }

    /// The refusal's code, together with the whole answer.
    fn ask(&self, asked: &GuessedRequest, token: &str) -> Option<(&'static str, String)> {
        let request = asked.request(token, &self.keys)?;
        let addr = if asked.port_of_beta {
            "127.0.0.1:8490"
        } else {
            "127.0.0.1:8484"
        };
        let addr = addr.parse().unwrap();
        let facts = ConnFacts::new(Local::Tcp { addr }, Peer::Own, Trace::Nothing);
        self.runtime.block_on(async {
            let refusal = self.rules.prepare(&facts, request).await.err()?;
            let code = refusal.code();
            let (head, body) = refusal.into_response().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Some((code, format!("{head:?}\n{body:?}")))
        })
    }
}

/// Scopes and `deny` rules, of one key each.
const RIGHTS: [(&[&str], &[&str]); 4] = [
    (&["tickets:read"], &[]),
    (&["read"], &[]),
    (&["read", "write"], &[]),
    (&["read", "write"], &["GET /api/v2/tickets/**"]),
];

const VALUES: &[&str] = &[
    "authorization",
    "content-length",
    "origin",
    "referer",
    "transfer-encoding",
    "upgrade",
    "x-http-method-override",
    "x-loopdesk-key",
    "x-on-behalf-of",
];

/// Each stays hidden for a while, and makes the next one dearer.
const TOKENS: usize = 12;
const REQUESTS: usize = 300;
