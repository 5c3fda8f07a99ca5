//! Certificate authorities that change while the daemon runs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loopdesk_tests::wait::eventually;
use loopdesk_tests::{Raw, Stage};
use tokio::task::JoinSet;

use super::stage;

const ME: &str = "/api/v2/users/me.json";
const SCRIPTS: usize = 8;

/// As package managers and provisioning tools do: the file is always complete, either the new or
/// the old one.
fn replace(file: &Path, pem: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, pem).unwrap();
    std::fs::rename(&beside, file).unwrap();
}

/// A test environment that trusts Zendesk by `SSL_CERT_FILE`, and not by the account's own file.
async fn by_the_system() -> Stage {
    let mut stage = stage().await;
    let config = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&config).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("extra-ca-file"));
    std::fs::write(&config, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let file = stage.zendesk.ca_file().display().to_string();
    stage.home.set("SSL_CERT_FILE", file);
    stage
}

/// Scripts that run without a pause, until one has failed after `is_over`, or the test ends them.
fn load(stage: &Stage, is_over: &Arc<AtomicBool>, stop: &Arc<AtomicBool>) -> JoinSet<usize> {
    let mut scripts = JoinSet::new();
    for _ in 0..SCRIPTS {
        let (port, is_over, stop) = (stage.port, Arc::clone(is_over), Arc::clone(stop));
        scripts.spawn(async move {
            let mut script = Raw::connect(port).await;
            let mut served = 0;
            while !stop.load(Ordering::SeqCst) {
                let must_succeed = is_over.load(Ordering::SeqCst);
                let request = format!("GET {ME} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
                script.send(request).await;
                let answer = script.answer().await;
                let is_served = answer.status() == 200;
                // The next swap may already have begun.
                let must_succeed = must_succeed && is_over.load(Ordering::SeqCst);
                assert!(is_served || !must_succeed, "{}", answer.text());
                served += usize::from(is_served && must_succeed);
                if answer.head.has("connection", "close") {
                    script = Raw::connect(port).await;
                }
            }
            served
        });
    }
    scripts
}

async fn a_swap_costs_nothing_after_the_reload(stage: Stage) {
    let _daemon = stage.logged_in().await;
    let (is_over, stop) = (Arc::default(), Arc::default());
    let mut scripts = load(&stage, &is_over, &stop);
    for round in 0..3 {
        is_over.store(false, Ordering::SeqCst);
        let pem = stage.zendesk.change_authority();
        stage.zendesk.drain_connections();
        // Without the new file, requests that need a new connection fail with a reason.
        let is_refused = async || stage.get(ME).await.0 == 502;
        eventually("the new authority is not trusted", is_refused).await;
        replace(stage.zendesk.ca_file(), &pem);
        stage.home.loopdesk(["config", "reload"]).await.ok();
        is_over.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            let made = stage.zendesk.connections_made();
            stage.zendesk.drain_connections();
            let is_anew = async || stage.zendesk.connections_made() > made;
            eventually("requests take new connections", is_anew).await;
            assert_eq!(stage.get(ME).await.0, 200, "round {round}");
        }
    }
    stop.store(true, Ordering::SeqCst);
    while let Some(served) = scripts.join_next().await {
        assert!(served.unwrap() > 0, "each script was served after a reload");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_a_certificate_of_extra_ca_file_swapped_under_load_costs_no_request_after_the_reload() {
    a_swap_costs_nothing_after_the_reload(stage().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_a_certificate_of_the_systems_swapped_under_load_costs_no_request_after_the_reload() {
    a_swap_costs_nothing_after_the_reload(by_the_system().await).await;
}

#[tokio::test]
async fn s1_an_extra_ca_file_that_is_missing_counts_once_it_is_there() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    daemon.stop().await;
    let file = stage.zendesk.ca_file().to_owned();
    let pem = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let _daemon = stage.daemon().await;
    let (status, body) = stage.get(ME).await;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("loopdesk config reload"), "{body}");
    let said = stage
        .home
        .loopdesk(["status", "--json"])
        .await
        .failed(1)
        .stdout;
    assert!(said.contains("\"code\":\"no-way\""), "{said}");
    std::fs::write(&file, pem).unwrap();
    stage.home.loopdesk(["config", "reload"]).await.ok();
    assert_eq!(stage.get(ME).await.0, 200);
}
