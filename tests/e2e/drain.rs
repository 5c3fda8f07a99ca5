//! How a daemon ends: requests in flight finish, and nothing delays the end forever.

use std::time::Duration;

use loopdesk_protocol::status::State;
use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::{Answer, Fault, Gate, Zendesk};
use loopdesk_tests::{Daemon, Raw, Stage};
use rustix::process::Signal;
use tokio::net::TcpStream;

use super::{binary, stage};

#[tokio::test]
async fn o2_sigterm_lets_ten_downloads_and_a_refresh_finish() {
    let stage = plain().await;
    let daemon = stage.logged_in().await;
    let (middle, answer) = (Gate::closed(), Gate::closed());
    let mut scripts = downloads(&stage, 10, &middle).await;
    let tokens = Fault::on("POST", "/oauth/tokens").hold_answer(&answer);
    stage.zendesk.fault(tokens);
    let mut refresh = stage.home.command("loopdesk");
    let mut refresh = refresh.arg("refresh").spawn().unwrap();
    answer.reached(1).await;

    daemon.signal(Signal::TERM);
    nobody_is_let_in(&stage).await;
    answer.open();
    middle.open();
    for script in &mut scripts {
        assert_eq!(script.bytes(SIZE - BEFORE).await, vec![b'x'; SIZE - BEFORE]);
    }
    assert!(daemon.ended().await.unwrap().success());
    refresh.wait().await.unwrap();

    let _again = stage.daemon().await;
    assert_eq!(stage.get("/api/v2/tickets/1.json").await.0, 200);
    let acme = stage.acme().await;
    assert_eq!((acme.state, acme.generation), (State::Active, Some(2)));
}

#[tokio::test]
async fn o2_a_download_that_never_ends_holds_nothing_up_beyond_the_budget() {
    let stage = plain().await;
    let daemon = stage.logged_in().await;
    let middle = Gate::closed();
    let _scripts = downloads(&stage, 1, &middle).await;
    let stopped = tokio::time::timeout(BEYOND, daemon.stop()).await;
    assert!(stopped.expect("it ends").success());
    let log = Daemon::log(&stage.home);
    assert!(log.contains("tasks unfinished after 15 s"), "{log}");
}

#[tokio::test]
async fn o2_a_second_sigterm_ends_at_once_whatever_is_under_way() {
    let stage = plain().await;
    let daemon = stage.logged_in().await;
    let (middle, answer) = (Gate::closed(), Gate::closed());
    let _scripts = downloads(&stage, 1, &middle).await;
    let tokens = Fault::on("POST", "/oauth/tokens").hold_answer(&answer);
    stage.zendesk.fault(tokens);
    let mut refresh = stage.home.command("loopdesk");
    let _refresh = refresh.arg("refresh").spawn().unwrap();
    answer.reached(1).await;
    daemon.signal(Signal::TERM);
    nobody_is_let_in(&stage).await;
    daemon.signal(Signal::TERM);
    assert!(daemon.ended().await.unwrap().success());
    let log = Daemon::log(&stage.home);
    assert!(log.contains("at once by a second signal"), "{log}");
}

#[tokio::test]
async fn o2_an_idle_connection_is_answered_once_more_and_told_to_close() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    let request = format!(
        "POST /api/v2/tickets.json HTTP/1.1\r\nHost: localhost:{}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{TICKET}",
        stage.port,
        TICKET.len()
    );
    let mut script = Raw::connect(stage.port).await;
    script.send(&request).await;
    let first = script.answer().await;
    assert_eq!(first.status(), 201, "{first:?}");
    assert!(!first.head.has("connection", "close"), "{first:?}");

    daemon.signal(Signal::TERM);
    nobody_is_let_in(&stage).await;
    script.send(&request).await;
    let last = script.answer().await;
    assert_eq!(last.status(), 201, "{last:?}");
    assert!(last.head.has("connection", "close"), "{last:?}");
    assert!(script.all().await.is_empty());
    assert!(daemon.ended().await.unwrap().success());
}

async fn plain() -> Stage {
    Stage::set(binary(), Zendesk::builder().gzip(false)).await
}

/// Scripts in the middle of a download that continues once `middle` is open.
async fn downloads(stage: &Stage, count: usize, middle: &Gate) -> Vec<Raw> {
    let answer = Answer::new(200)
        .header("content-type", "video/mp4")
        .body(vec![b'x'; SIZE]);
    let fault = Fault::on("GET", "/api/v2/big").answer(answer);
    stage.zendesk.fault(fault.pause_body(BEFORE, middle));
    let request = format!(
        "GET /api/v2/big HTTP/1.1\r\nHost: localhost:{}\r\n\r\n",
        stage.port
    );
    let mut scripts = Vec::new();
    for _ in 0..count {
        let mut script = Raw::connect(stage.port).await;
        script.send(&request).await;
        let head = script.head().await;
        assert_eq!(head.get("content-length"), Some(&*SIZE.to_string()));
        assert_eq!(script.bytes(BEFORE).await, vec![b'x'; BEFORE]);
        scripts.push(script);
    }
    scripts
}

/// Waits until the daemon has received the signal to end.
async fn nobody_is_let_in(stage: &Stage) {
    let address = ("127.0.0.1", stage.port);
    eventually("the port is closed", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
}

const TICKET: &str = r#"{"ticket":{"subject":"drain","comment":{"body":"x"}}}"#;
/// More than the budget, even on a machine that is busy with a build.
const BEYOND: Duration = Duration::from_secs(45);
const SIZE: usize = 100_000;
/// What has arrived before the download pauses.
const BEFORE: usize = 1_000;
