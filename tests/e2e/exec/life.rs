//! Ends and restarts: of the command, of its helper, and of the daemon.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use loopdesk_tests::wait::eventually;
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;

use super::held::{Held, folders, helpers, no_helper};
use super::{ME, named, reader};

const GET: &str = "GET /api/v2/users/me.json HTTP/1.1\r\nHost: acme.zendesk.com\r\n\r\n";

/// A process loses its name a moment before its sockets.
async fn is_closed(port: u16) {
    let is_closed = async || TcpStream::connect(("127.0.0.1", port)).await.is_err();
    eventually("nobody listens", is_closed).await;
}

#[tokio::test]
async fn s9_a_killed_command_takes_its_helper_and_its_folder_along() {
    let (named, daemon) = named().await;
    let held = Held::start(&named, &[]).await;
    let (port, before) = (held.port(), folders(&named));
    assert_eq!((helpers(&named).len(), before.len()), (1, 1));
    held.kill().await;
    no_helper(&named).await;
    is_closed(port).await;
    assert_eq!(folders(&named).len(), 0);
    daemon.stop().await;
}

#[tokio::test]
async fn s9_a_killed_helper_leaves_certificates_only_and_the_next_run_clears_them_away() {
    let (named, daemon) = named().await;
    let held = Held::start(&named, &[]).await;
    let (port, password) = (held.port(), held.password().to_owned());
    let helper = helpers(&named)[0];
    let left = folders(&named)[0].clone();
    kill_process(Pid::from_raw(helper).unwrap(), Signal::KILL).unwrap();
    no_helper(&named).await;
    is_closed(port).await;
    for file in ["bundle.pem", "extra.pem", "php/loopdesk.ini", "lock"] {
        let text = std::fs::read_to_string(left.join(file)).unwrap();
        assert!(
            !text.contains("PRIVATE KEY") && !text.contains(&password),
            "{file}"
        );
    }
    assert!(held.end().await.success(), "the command notices by itself");
    let next = Held::start(&named, &[]).await;
    let now = folders(&named);
    assert!(now.len() == 1 && now[0] != left, "{now:?}");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&now[0]), 0o700);
    for file in ["bundle.pem", "extra.pem", "php/loopdesk.ini", "lock"] {
        assert_eq!(mode(&now[0].join(file)), 0o600, "{file}");
    }
    next.end().await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_signals_that_end_a_service_leave_the_helper_to_its_command() {
    let (named, daemon) = named().await;
    let held = Held::start(&named, &[]).await;
    let helper = Pid::from_raw(helpers(&named)[0]).unwrap();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        kill_process(helper, signal).unwrap();
    }
    let mut tls = held.acme().await;
    tls.send(GET).await;
    assert_eq!(tls.answer().await.head.status(), 200);
    held.end().await;
    no_helper(&named).await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_a_daemon_that_restarts_in_the_middle_is_waited_for() {
    let (named, daemon) = named().await;
    reader(&named).await;
    for options in [&[][..], &["--key", "reader"]] {
        let held = Held::start(&named, options).await;
        let mut open = held.acme().await;
        open.send(GET).await;
        assert_eq!(open.answer().await.head.status(), 200);
        let pid = named.stage.status().await.daemon.pid;
        let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        // Opened while nobody is there.
        let mut new = held.acme().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        new.send(GET).await;
        let restarted = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            named.stage.home.loopdesk(["wait"]).await.ok();
        };
        let (answer, ()) = tokio::join!(new.answer(), restarted);
        assert_eq!(answer.head.status(), 200, "{options:?}: {answer:?}");
        let again = named.stage.get("/api/v2/users/me.json").await;
        assert_eq!(again.0, 200);
        held.end().await;
    }
    let pid = named.stage.status().await.daemon.pid;
    loopdesk_tests::daemon::terminate(pid).await;
    drop(daemon);
}

#[tokio::test]
async fn s9_s4_without_a_daemon_a_request_is_answered_after_ten_seconds() {
    let (named, daemon) = named().await;
    let held = Held::start(&named, &[]).await;
    daemon.stop().await;
    let began = Instant::now();
    let mut tls = held.acme().await;
    tls.send(GET).await;
    let answer = tls.answer().await;
    let took = began.elapsed();
    assert!(
        took > Duration::from_secs(9) && took < Duration::from_secs(20),
        "{took:?}"
    );
    assert_eq!(answer.head.status(), 502);
    assert_eq!(answer.head.get("x-loopdesk-error").unwrap(), "no-daemon");
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(
        body["description"]
            .as_str()
            .unwrap()
            .contains("`loopdesk wait`"),
        "{body}"
    );
    held.end().await;
}

#[tokio::test]
async fn s9_an_idle_connection_ends_with_the_daemons() {
    let (named, daemon) = named().await;
    let held = Held::start(&named, &[]).await;
    let mut tls = held.acme().await;
    tls.send(GET).await;
    assert_eq!(tls.answer().await.head.status(), 200);
    daemon.stop().await;
    let closed = tokio::time::timeout(Duration::from_secs(10), tls.all()).await;
    closed.expect("the program learns that its connection is over");
    held.end().await;
}

#[tokio::test]
async fn s9_a_tls_error_of_a_program_with_its_own_store_is_one_line_that_names_host_and_setting() {
    let (named, daemon) = named().await;
    let script = format!(
        "curl -sS --cacert {} {ME}; curl -sS --cacert {0} {ME}",
        named.stage.zendesk.ca_file().display()
    );
    let output = named.exec(&["--", "sh", "-c", &script]).await;
    assert_eq!(output.code, Some(60), "{output:?}");
    no_helper(&named).await;
    let log = std::fs::read_to_string(named.stage.home.paths().exec_log_file()).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for word in ["acme.zendesk.com", "SSL_CERT_FILE", "`loopdesk guide exec`"] {
        assert!(lines[0].contains(word), "{word}: {}", lines[0]);
    }
    daemon.stop().await;
}
