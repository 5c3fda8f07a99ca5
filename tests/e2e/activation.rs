//! A daemon with sockets that its supervisor holds.

use std::os::unix::net::UnixListener;

use loopdesk_protocol::start::REPLACED;
use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::{Fault, Gate};
use loopdesk_tests::{Daemon, Failpoints, Raw, Stage, Supervisor, ports};
use rustix::process::Signal;

use super::service::upgrade::{Load, replace_program};
use super::stage;

#[tokio::test]
async fn o2_who_calls_before_the_daemon_runs_is_served_once_it_does() {
    let stage = stage().await;
    let supervisor = Supervisor::of(&stage);
    let mut daemon = supervisor.ready(&stage).await;
    stage.home.loopdesk(["login"]).await.ok();
    daemon.says("WATCHDOG=1").await;
    daemon.signal(Signal::TERM);
    daemon.says("STOPPING=1").await;
    daemon.says("EXTEND_TIMEOUT_USEC=").await;
    assert!(daemon.ended().await.success());

    let mut script = Raw::connect(stage.port).await;
    script.send(get(&stage)).await;
    let _daemon = supervisor.start(&stage);
    let answer = script.answer().await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    let proxy = stage.home.paths().proxy_socket();
    let proxy = proxy.display().to_string();
    let by_socket = ["--unix-socket", &proxy];
    let said = stage.curl("/api/v2/users/me.json", &by_socket).await.ok();
    assert!(said.stdout.contains("\"user\""), "{said:?}");
    let status = stage.status().await;
    assert!(status.daemon.supervised);
    // The daemon also serves what the supervisor doesn't hold, and reports it.
    for listener in status.listeners {
        let is_held = !listener.address.starts_with("[::1]");
        assert_eq!(listener.problem.is_none(), is_held, "{listener:?}");
        assert!(listener.open, "{listener:?}");
    }
}

#[tokio::test]
async fn o2_a_port_that_is_not_configured_any_more_says_so_and_serves_again_when_it_is() {
    let stage = stage().await;
    let supervisor = Supervisor::of(&stage);
    let _daemon = supervisor.ready(&stage).await;
    stage.home.loopdesk(["login"]).await.ok();
    let config = stage.home.paths().config_file();
    let before = std::fs::read_to_string(&config).unwrap();
    let other = ports::free().to_string();
    std::fs::write(&config, before.replace(&stage.port.to_string(), &other)).unwrap();
    stage.home.loopdesk(["config", "reload"]).await.ok();
    let said = stage.curl("/", &["-i"]).await.ok().stdout;
    assert!(said.starts_with("HTTP/1.1 404"), "{said}");
    assert!(said.contains("unconfigured-port"), "{said}");
    assert!(said.contains("loopdesk service install"), "{said}");

    std::fs::write(&config, before).unwrap();
    stage.home.loopdesk(["config", "reload"]).await.ok();
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn o2_an_upgrade_at_held_sockets_fails_no_request() {
    let stage = stage().await;
    let supervisor = Supervisor::of(&stage);
    let mut daemon = supervisor.ready(&stage).await;
    stage.home.loopdesk(["login"]).await.ok();
    let mut load = Load::start(&stage);
    for _ in 0..3 {
        load.served_more().await;
        replace_program(&stage);
        daemon.signal(Signal::TERM);
        // The next one starts before the last one has ended, and waits for it.
        let next = supervisor.start(&stage);
        assert!(daemon.ended().await.success());
        daemon = next;
        daemon.says("READY=1").await;
        load.served_more().await;
    }
    let result = load.end().await;
    assert_eq!(result["failed"], serde_json::json!([]), "{result}");
    let posts = |r: &loopdesk_tests::zendesk::Record| {
        r.method == "POST" && r.path == "/api/v2/tickets.json"
    };
    assert_eq!(result["served"], stage.zendesk.count(posts), "{result}");
}

#[tokio::test]
async fn o2_a_replaced_program_takes_over_when_nothing_is_under_way() {
    let mut stage = stage().await;
    let Some(failpoints) = Failpoints::of(&mut stage.home) else {
        return;
    };
    failpoints.set_clock(0);
    let supervisor = Supervisor::of(&stage);
    let mut daemon = supervisor.ready(&stage).await;
    stage.home.loopdesk(["login"]).await.ok();
    let gate = Gate::closed();
    stage
        .zendesk
        .fault(Fault::on("GET", "/api/v2/users/me").hold(&gate));
    let mut script = Raw::connect(stage.port).await;
    script.send(get(&stage)).await;
    gate.reached(1).await;
    replace_program(&stage);
    eventually("the new program is noticed", async || {
        Daemon::log(&stage.home).contains("the binary was replaced")
    })
    .await;
    // With a request in flight, the old program continues, but for at most a day.
    failpoints.set_clock(23 * HOUR);
    for _ in 0..20 {
        let log = Daemon::log(&stage.home);
        assert!(!log.contains("so that the new binary can start"), "{log}");
        assert!(stage.status().await.daemon.supervised);
    }
    failpoints.set_clock(24 * HOUR);
    daemon.says("STOPPING=1").await;
    gate.open();
    assert_eq!(script.answer().await.status(), 200);
    assert_eq!(daemon.ended().await.code(), Some(i32::from(REPLACED)));

    let mut daemon = supervisor.ready(&stage).await;
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    replace_program(&stage);
    assert_eq!(daemon.ended().await.code(), Some(i32::from(REPLACED)));
    let _daemon = supervisor.ready(&stage).await;
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn o2_a_keyring_that_hangs_while_the_configuration_is_read_holds_nobody_up() {
    let stage = stage().await;
    // A bus that accepts calls and never answers.
    let _bus = UnixListener::bind(stage.home.path().join("run/bus")).unwrap();
    let supervisor = Supervisor::of(&stage);
    let mut daemon = supervisor.ready(&stage).await;
    stage.home.loopdesk(["login"]).await.ok();
    let config = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("\"keyfile\"", "\"keyring\"")).unwrap();
    daemon.says("RELOADING=1").await;
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    daemon.says("WATCHDOG=1").await;
    // Requests made in the meantime are carried out afterwards.
    daemon.signal(Signal::HUP);
    daemon.says("READY=1").await;
    daemon.says("RELOADING=1").await;
    daemon.signal(Signal::TERM);
    daemon.says("STOPPING=1").await;
    assert!(daemon.ended().await.success());
}

fn get(stage: &Stage) -> String {
    let port = stage.port;
    format!("GET /api/v2/users/me.json HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")
}

/// In milliseconds.
const HOUR: i64 = 3_600_000;
