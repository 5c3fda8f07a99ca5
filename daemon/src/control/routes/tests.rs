use std::collections::BTreeSet;

use http_body_util::BodyExt;
use jiff::Timestamp;
use loopdesk_protocol::Paths;
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

use super::*;
use crate::clock::Clock;
use crate::config::live::LoadedConfig;
use crate::keys::Keys;
use crate::network::Network;
use crate::proof::Prover;
use crate::samples;
use crate::session::{Dependencies, Sessions};
use crate::upstream::egress::Variables;

#[tokio::test]
async fn every_route_is_answered_by_its_handler() {
    let nonce = "0".repeat(64);
    let proof = format!(r#"{{"nonce":"{nonce}","address":"127.0.0.1:8484"}}"#);
    let no_account = (422, "no account is configured");
    // The types of a call are those of its handler, so an answer tells which one was reached.
    let cases = [
        ("GET /v1/version", "", (200, r#""protocol":1"#)),
        ("GET /v1/status", "", (200, r#""listeners":[]"#)),
        ("GET /v1/wait?timeout_ms=1", "", no_account),
        ("POST /v1/login", "{}", no_account),
        (
            "POST /v1/login/callback",
            r#"{"address":"http://127.0.0.1/"}"#,
            (401, "no login is waiting"),
        ),
        ("POST /v1/logout", "{}", no_account),
        ("POST /v1/refresh", "{}", no_account),
        ("POST /v1/unlock", "{}", (200, r#""vault":{"#)),
        ("POST /v1/vault/forget", "{}", (200, r#""removed":false"#)),
        ("POST /v1/proof", &proof, (200, r#""proof":""#)),
        ("GET /v1/keys", "", (200, r#""keys":[]"#)),
        ("POST /v1/keys/create", r#"{"name":"x"}"#, no_account),
        (
            "POST /v1/keys/rotate",
            r#"{"name":"x","grace":0}"#,
            (400, "no key `x`"),
        ),
        (
            "POST /v1/keys/revoke",
            r#"{"name":"x"}"#,
            (400, "no key `x`"),
        ),
        ("POST /v1/keys/confirm", "{}", no_account),
        ("POST /v1/keys/callers", "{}", no_account),
        (
            "POST /v1/explain",
            r#"{"method":"GET","path":"/api/v2/tickets"}"#,
            (200, r#""allowed":false"#),
        ),
        ("POST /v1/exec", "{}", no_account),
        (
            "POST /v1/exec/ticket",
            r#"{"key":"x"}"#,
            (400, "doesn't exist any more"),
        ),
        ("POST /v1/config/reload", "", (503, "shutting down")),
    ];
    let scene = ControlScene::set().await;
    let mut reached = BTreeSet::new();
    for (line, body, (status, text)) in cases {
        let (head, answer) = scene.ask(line, body).await;
        assert_eq!(head.status, status, "{line}: {answer}");
        assert!(answer.contains(text), "{line}: {answer}");
        reached.insert(line.split('?').next().unwrap().to_owned());
    }
    let table = calls().into_iter();
    let table: BTreeSet<_> = table.map(|(m, path)| format!("{m} {path}")).collect();
    assert_eq!(reached, table);
}

#[tokio::test]
async fn another_method_is_answered_with_those_that_the_route_has() {
    let scene = ControlScene::set().await;
    for (method, path) in calls() {
        for other in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
            if method == other {
                continue;
            }
            let line = format!("{other} {path}");
            let (head, answer) = scene.ask(&line, "{}").await;
            assert_eq!(head.status, 405, "{line}: {answer}");
            assert_eq!(head.headers[ALLOW], method.as_str(), "{line}");
            assert!(
                answer.contains(&format!("doesn't support `{line}`")),
                "{answer}"
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_path_is_answered_as_one_that_a_newer_command_may_know() {
    let scene = ControlScene::set().await;
    for line in [
        "GET /",
        "GET /v1",
        "GET /v1/keys/",
        "POST /v2/login",
        "GET /v1/VERSION",
    ] {
        let (head, answer) = scene.ask(line, "").await;
        assert_eq!(head.status, 404, "{line}: {answer}");
        assert!(!head.headers.contains_key(ALLOW), "{line}");
        let problem: Problem = serde_json::from_str(&answer).unwrap();
        assert_eq!(problem.kind, Kind::Daemon, "{line}");
        assert!(
            problem.hints[0].contains("loopdesk version"),
            "{line}: {answer}"
        );
    }
}

#[test]
fn no_call_has_two_routes() {
    let calls = calls();
    let distinct: BTreeSet<_> = calls.iter().map(|(m, path)| (m.as_str(), path)).collect();
    assert_eq!(distinct.len(), calls.len());
}

/// A daemon without accounts.
struct ControlScene {
    control: Arc<Control>,
    _home: tempfile::TempDir,
}

impl ControlScene {
    async fn set() -> Self {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::resolve(|_| None, Some(home.path().to_owned()), None).unwrap();
        let clock = Clock::system();
        let conditions = samples::conditions();
        let config = Arc::new(samples::config(Vec::new()));
        let sessions = Sessions::new(Dependencies {
            clock: clock.clone(),
            paths: paths.clone(),
            proxies: Variables::none(clock.clone()),
            conditions: conditions.clone(),
            network: Network::still(),
            tracker: TaskTracker::new(),
        });
        sessions.apply(&config).await;
        let loaded = LoadedConfig {
            config,
            path: paths.config_file().display().to_string(),
            system_path: None,
            loaded_at: Timestamp::UNIX_EPOCH,
            problem: None,
        };
        let control = Control {
            sessions,
            keys: Keys::open(&paths, clock.clone()),
            loaded: watch::channel(loaded).1,
            conditions,
            listeners: watch::channel(Vec::new()).1,
            hook: watch::channel(None).1,
            reload: mpsc::channel(1).0,
            prover: Prover::new().unwrap(),
            clock,
            started_at: Timestamp::UNIX_EPOCH,
            places: 1,
            stopping: tokio_util::sync::CancellationToken::new(),
            tracker: TaskTracker::new(),
        };
        Self {
            control: Arc::new(control),
            _home: home,
        }
    }

    async fn ask(&self, line: &str, body: &str) -> (http::response::Parts, String) {
        let (method, target) = line.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(target);
        let request = request.body(Body::full(body.to_owned())).unwrap();
        let answer = answer(Arc::clone(&self.control), request).await;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head, String::from_utf8(body.to_vec()).unwrap())
    }
}
