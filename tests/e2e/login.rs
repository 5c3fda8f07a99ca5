//! From no session to a session, and back.

use std::process::Stdio;

use loopdesk_protocol::login::{Authorize, LoginEvent, LoginRequest};
use loopdesk_protocol::status::State;
use loopdesk_protocol::{Kind, client, login};
use loopdesk_tests::zendesk::{Answer, Decision, Fault, Record, users};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::stage;

#[tokio::test]
async fn a_login_starts_the_daemon_and_says_who_is_logged_in() {
    let stage = stage().await;
    let output = stage.home.loopdesk(["login"]).await.ok();
    let acme = stage.acme().await;
    let person = acme.person.expect("somebody is logged in");
    assert_eq!(acme.state, State::Active);
    assert!(output.stdout.contains(&person.name), "{output:?}");
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    let pid = stage.status().await.daemon.pid;
    loopdesk_tests::daemon::terminate(pid).await;
}

#[tokio::test]
async fn a_denied_login_changes_nothing_and_says_so() {
    let mut stage = stage().await;
    stage.home.set("CONSENT", "deny");
    let _daemon = stage.daemon().await;
    let output = stage.home.loopdesk(["login"]).await.failed(4);
    assert!(output.stderr.contains("loopdesk login"), "{output:?}");
    assert_eq!(stage.acme().await.state, State::SignedOut);
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 401);
}

#[tokio::test]
async fn an_address_pasted_from_another_machine_completes_the_login() {
    let stage = stage().await;
    let _daemon = stage.daemon().await;
    let mut login = stage
        .home
        .command("loopdesk")
        .args(["login", "--no-browser"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(login.stdout.take().unwrap()).lines();
    let url = loop {
        let line = lines.next_line().await.unwrap().expect("an address");
        if line.starts_with("https://") {
            break line;
        }
    };
    let pasted = stage.zendesk.consent(&url, Decision::Allow).await.unwrap();
    let mut stdin = login.stdin.take().unwrap();
    // People often paste something else first.
    stdin
        .write_all(b"http://127.0.0.1:1/callback?code=x&state=y\n")
        .await
        .unwrap();
    stdin
        .write_all(format!("{pasted}\n").as_bytes())
        .await
        .unwrap();
    assert!(login.wait().await.unwrap().success());
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn d1_a_forged_callback_is_refused_and_the_login_goes_on() {
    let stage = stage().await;
    let _daemon = stage.daemon().await;
    let (mut events, authorize) = begin(&stage).await;
    for forged in [
        "code=x&state=wrong",
        "code=x",
        "state=wrong",
        "error=access_denied&state=wrong",
    ] {
        let address = format!("{}?{forged}", authorize.redirect_uri);
        let output = stage
            .home
            .run(
                "curl",
                ["-sS", "-o", "/dev/null", "-w", "%{http_code}", &address],
            )
            .await;
        assert_eq!(output.ok().stdout, "404", "{forged}");
    }
    let post = stage
        .home
        .run(
            "curl",
            [
                "-sS",
                "-d",
                "x",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                &authorize.redirect_uri,
            ],
        )
        .await;
    assert_ne!(post.ok().stdout, "200");

    let callback = stage
        .zendesk
        .consent(&authorize.url, Decision::Allow)
        .await
        .unwrap();
    let page = stage
        .home
        .run("curl", ["-sSi", &callback])
        .await
        .ok()
        .stdout;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    for header in [
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "content-security-policy:",
    ] {
        assert!(
            page.to_ascii_lowercase().contains(header),
            "{header} in {page}"
        );
    }
    assert!(matches!(
        events.next().await.unwrap(),
        Some(LoginEvent::Done(_))
    ));
}

#[tokio::test]
async fn d1_w8_where_every_port_is_held_the_address_is_pasted() {
    let stage = stage().await;
    let _daemon = stage.daemon().await;
    let uri = stage.zendesk.redirect_uris().pop().unwrap();
    let (_, place) = uri.split_once("://").unwrap();
    let (place, _) = place.split_once('/').unwrap();
    let _held = std::net::TcpListener::bind(place).unwrap();
    let refused = stage.home.loopdesk(["login"]).await.failed(4);
    let fix = "`loopdesk login acme --no-browser`, which doesn't need a port";
    assert!(refused.stderr.contains(fix), "{refused:?}");

    let mut login = stage
        .home
        .command("loopdesk")
        .args(["login", "--no-browser"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(login.stdout.take().unwrap()).lines();
    let url = lines.next_line().await.unwrap().unwrap();
    let pasted = stage.zendesk.consent(&url, Decision::Allow).await.unwrap();
    let mut stdin = login.stdin.take().unwrap();
    let line = format!("{pasted}\n");
    stdin.write_all(line.as_bytes()).await.unwrap();
    let output = login.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("other programs use loopdesk's ports"),
        "{said}"
    );
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn r8_a_login_as_a_new_person_ends_with_the_way_back_and_no_other_does() {
    let stage = stage().await;
    let _daemon = stage.daemon().await;
    let way_back = "If that isn't you, run `loopdesk logout acme`";
    let first = stage.home.loopdesk(["login"]).await.ok();
    assert!(first.stderr.contains(way_back), "{first:?}");
    let again = stage.home.loopdesk(["login"]).await.ok();
    assert!(!again.stderr.contains(way_back), "{again:?}");
    stage.zendesk.set_consenting_user(users::AGENT);
    let other = stage.home.loopdesk(["login", "--switch-user"]).await.ok();
    assert!(other.stderr.contains(way_back), "{other:?}");
    assert!(other.stderr.contains("Ben Agent"), "{other:?}");
}

#[tokio::test]
async fn d1_what_zendesk_says_is_escaped_on_the_page() {
    let stage = stage().await;
    let _daemon = stage.daemon().await;
    let (mut events, authorize) = begin(&stage).await;
    let state = authorize
        .url
        .split(['?', '&'])
        .find(|p| p.starts_with("state="))
        .unwrap();
    let address = format!(
        "{}?error=server_error&error_description=%3Cscript%3Ealert(1)%3C/script%3E&{state}",
        authorize.redirect_uri
    );
    let page = stage.home.run("curl", ["-sS", &address]).await.ok().stdout;
    assert!(!page.contains("<script>"), "{page}");
    assert!(matches!(
        events.next().await.unwrap(),
        Some(LoginEvent::Failed(_))
    ));
}

#[tokio::test]
async fn r8_a_login_as_somebody_else_is_refused_with_both_names_unless_asked_for() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let first = stage.acme().await.person.unwrap();
    assert_ne!(first.id, users::AGENT);
    stage.zendesk.set_consenting_user(users::AGENT);

    let output = stage.home.loopdesk(["login"]).await.failed(4);
    assert!(output.stderr.contains(&first.name), "{output:?}");
    assert!(output.stderr.contains("Ben Agent"), "{output:?}");
    assert!(output.stderr.contains("--switch-user"), "{output:?}");
    assert_eq!(stage.acme().await.person.unwrap().id, first.id);
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);

    stage.home.loopdesk(["login", "--switch-user"]).await.ok();
    assert_eq!(stage.acme().await.person.unwrap().id, users::AGENT);
}

#[tokio::test]
async fn r8_a_second_login_revokes_the_pair_that_it_replaces() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    stage.home.loopdesk(["login"]).await.ok();
    // A person at a terminal would not wait for that.
    let revoked = |record: &Record| {
        record.is("DELETE", "/api/v2/oauth/tokens/current") && record.status().is_some()
    };
    stage.zendesk_sees(|seen| seen.iter().any(revoked)).await;
    assert_eq!(stage.live_pairs(), 1);
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn r8_logout_revokes_and_offline_it_fails_unless_told_to_forget() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let offline = stage.zendesk.fault(
        Fault::on("DELETE", "/api/v2/oauth/tokens/current").answer(Answer::gateway_page(502)),
    );
    let output = stage.home.loopdesk(["logout"]).await.failed(5);
    assert!(output.stderr.contains("--forget"), "{output:?}");
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    offline.remove();

    stage.home.loopdesk(["logout"]).await.ok();
    assert_eq!(stage.live_pairs(), 0);
    let (status, body) = stage.get_json("/api/v2/users/me.json").await;
    assert_eq!(status, 401);
    assert!(
        body["description"]
            .as_str()
            .unwrap()
            .contains("loopdesk login acme"),
        "{body}"
    );
    assert!(
        !stage
            .home
            .paths()
            .sessions_dir()
            .join("acme.session")
            .exists()
    );
}

#[tokio::test]
async fn r9_the_browser_is_not_asked_while_the_key_could_not_be_kept() {
    let stage = stage().await;
    let config = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&config)
        .unwrap()
        .replace("keyfile", "keyring");
    std::fs::write(&config, text).unwrap();
    let _daemon = stage.daemon().await;
    let output = stage.home.loopdesk(["login"]).await.failed(7);
    assert!(
        output.stderr.contains("loopdesk config set vault keyfile"),
        "{output:?}"
    );
    assert_eq!(stage.zendesk.requests().len(), 0);
}

#[tokio::test]
async fn a_login_that_is_given_up_closes_its_port() {
    let stage = stage().await;
    let _daemon = stage.daemon().await;
    let (events, first) = begin(&stage).await;
    drop(events);
    let (_events, second) = begin(&stage).await;
    assert_eq!(first.redirect_uri, second.redirect_uri);
    assert_ne!(first.url, second.url);
}

#[tokio::test]
async fn a_login_that_waits_is_given_up_when_the_daemon_ends() {
    let stage = stage().await;
    let daemon = stage.daemon().await;
    let (mut events, _authorize) = begin(&stage).await;
    let (ended, event) = tokio::join!(daemon.stop(), events.next());
    assert!(ended.success(), "{ended:?}");
    match event.unwrap() {
        Some(LoginEvent::Failed(problem)) => assert_eq!(problem.kind, Kind::Daemon, "{problem}"),
        other => panic!("{other:?}"),
    }
    let log = loopdesk_tests::Daemon::log(&stage.home);
    assert!(!log.contains("unfinished"), "{log}");
}

async fn begin(stage: &loopdesk_tests::Stage) -> (client::Lines<LoginEvent>, Authorize) {
    let mut events = stage
        .control()
        .stream(login::CALL, &LoginRequest::default())
        .await
        .unwrap();
    match events.next().await.unwrap() {
        Some(LoginEvent::Authorize(authorize)) => (events, authorize),
        other => panic!("{other:?}"),
    }
}
