//! Against a third-party authorization server, which punishes a mistake of ours: a refresh token
//! that is used twice ends the whole family of tokens.

use std::process::Stdio;
use std::time::Duration;

use loopdesk_protocol::status::{self, State};
use loopdesk_protocol::{Client, status::Status};
use loopdesk_tests::{Daemon, Home, OAuthServer, ports};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::{binary, is_in_order};

const SECRET: &str = "c4b1d6e8f0a2938475665748392a1b0c";

/// The account, its home and its server.
struct Scene {
    server: OAuthServer,
    home: Home,
    port: u16,
}

#[tokio::test]
async fn a_login_with_pkce_gives_a_session() {
    let Some(scene) = Scene::set("", LONG).await else {
        return;
    };
    let _daemon = scene.logged_in().await;
    let acme = scene.acme().await;
    assert_eq!(acme.state, State::Active);
    assert_eq!(acme.person.unwrap().name, "Alice Agent");
    assert_eq!(acme.scopes, ["read", "write"]);
    assert_eq!(scene.get("users/me.json").await.0, 200);
    assert_eq!(scene.server.granted("authorization_code"), 1);
}

#[tokio::test]
async fn r2_four_requests_with_a_dead_token_make_one_refresh_and_the_family_lives() {
    let Some(mut scene) = Scene::set("", LONG).await else {
        return;
    };
    let _daemon = scene.logged_in().await;
    for round in 1..=3 {
        assert_eq!(scene.get("tickets/1.json").await.0, 200);
        scene.server.kill_access_tokens().await;
        assert_eq!(scene.many(4).await, ["200"; 4].join(" "));
        assert_eq!(scene.server.granted("refresh_token"), round);
    }
    assert_eq!(scene.trouble(), Vec::<Value>::new());
}

#[tokio::test]
async fn r1_ten_rotations_under_load_keep_the_family_alive() {
    let Some(scene) = Scene::set("", SHORT).await else {
        return;
    };
    let _daemon = scene.logged_in().await;
    while scene.server.granted("refresh_token") < 10 {
        assert_eq!(scene.many(8).await, ["200"; 8].join(" "));
    }
    assert_eq!(scene.trouble(), Vec::<Value>::new());
    let state = scene.acme().await.state;
    assert!(is_in_order(state), "{state:?}");
}

#[tokio::test]
async fn r5_a_lost_answer_ends_the_family_here_and_the_state_says_so() {
    let Some(mut scene) = Scene::set("", LONG).await else {
        return;
    };
    let _daemon = scene.logged_in().await;
    scene.server.lose_answer().await;
    scene.home.loopdesk(["refresh"]).await.failed(4);
    // The first was granted and lost; the second, with the same token, is reuse.
    assert_eq!(scene.server.granted("refresh_token"), 1);
    assert_eq!(
        scene
            .server
            .count(|event| event["event"] == "family-revoked"),
        1
    );
    let acme = scene.acme().await;
    assert_eq!(acme.state, State::Ended);
    let problem = acme.problem.unwrap();
    assert!(
        problem.message.contains("the answer to a refresh was lost"),
        "{problem}"
    );
    assert_eq!(problem.hints, ["run `loopdesk login acme`"]);
    let posts = scene.server.count(is_token_request);
    assert_eq!(scene.get("tickets/1.json").await.0, 401);
    scene.home.loopdesk(["refresh"]).await.failed(4);
    assert_eq!(
        scene.server.count(is_token_request),
        posts,
        "not one more request"
    );
    // The end of a session costs one login.
    scene.home.loopdesk(["login"]).await.ok();
    assert_eq!(scene.get("tickets/1.json").await.0, 200);
}

#[tokio::test]
async fn r3_a_killed_daemon_goes_on_with_the_newest_of_the_family() {
    let Some(scene) = Scene::set("", LONG).await else {
        return;
    };
    let daemon = scene.logged_in().await;
    scene.home.loopdesk(["refresh"]).await.ok();
    daemon.kill().await;
    let _daemon = Daemon::start(&scene.home).await.unwrap();
    // The newest pair of the family was stored: the next refresh isn't reuse.
    scene.home.loopdesk(["refresh"]).await.ok();
    assert_eq!(scene.trouble(), Vec::<Value>::new());
}

#[tokio::test]
async fn r8_logout_revokes_the_family() {
    let Some(scene) = Scene::set("", LONG).await else {
        return;
    };
    let _daemon = scene.logged_in().await;
    scene.home.loopdesk(["logout"]).await.ok();
    assert_eq!(
        scene
            .server
            .count(|event| event["event"] == "family-revoked"),
        1
    );
    assert_eq!(scene.acme().await.state, State::SignedOut);
}

#[tokio::test]
async fn a_client_gets_tokens_by_its_secret_and_loses_them_at_logout() {
    let extra = "grant = \"client-credentials\"";
    let Some(scene) = Scene::set(extra, LONG).await else {
        return;
    };
    let _daemon = Daemon::start(&scene.home).await.unwrap();
    assert_eq!(
        scene
            .log_in_by_secret("a-wrong-secret-of-some-length")
            .await,
        Some(5)
    );
    assert_eq!(scene.log_in_by_secret(SECRET).await, Some(0));
    let acme = scene.acme().await;
    assert_eq!(acme.person.unwrap().role.as_deref(), Some("admin"));
    for _ in 0..2 {
        scene.home.loopdesk(["refresh"]).await.ok();
        assert_eq!(scene.get("tickets/1.json").await.0, 200);
    }
    let revocations = |events: &[Value]| {
        let is_delete = |event: &&Value| event["method"] == "DELETE" && event["active"] == true;
        events.iter().filter(is_delete).count()
    };
    scene.home.loopdesk(["logout"]).await.ok();
    scene
        .server
        .wait_for(|events| {
            let is_grant = |e: &&Value| e["event"] == "granted";
            revocations(events) == events.iter().filter(is_grant).count()
        })
        .await;
    let is_refusal = |event: &Value| event["event"] == "refused";
    assert_eq!(scene.server.count(is_refusal), 1, "of the wrong secret");
}

impl Scene {
    /// `None` where the server isn't installed.
    async fn set(account: &str, ttl: Duration) -> Option<Self> {
        if !OAuthServer::is_here() {
            return None;
        }
        let port = ports::free();
        // The first one is still in use for a moment after a login, so that its last page can be
        // read.
        let callbacks = [ports::free(), ports::free()];
        let callbacks = callbacks.map(|port| format!("http://127.0.0.1:{port}/callback"));
        let server = OAuthServer::start(&callbacks, SECRET, ttl).await.unwrap();
        let mut home = Home::new(binary()).unwrap();
        let ca = server.ca_file().display().to_string();
        home.set("CONSENT_CA", &ca);
        home.set("CONSENT_FORMS", "1");
        let client = if account.is_empty() {
            "loopdesk"
        } else {
            "robot"
        };
        home.configure(&format!(
            "listen = [\"127.0.0.1:{port}\"]\nvault = \"keyfile\"\n\
             redirect-uris = {callbacks:?}\n[accounts.acme]\nurl = \"{}\"\n\
             client-id = \"{client}\"\nextra-ca-file = \"{ca}\"\ntoken-encoding = \"form\"\n\
             {account}\n",
            server.origin()
        ));
        Some(Self { server, home, port })
    }

    async fn logged_in(&self) -> Daemon {
        let daemon = Daemon::start(&self.home).await.unwrap();
        self.home.loopdesk(["login"]).await.ok();
        daemon
    }

    async fn log_in_by_secret(&self, secret: &str) -> Option<i32> {
        let mut login = self.home.command("loopdesk");
        login.args(["login", "--client-secret-stdin"]);
        let mut login = login.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = login.stdin.take().unwrap();
        stdin.write_all(secret.as_bytes()).await.unwrap();
        drop(stdin);
        login.wait().await.unwrap().code()
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let url = format!("http://127.0.0.1:{}/api/v2/{path}", self.port);
        let arguments = ["-sS", "-w", "\n%{http_code}", &url];
        let output = self.home.run("curl", arguments).await.ok();
        let (body, status) = output.stdout.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// The statuses of that many concurrent requests.
    async fn many(&self, count: usize) -> String {
        let url = format!(
            "http://127.0.0.1:{}/api/v2/tickets/[1-{count}].json",
            self.port
        );
        let arguments = [
            "-sS",
            "--parallel",
            "--parallel-immediate",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} ",
            &url,
        ];
        self.home
            .run("curl", arguments)
            .await
            .ok()
            .stdout
            .trim()
            .to_owned()
    }

    /// Refusals, errors and ended families: none of them occurs unless we make a mistake.
    fn trouble(&self) -> Vec<Value> {
        let kinds = ["refused", "family-revoked", "server-error"];
        let is_trouble = |event: &Value| kinds.iter().any(|kind| event["event"] == *kind);
        self.server
            .events()
            .into_iter()
            .filter(is_trouble)
            .collect()
    }

    async fn acme(&self) -> status::AccountStatus {
        let control = Client::new(self.home.paths().control_socket());
        let status: Status = control.get(status::CALL).await.unwrap();
        status.accounts.into_iter().next().unwrap()
    }
}

fn is_token_request(event: &Value) -> bool {
    event["event"] == "granted" || event["event"] == "refused"
}

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);
/// A rotation every second.
const SHORT: Duration = Duration::from_secs(2);
