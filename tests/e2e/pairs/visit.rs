//! Getting the pairs in one visit to the browser, and being rid of them.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use loopdesk_protocol::client;
use loopdesk_protocol::login::{self, Authorize, Done, LoginEvent, LoginRequest};
use loopdesk_protocol::status::{Role, State};
use loopdesk_tests::Stage;
use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::{Decision, Standing, users};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::{BOTH, pair, roles, stage_with};

#[tokio::test]
async fn r5_r8_a_login_gets_every_pair_in_one_visit_and_a_logout_ends_them_all() {
    let stage = stage_with(BOTH).await;
    let daemon = stage.daemon().await;
    let output = stage.home.loopdesk(["login"]).await.ok();
    assert!(output.stdout.contains("primary, read-only"), "{output:?}");
    let addresses = output.stdout.lines().filter(|l| l.starts_with("https://"));
    assert_eq!(
        addresses.count(),
        2,
        "each on a line of its own: {output:?}"
    );
    assert!(output.stderr.contains("Page 2 of 2"), "{output:?}");
    assert_eq!(stage.live_pairs(), 2);

    let acme = stage.acme().await;
    assert_eq!(roles(&acme), Role::ALL);
    assert!(acme.problem.is_none(), "{acme:#?}");
    let numbers: Vec<_> = acme.pairs.iter().map(|p| p.generation).collect();
    assert_eq!(numbers, [Some(1), Some(2)], "one count for both");
    for one in &acme.pairs {
        assert_eq!(one.state, State::Active);
        assert_eq!(one.in_use, one.role == Role::Primary);
        assert!(
            one.problem.is_none() && one.next_refresh_at.is_some(),
            "{one:#?}"
        );
    }
    assert_eq!(pair(&acme, Role::ReadOnly).scopes, ["read"]);
    assert_eq!(pair(&acme, Role::Primary).scopes, ["read", "write"]);
    for name in ["acme.session", "acme.read-only.session"] {
        let path = stage.home.paths().sessions_dir().join(name);
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let shown = stage.home.loopdesk(["status"]).await.ok().stdout;
    assert!(shown.contains("read-only: active, number 2"), "{shown}");

    daemon.kill().await;
    let _daemon = stage.daemon().await;
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    assert_eq!(roles(&stage.acme().await), Role::ALL);
    stage.home.loopdesk(["logout"]).await.ok();
    assert_eq!(stage.live_pairs(), 0);
    assert!(sessions(&stage).is_empty(), "{:?}", sessions(&stage));
}

#[tokio::test]
async fn r5_whoever_leaves_after_the_first_page_is_logged_in_and_told_what_is_missing() {
    let stage = stage_with(BOTH).await;
    let _daemon = stage.daemon().await;
    let mut visit = Visit::begin(&stage).await;
    visit.allow(&stage).await;
    let next = visit.next_page().await;
    assert_eq!((next.role, next.page, next.pages), (Role::ReadOnly, 2, 2));
    drop(visit);
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    let acme = stage.acme().await;
    assert_eq!(acme.state, State::Active);
    let problem = pair(&acme, Role::ReadOnly).problem.clone().unwrap();
    assert!(
        problem.hints[0].contains("loopdesk login acme"),
        "{problem}"
    );

    // Denied, which ends the login at once.
    let mut visit = Visit::begin(&stage).await;
    visit.allow(&stage).await;
    visit.next_page().await;
    visit.decide(&stage, Decision::Deny).await;
    let done = visit.done().await;
    assert_eq!(done.pairs, [Role::Primary]);
    let warning = done.warning.unwrap();
    assert!(
        warning.contains("no read-only pair") && warning.contains("not allowed"),
        "{warning}"
    );
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn r8_a_further_page_of_another_person_is_refused_with_both_names() {
    let stage = stage_with(BOTH).await;
    let _daemon = stage.daemon().await;
    let mut visit = Visit::begin(&stage).await;
    visit.allow(&stage).await;
    visit.next_page().await;
    let first = stage.acme().await.person.unwrap().name;
    stage.zendesk.set_consenting_user(users::AGENT);
    let page = visit.decide(&stage, Decision::Allow).await;
    let done = visit.done().await;
    let warning = done.warning.unwrap();
    assert!(
        warning.contains(&first) && warning.contains("Ben Agent"),
        "{warning}"
    );
    assert!(
        page.contains("Ben Agent") && page.contains("Logged in"),
        "{page}"
    );
    assert_eq!(stage.live_pairs(), 1, "what was not kept is revoked");
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn r8_switching_the_user_ends_every_pair_of_the_person_before() {
    let stage = stage_with(BOTH).await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.set_consenting_user(users::AGENT);
    stage.home.loopdesk(["login"]).await.failed(4);
    assert_eq!(stage.live_pairs(), 2, "nothing has changed");
    stage.home.loopdesk(["login", "--switch-user"]).await.ok();
    eventually("the pairs are as they should be", async || {
        let stage = &stage;
        stage.live_pairs() == 2
    })
    .await;
    let tokens = stage.zendesk.tokens();
    let live = tokens
        .iter()
        .filter(|t| t.refresh_standing == Standing::Live);
    assert!(live.into_iter().all(|pair| pair.user == users::AGENT));
}

#[tokio::test]
async fn r5_where_zendesk_allows_one_pair_the_account_keeps_its_own_and_the_way_out_is_told() {
    let stage = stage_with(BOTH).await;
    stage.zendesk.set_one_authorization(true);
    let _daemon = stage.daemon().await;
    let output = stage.home.loopdesk(["login"]).await.ok();
    let fix = "loopdesk account set acme read-only-grant false";
    assert!(
        output.stderr.contains("there can be only one") && output.stderr.contains(fix),
        "{output:?}"
    );
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    eventually("one pair lives", async || stage.live_pairs() == 1).await;
    let acme = stage.acme().await;
    assert_eq!(acme.state, State::Active);
    assert_eq!(acme.scopes, ["read", "write"]);

    let set = fix.split(' ').skip(1);
    stage.home.loopdesk(set).await.ok();
    let output = stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(output.stdout.matches("https://").count(), 1, "{output:?}");
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn r5_a_read_only_pair_is_switched_on_by_a_login_and_off_by_the_configuration() {
    let stage = stage_with("").await;
    let _daemon = stage.logged_in().await;
    let set = async |value: &str| {
        let command = ["account", "set", "acme", "read-only-grant", value];
        stage.home.loopdesk(command).await.ok();
    };
    set("true").await;
    eventually("the pair is asked for", async || {
        roles(&stage.acme().await) == Role::ALL
    })
    .await;
    let acme = stage.acme().await;
    let problem = pair(&acme, Role::ReadOnly).problem.as_ref().unwrap();
    assert!(
        problem.hints[0].contains("loopdesk login acme"),
        "{problem}"
    );
    stage.home.loopdesk(["login"]).await.ok();
    let both = async || stage.live_pairs() == 2;
    eventually("both pairs live", both).await;
    // The one that is well stays when somebody logs in again.
    let output = stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(output.stdout.matches("https://").count(), 1, "{output:?}");
    eventually("both pairs live", both).await;

    set("false").await;
    eventually("one pair is left", async || {
        stage.live_pairs() == 1 && sessions(&stage) == ["acme.session"]
    })
    .await;
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn r5_addresses_are_pasted_one_after_the_other() {
    let stage = stage_with(BOTH).await;
    let _daemon = stage.daemon().await;
    let mut login = stage
        .home
        .command("loopdesk")
        .args(["login", "--no-browser"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(login.stdout.take().unwrap()).lines();
    let mut stdin = login.stdin.take().unwrap();
    for _ in 0..2 {
        let url = loop {
            let line = lines.next_line().await.unwrap().expect("an address");
            if line.starts_with("https://") {
                break line;
            }
        };
        let pasted = stage.zendesk.consent(&url, Decision::Allow).await.unwrap();
        stdin
            .write_all(format!("{pasted}\n").as_bytes())
            .await
            .unwrap();
    }
    assert!(login.wait().await.unwrap().success());
    assert_eq!(stage.live_pairs(), 2);
}

#[tokio::test]
async fn r8_offline_a_logout_leaves_every_pair_unless_told_to_forget() {
    use loopdesk_tests::zendesk::{Answer, Fault};
    let stage = stage_with(BOTH).await;
    let _daemon = stage.logged_in().await;
    let path = "/api/v2/oauth/tokens/current";
    let offline = stage
        .zendesk
        .fault(Fault::on("DELETE", path).answer(Answer::gateway_page(502)));
    stage.home.loopdesk(["logout"]).await.failed(5);
    assert_eq!(sessions(&stage).len(), 2);
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    stage.home.loopdesk(["logout", "--forget"]).await.ok();
    assert!(sessions(&stage).is_empty());
    offline.remove();
}

/// The records on disk.
fn sessions(stage: &Stage) -> Vec<String> {
    let dir = stage.home.paths().sessions_dir();
    let names = std::fs::read_dir(dir).unwrap().flatten();
    names
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".session"))
        .collect()
}

/// A login, page by page.
struct Visit {
    events: client::Lines<LoginEvent>,
    page: Authorize,
}

impl Visit {
    async fn begin(stage: &Stage) -> Self {
        let control = stage.control();
        let mut events = control
            .stream(login::CALL, &LoginRequest::default())
            .await
            .unwrap();
        match events.next().await.unwrap() {
            Some(LoginEvent::Authorize(page)) => Self { events, page },
            other => panic!("{other:?}"),
        }
    }

    async fn allow(&self, stage: &Stage) -> String {
        self.decide(stage, Decision::Allow).await
    }

    /// Clicks, and returns the page that the browser ends on.
    async fn decide(&self, stage: &Stage, decision: Decision) -> String {
        let callback = stage.zendesk.consent(&self.page.url, decision).await;
        let callback = callback.unwrap();
        stage.home.run("curl", ["-sS", &callback]).await.ok().stdout
    }

    async fn next_page(&mut self) -> Authorize {
        match self.events.next().await.unwrap() {
            Some(LoginEvent::Obtained(_)) => {}
            other => panic!("{other:?}"),
        }
        match self.events.next().await.unwrap() {
            Some(LoginEvent::Authorize(page)) => self.page = page.clone(),
            other => panic!("{other:?}"),
        }
        self.page.clone()
    }

    async fn done(&mut self) -> Done {
        match self.events.next().await.unwrap() {
            Some(LoginEvent::Done(done)) => done,
            other => panic!("{other:?}"),
        }
    }
}
