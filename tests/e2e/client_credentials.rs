//! An OAuth client that acts by its own secret, without a person in a browser.

use std::process::Stdio;

use loopdesk_protocol::status::State;
use loopdesk_tests::zendesk::{Answer, Client, Fault, Record, Zendesk, users};
use loopdesk_tests::{Output, Stage};
use tokio::io::AsyncWriteExt;

use super::{binary, is_in_order};

const SECRET: &str = "f3d1c0c4c0ffee5ecret9b7a1e2d4c6f8a0b";

#[tokio::test]
async fn a_client_logs_in_by_its_secret_and_serves_scripts() {
    let stage = stage(users::AGENT, None).await;
    let _daemon = stage.daemon().await;
    let output = log_in(&stage, SECRET).await.ok();
    assert!(output.stdout.contains("Ben Agent"), "{output:?}");
    assert!(!output.stderr.contains("admin"), "{output:?}");

    let acme = stage.acme().await;
    assert_eq!(
        (acme.state, acme.grant.as_str()),
        (State::Active, "client-credentials")
    );
    assert_eq!(acme.person.unwrap().id, users::AGENT);
    assert_eq!(acme.refresh_expires_at, None);
    let (status, me) = stage.get_json("/api/v2/users/me.json").await;
    assert_eq!(
        (status, me["user"]["id"].as_u64()),
        (200, Some(users::AGENT))
    );
    let file = stage.home.paths().sessions_dir().join("acme.session");
    assert!(!std::fs::read_to_string(file).unwrap().contains(SECRET));
}

#[tokio::test]
async fn login_and_status_warn_where_the_client_acts_as_an_admin() {
    let stage = stage(users::ADMIN, None).await;
    let _daemon = stage.daemon().await;
    let output = log_in(&stage, SECRET).await.ok();
    assert!(
        output.stderr.contains("as Ada Admin, an admin"),
        "{output:?}"
    );
    let status = stage.home.loopdesk(["status"]).await.ok().stdout;
    assert!(
        status.contains("Ada Admin") && status.contains("an admin"),
        "{status}"
    );
}

#[tokio::test]
async fn r1_tokens_are_fetched_anew_under_a_running_script_and_old_ones_revoked() {
    let stage = stage(users::AGENT, Some(2)).await;
    let _daemon = stage.daemon().await;
    log_in(&stage, SECRET).await.ok();
    while stage.zendesk.count(is_fetch) < 4 {
        let (status, body) = stage.get("/api/v2/tickets/1.json").await;
        assert_eq!(status, 200, "{body}");
    }
    stage
        .zendesk_sees(|records| records.iter().filter(|r| is_revocation(r)).count() >= 2)
        .await;
}

#[tokio::test]
async fn r2_one_token_for_many_callers_who_met_a_dead_one() {
    let stage = stage(users::AGENT, None).await;
    let _daemon = stage.daemon().await;
    log_in(&stage, SECRET).await.ok();
    stage.zendesk.expire_access_tokens();
    let arguments = [
        "--parallel",
        "--parallel-immediate",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} ",
    ];
    let output = stage
        .curl("/api/v2/tickets/[1-8].json", &arguments)
        .await
        .ok();
    assert_eq!(output.stdout.trim(), ["200"; 8].join(" "));
    assert_eq!(stage.zendesk.count(is_fetch), 2);
}

#[tokio::test]
async fn r3_a_restarted_daemon_goes_on_without_the_secret_being_typed_again() {
    let stage = stage(users::AGENT, None).await;
    let daemon = stage.daemon().await;
    log_in(&stage, SECRET).await.ok();
    daemon.kill().await;
    let _daemon = stage.daemon().await;
    stage.home.loopdesk(["refresh"]).await.ok();
    // A lost response leaves no doubt: nothing was replaced.
    let lost = stage
        .zendesk
        .fault(Fault::on("POST", "/oauth/tokens").answer(Answer::gateway_page(502)));
    stage.home.loopdesk(["refresh"]).await.failed(5);
    let state = stage.acme().await.state;
    assert!(is_in_order(state), "{state:?}");
    lost.remove();
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn r4_a_wrong_secret_fails_the_login_and_one_that_was_replaced_blocks() {
    let stage = stage(users::AGENT, None).await;
    let _daemon = stage.daemon().await;
    let output = log_in(&stage, "not-the-secret-of-this-client")
        .await
        .failed(5);
    assert!(
        output
            .stderr
            .contains("doesn't accept the secret of the OAuth client"),
        "{output:?}"
    );
    assert!(
        output.stderr.contains("--client-secret-stdin"),
        "{output:?}"
    );
    assert!(!output.stderr.contains("not-the-secret"), "{output:?}");
    assert_eq!(stage.acme().await.state, State::SignedOut);

    log_in(&stage, SECRET).await.ok();
    let next = "0000111122223333444455556666777788889999";
    stage
        .zendesk
        .register_client(Client::confidential("loopdesk", next).user(users::AGENT));
    let output = stage.home.loopdesk(["refresh"]).await.failed(5);
    assert!(
        output.stderr.contains("--client-secret-stdin"),
        "{output:?}"
    );
    assert_eq!(stage.acme().await.state, State::Blocked);
    assert_eq!(
        stage.get("/api/v2/users/me.json").await.0,
        200,
        "while the token lives"
    );
    log_in(&stage, next).await.ok();
    assert_eq!(stage.acme().await.state, State::Active);
}

#[tokio::test]
async fn r8_logout_revokes_and_the_next_login_needs_the_secret() {
    let stage = stage(users::AGENT, None).await;
    let _daemon = stage.daemon().await;
    stage.home.loopdesk(["login"]).await.failed(4);
    log_in(&stage, SECRET).await.ok();
    stage.home.loopdesk(["login"]).await.ok();
    stage.home.loopdesk(["logout"]).await.ok();
    let tokens = stage.secrets();
    let caller = stage.zendesk.caller().unwrap();
    for token in &tokens {
        let reply = caller
            .clone()
            .bearer(token)
            .get("/api/v2/tickets/1.json")
            .await
            .unwrap();
        assert_eq!(reply.status(), 401);
    }
    assert_eq!(tokens.len(), 2);
    let output = stage.home.loopdesk(["login"]).await.failed(4);
    assert!(
        output
            .stderr
            .contains("loopdesk login acme --client-secret-stdin"),
        "{output:?}"
    );
}

#[tokio::test]
async fn s5_another_grant_in_the_configuration_keeps_the_record_and_sends_nothing() {
    let stage = stage(users::AGENT, None).await;
    let _daemon = stage.daemon().await;
    log_in(&stage, SECRET).await.ok();
    let file = stage.home.paths().sessions_dir().join("acme.session");
    let record = std::fs::read(&file).unwrap();
    let seen = stage.zendesk.requests().len();

    let set = ["account", "set", "acme", "grant"];
    let to = |grant| set.into_iter().chain([grant]);
    stage.home.loopdesk(to("authorization-code")).await.ok();
    let acme = stage.acme_loaded().await;
    assert_eq!(acme.state, State::SignedOut);
    let problem = acme.problem.unwrap();
    assert!(
        problem.message.contains("`client-credentials`"),
        "{problem}"
    );
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 401);
    let output = log_in(&stage, SECRET).await.failed(2);
    assert!(output.stderr.contains("grant"), "{output:?}");
    assert_eq!(stage.zendesk.requests().len(), seen);
    assert_eq!(std::fs::read(&file).unwrap(), record);

    stage.home.loopdesk(to("client-credentials")).await.ok();
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

/// A Zendesk whose client `loopdesk` is confidential and was made by `user`.
async fn stage(user: u64, ttl: Option<u64>) -> Stage {
    let client = Client::confidential("loopdesk", SECRET).user(user);
    let mut builder = Zendesk::builder().client(client);
    if let Some(seconds) = ttl {
        builder = builder.granted_access_ttl(std::time::Duration::from_secs(seconds));
    }
    Stage::with_config(binary(), builder, "", "grant = \"client-credentials\"").await
}

async fn log_in(stage: &Stage, secret: &str) -> Output {
    let mut login = stage
        .home
        .command("loopdesk")
        .args(["login", "--client-secret-stdin"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = login.stdin.take().unwrap();
    stdin
        .write_all(format!("{secret}\n").as_bytes())
        .await
        .unwrap();
    drop(stdin);
    let output = login.wait_with_output().await.unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn is_fetch(record: &Record) -> bool {
    let post = record.token_post.as_ref();
    post.is_some_and(|post| post.grant == "client_credentials")
}

fn is_revocation(record: &Record) -> bool {
    record.is("DELETE", "/api/v2/oauth/tokens/current") && record.status().is_some_and(|s| s == 204)
}
