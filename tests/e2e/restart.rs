//! A session survives a restart of the daemon.

use loopdesk_protocol::status::State;
use loopdesk_tests::zendesk::{Fault, Gate};

use super::{stage, stage_with_ttl};

#[tokio::test]
async fn r3_a_killed_daemon_needs_no_login() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    daemon.kill().await;

    let _again = stage.daemon().await;
    let (status, me) = stage.get_json("/api/v2/users/me.json").await;
    assert_eq!(status, 200);
    assert!(me["user"]["id"].is_u64(), "{me}");
}

/// Its sockets still exist. Commands don't mistake them for a running daemon's, and the next daemon
/// replaces them.
#[tokio::test]
async fn o2_a_crashed_daemons_sockets_are_told_from_a_live_ones() {
    let stage = stage().await;
    stage.logged_in().await.kill().await;
    let paths = stage.home.paths();
    let sockets = [paths.control_socket(), paths.proxy_socket()];
    for socket in &sockets {
        assert!(socket.exists(), "{}", socket.display());
    }
    let said = stage.home.loopdesk(["status"]).await.failed(6).stderr;
    assert!(said.contains("loopdesk isn't running"), "{said}");
    assert!(said.contains("`loopdesk wait`"), "{said}");

    let daemon = stage.daemon().await;
    let proxy = sockets[1].display().to_string();
    let by_socket = ["--unix-socket", &proxy];
    let said = stage.curl("/api/v2/users/me.json", &by_socket).await.ok();
    assert!(said.stdout.contains("\"user\""), "{said:?}");
    stage.home.loopdesk(["status"]).await.ok();
    // A daemon that shuts down in good order leaves none behind.
    daemon.stop().await;
    for socket in &sockets {
        assert!(!socket.exists(), "{}", socket.display());
    }
}

#[tokio::test]
async fn r3_a_daemon_killed_between_rotations_uses_the_newest_pair() {
    let stage = stage_with_ttl(2).await;
    let daemon = stage.logged_in().await;
    while stage.acme().await.generation < Some(3) {
        assert_eq!(stage.get("/api/v2/tickets/1.json").await.0, 200);
    }
    daemon.kill().await;
    let _again = stage.daemon().await;
    assert_eq!(stage.get("/api/v2/tickets/1.json").await.0, 200);
}

#[tokio::test]
async fn o2_sigterm_finishes_and_stores_a_refresh_in_flight() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    let gate = Gate::closed();
    stage
        .zendesk
        .fault(Fault::on("POST", "/oauth/tokens").hold_answer(&gate));
    let mut refresh = stage
        .home
        .command("loopdesk")
        .arg("refresh")
        .spawn()
        .unwrap();
    gate.reached(1).await;
    daemon.signal(rustix::process::Signal::TERM);
    gate.open();
    assert!(daemon.ended().await.unwrap().success());
    refresh.wait().await.unwrap();

    let _again = stage.daemon().await;
    assert_eq!(stage.get("/api/v2/tickets/1.json").await.0, 200);
    let acme = stage.acme().await;
    assert_eq!((acme.state, acme.generation), (State::Active, Some(2)));
}

#[tokio::test]
async fn r3_a_record_of_another_format_is_refused_and_kept() {
    let stage = stage().await;
    stage.logged_in().await.stop().await;
    let file = stage.home.paths().sessions_dir().join("acme.session");
    let ours = std::fs::read_to_string(&file).unwrap();
    let newer = ours.replacen("\"loopdesk-session\":1,", "\"loopdesk-session\":99,", 1);
    assert_ne!(newer, ours);
    std::fs::write(&file, &newer).unwrap();

    let _daemon = stage.daemon().await;
    let acme = stage.acme_loaded().await;
    let problem = acme.problem.expect("a problem");
    assert!(problem.message.contains("acme.session"), "{problem:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), newer);
    assert_eq!(
        stage.zendesk.count(|r| r
            .token_post
            .as_ref()
            .is_some_and(|p| p.grant == "refresh_token")),
        0
    );
}
