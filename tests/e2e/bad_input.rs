//! Every wrong value is reported, with its fix.

use std::net::TcpListener;

use loopdesk_protocol::status::State;
use loopdesk_tests::Daemon;
use loopdesk_tests::zendesk::{Answer, Fault};

use super::stage;

#[tokio::test]
async fn a_daemon_with_a_wrong_configuration_says_where_and_what() {
    let stage = stage().await;
    stage
        .home
        .configure("listen = [\"0.0.0.0:8484\"]\nvolt = 1\n");
    let said = Daemon::start(&stage.home).await.unwrap_err();
    assert!(said.contains("config.toml:1:11"), "{said}");
    assert!(said.contains("not on a loopback interface"), "{said}");
    assert!(said.contains("unknown key `volt`"), "{said}");
    let by_cli = stage.home.loopdesk(["login"]).await.failed(3);
    assert!(by_cli.stderr.contains("unknown key `volt`"), "{by_cli:?}");
}

#[tokio::test]
async fn a_running_daemon_keeps_the_old_configuration_and_says_why() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let file = stage.home.paths().config_file();
    let right = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{right}\nvolt = 1\n")).unwrap();
    let output = stage.home.loopdesk(["config", "reload"]).await.failed(3);
    assert!(output.stderr.contains("unknown key `volt`"), "{output:?}");
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    let status = stage.home.loopdesk(["status"]).await.failed(1);
    assert!(format!("{status:?}").contains("volt"), "{status:?}");

    std::fs::write(&file, right).unwrap();
    stage.home.loopdesk(["config", "reload"]).await.ok();
    stage.home.loopdesk(["status"]).await.ok();
}

#[tokio::test]
async fn a_daemon_that_can_not_bind_names_who_holds_the_port() {
    let stage = stage().await;
    let _held = TcpListener::bind(("127.0.0.1", stage.port)).unwrap();
    let said = Daemon::start(&stage.home).await.unwrap_err();
    assert!(said.contains(&stage.port.to_string()), "{said}");
    assert!(said.contains(&std::process::id().to_string()), "{said}");
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_the_first_goes_on() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    let said = Daemon::start(&stage.home).await.unwrap_err();
    assert!(said.contains(&daemon.pid().to_string()), "{said}");
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn r4_odd_answers_of_the_token_endpoint_never_end_a_session() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let odd = [
        Answer::captive_portal(),
        Answer::gateway_page(502),
        Answer::maintenance(1),
        Answer::too_many_requests(1),
        Answer::text(407, "proxy"),
        Answer::redirect(302, "https://portal.example/"),
        Answer::json(200, &serde_json::json!({"hello": "world"})),
        Answer::json(400, &serde_json::json!({"error": "server_error"})),
    ];
    for answer in odd {
        let what = format!("{answer:?}");
        let fault = stage
            .zendesk
            .fault(Fault::on("POST", "/oauth/tokens").answer(answer));
        let output = stage.home.loopdesk(["refresh"]).await;
        assert_ne!(output.code, Some(0), "{what}");
        assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200, "{what}");
        assert_ne!(stage.acme().await.state, State::Ended, "{what}");
        fault.remove();
    }
    stage.home.loopdesk(["refresh"]).await.ok();
}

#[tokio::test]
async fn r4_an_ended_session_says_so_and_sends_nothing_more() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.revoke_tokens();
    stage.home.loopdesk(["refresh"]).await.failed(4);
    assert_eq!(stage.acme().await.state, State::Ended);
    let posts = |stage: &loopdesk_tests::Stage| stage.zendesk.count(|r| r.token_post.is_some());
    let before = posts(&stage);
    for _ in 0..3 {
        let (status, body) = stage.get_json("/api/v2/users/me.json").await;
        assert_eq!(status, 401);
        assert!(
            body["description"]
                .as_str()
                .unwrap()
                .contains("loopdesk login acme"),
            "{body}"
        );
    }
    assert_eq!(posts(&stage), before);
    stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn r5_a_lost_answer_is_retried_once_and_the_end_is_explained() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.fault(
        Fault::on("POST", "/oauth/tokens")
            .once()
            .reset_after_commit(),
    );
    let output = stage.home.loopdesk(["refresh"]).await.failed(4);
    let posts = stage.zendesk.count(|r| {
        r.token_post
            .as_ref()
            .is_some_and(|p| p.grant == "refresh_token")
    });
    assert_eq!(posts, 2, "{output:?}");
    assert_eq!(stage.acme().await.state, State::Ended);
    assert!(output.stderr.contains("lost"), "{output:?}");
}

#[tokio::test]
async fn s4_an_unreachable_zendesk_is_a_502_that_names_it() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let origin = stage.zendesk.origin().to_owned();
    stage
        .zendesk
        .fault(Fault::on("*", "/api/*").reset_before_commit());
    let output = stage
        .curl("/api/v2/tickets.json", &["-i"])
        .await
        .ok()
        .stdout;
    assert!(output.starts_with("HTTP/1.1 502"), "{output}");
    assert!(output.contains(&origin), "{output}");
    assert!(output.contains("loopdesk status"), "{output}");
}

#[tokio::test]
async fn r3_a_damaged_record_is_named_and_kept() {
    let stage = stage().await;
    stage.logged_in().await.stop().await;
    let file = stage.home.paths().sessions_dir().join("acme.session");
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let _daemon = stage.daemon().await;
    let problem = stage.acme_loaded().await.problem.expect("a problem");
    assert!(problem.message.contains("acme.session"), "{problem:?}");
    assert!(!problem.hints.is_empty(), "{problem:?}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn r9_a_missing_key_is_never_silently_replaced() {
    let stage = stage().await;
    stage.logged_in().await.stop().await;
    let key = stage.home.paths().key_file();
    let hidden = stage.home.path().join("hidden");
    std::fs::rename(&key, &hidden).unwrap();
    let daemon = stage.daemon().await;
    let acme = stage.acme_loaded().await;
    assert_eq!(acme.state, State::KeyMissing);
    let problem = acme
        .problem
        .expect("a problem, so that it isn't just loading");
    assert!(!problem.hints.is_empty(), "{problem:?}");
    assert!(!key.exists());
    daemon.stop().await;
    std::fs::rename(&hidden, &key).unwrap();
    let _daemon = stage.daemon().await;
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn s5_a_record_of_another_client_is_kept_and_never_sent() {
    let stage = stage().await;
    stage.logged_in().await.stop().await;
    let file = stage.home.paths().config_file();
    let right = std::fs::read_to_string(&file).unwrap();
    let own = format!("client-id = \"{}\"", stage.zendesk.client_id());
    std::fs::write(&file, right.replace(&own, "client-id = \"another\"")).unwrap();
    stage.zendesk.clear();
    let daemon = stage.daemon().await;
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 401);
    assert_eq!(stage.zendesk.requests().len(), 0);
    daemon.stop().await;
    std::fs::write(&file, right).unwrap();
    let _daemon = stage.daemon().await;
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}
