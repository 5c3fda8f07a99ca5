//! Several daemons and machines around one session (R3): the second one adopts it, refuses, or
//! leaves it alone.

use loopdesk_protocol::status::State;
use loopdesk_tests::wait::eventually;
use loopdesk_tests::{Daemon, Failpoints, Home, Stage};

use super::{binary, stage};

const ME: &str = "/api/v2/users/me.json";

fn record(stage: &Stage) -> std::path::PathBuf {
    stage.home.paths().sessions_dir().join("acme.session")
}

/// The record that another daemon leaves, which starts with this one's record and key and does what
/// `arguments` say: as if both shared a folder on which locks don't work.
async fn left_by_another(stage: &Stage, arguments: &[&str]) -> Vec<u8> {
    let ours = stage.home.paths();
    let text = std::fs::read_to_string(ours.config_file()).unwrap();
    let port = loopdesk_tests::ports::free();
    let elsewhere = text.replace(&format!(":{}\"", stage.port), &format!(":{port}\""));
    assert_ne!(elsewhere, text);
    let callback = format!(
        "http://127.0.0.1:{}/callback",
        loopdesk_tests::ports::free()
    );
    stage.zendesk.register_redirect_uri(&callback);
    let (before, rest) = elsewhere.split_once("redirect-uris = [\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let elsewhere = format!("{before}redirect-uris = [\"{callback}\"{after}");
    let mut home = Home::new(binary()).unwrap();
    home.set("CONSENT_CA", stage.zendesk.ca_file().display().to_string());
    home.configure(&elsewhere);
    let theirs = home.paths();
    std::fs::create_dir_all(theirs.sessions_dir()).unwrap();
    std::fs::copy(ours.key_file(), theirs.key_file()).unwrap();
    std::fs::copy(record(stage), theirs.sessions_dir().join("acme.session")).unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    home.loopdesk(arguments).await.ok();
    daemon.kill().await;
    std::fs::read(theirs.sessions_dir().join("acme.session")).unwrap()
}

#[tokio::test]
async fn r3_a_second_daemon_is_refused_and_told_who_runs() {
    let stage = stage().await;
    let daemon = stage.daemon().await;
    let refused = stage.home.run("loopdeskd", [""; 0]).await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    let told = format!("loopdeskd is already running, as process {}", daemon.pid());
    assert!(refused.stderr.contains(&told), "{refused:?}");
}

#[tokio::test]
async fn r3_a_record_that_another_process_has_changed_is_adopted_and_not_refreshed_after() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let newer = left_by_another(&stage, &["refresh"]).await;
    std::fs::write(record(&stage), &newer).unwrap();
    stage.zendesk.clear();
    // By now its own pair is dead: refreshing with it would end the session.
    let (status, body) = stage.get(ME).await;
    assert_eq!(status, 200, "{body}");
    assert!(stage.zendesk.token_posts().is_empty(), "nobody refreshed");
    assert_eq!(
        std::fs::read(record(&stage)).unwrap(),
        newer,
        "left as it was"
    );
    let acme = stage.acme().await;
    assert_eq!((acme.state, acme.generation), (State::Active, Some(2)));
    stage.home.loopdesk(["refresh"]).await.ok();
    assert_eq!(stage.acme().await.generation, Some(3));
    assert_eq!(stage.live_pairs(), 1);
}

#[tokio::test]
async fn r3_a_record_that_is_changed_while_a_refresh_is_under_way_is_not_overwritten() {
    let mut stage = stage().await;
    let Some(failpoints) = Failpoints::of(&mut stage.home) else {
        return;
    };
    let _daemon = stage.logged_in().await;
    let held = failpoints.hold_at("answer-parsed");
    let _refresh = stage
        .home
        .command("loopdesk")
        .arg("refresh")
        .spawn()
        .unwrap();
    let reached = held.reached().await;
    let theirs = left_by_another(&stage, &["login"]).await;
    std::fs::write(record(&stage), &theirs).unwrap();
    drop((held, reached));
    eventually("their login is in use", async || {
        stage.acme().await.state == State::Active && stage.live_pairs() == 1
    })
    .await;
    assert_eq!(
        std::fs::read(record(&stage)).unwrap(),
        theirs,
        "left as it was"
    );
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn r3_a_record_of_an_older_generation_is_never_refreshed() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let older = std::fs::read(record(&stage)).unwrap();
    stage.home.loopdesk(["refresh"]).await.ok();
    // A backup is restored while the daemon runs.
    std::fs::write(record(&stage), older).unwrap();
    stage.home.loopdesk(["refresh"]).await.ok();
    assert_eq!(stage.acme().await.generation, Some(3));
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn r3_a_record_from_another_machine_is_never_refreshed_and_says_so() {
    let stage = stage().await;
    stage.logged_in().await.kill().await;
    let ours = std::fs::read_to_string(record(&stage)).unwrap();
    let (before, rest) = ours.split_once("\"machine\":\"").unwrap();
    let theirs = format!("{before}\"machine\":\"{}{}", "0".repeat(32), &rest[32..]);
    assert_ne!(theirs, ours);
    std::fs::write(record(&stage), &theirs).unwrap();
    stage.zendesk.clear();
    let _daemon = stage.daemon().await;
    let (status, body) = stage.get(ME).await;
    assert_eq!(status, 401, "{body}");
    assert!(body.contains("another machine"), "{body}");
    stage.home.loopdesk(["refresh"]).await.failed(4);
    assert!(stage.zendesk.requests().is_empty(), "Zendesk hears nothing");
    assert_eq!(
        std::fs::read_to_string(record(&stage)).unwrap(),
        theirs,
        "and it is kept"
    );
}
