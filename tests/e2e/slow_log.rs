//! A log that is never read, one that others fill, and one of the daemon's own.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use loopdesk_tests::needs::needs;
use loopdesk_tests::wait::eventually;
use loopdesk_tests::{Daemon, Raw, Stage};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixDatagram;
use tokio::process::Command;

use super::stage;

#[tokio::test]
async fn d1_l11_a_log_that_nobody_reads_stops_nobody() {
    let stage = stage().await;
    stage.logged_in().await.stop().await;
    // Standard error is a pipe with room for 64 KiB, and every request logs some of them.
    let daemon = stage.home.command("loopdeskd");
    let said = is_served_beside_refusals(&stage, daemon).await;
    let is_told = said.contains("lines are missing before this one");
    assert!(is_told, "the queue was never full");
}

#[tokio::test]
async fn d1_l11_a_journal_that_takes_nothing_stops_nobody() {
    let may = rustix::process::geteuid().is_root() || needs(&["root, for a journal of its own"]);
    if !may || !needs(&["unshare", "mount", "stat"]) {
        return;
    }
    let stage = stage().await;
    stage.logged_in().await.stop().await;
    let folder = stage.home.path().join("journal");
    std::fs::create_dir(&folder).unwrap();
    let journal = UnixDatagram::bind(folder.join("socket")).unwrap();
    let mut daemon = stage.home.command("unshare");
    daemon.args(["--mount", "sh", "-c", WITH_JOURNAL, "sh"]);
    daemon.arg(folder);
    daemon.arg(stage.home.command("loopdeskd").as_std().get_program());
    is_served_beside_refusals(&stage, daemon).await;
    let mut buffer = [0; 4096];
    let length = journal.try_recv(&mut buffer).expect("it was logged to");
    let entry = String::from_utf8_lossy(&buffer[..length]);
    assert!(entry.contains("SYSLOG_IDENTIFIER=loopdeskd"), "{entry}");
}

/// Starts a daemon that takes its standard error for the journal's (systemd.exec(5)), with the
/// folder in the first argument in the journal's place.
const WITH_JOURNAL: &str = "set -e; mount -t tmpfs none /run; mkdir -p /run/systemd/journal
mount --bind \"$1\" /run/systemd/journal; shift
export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); exec \"$@\"";

/// Runs a daemon whose log is stuck, refuses more requests than its queue holds lines, and asks for
/// a response again and again.
async fn is_served_beside_refusals(stage: &Stage, mut daemon: Command) -> String {
    let ready = stage.home.path().join("run/ready.sock");
    let notified = UnixDatagram::bind(&ready).unwrap();
    daemon.env("NOTIFY_SOCKET", &ready).stdout(Stdio::null());
    let daemon = daemon.spawn().unwrap();
    let mut buffer = [0; 1024];
    loop {
        let length = notified.recv(&mut buffer).await.unwrap();
        let mut lines = buffer[..length].split(|b| *b == b'\n');
        if lines.any(|line| line == b"READY=1") {
            break;
        }
    }
    let mut refused = Raw::connect(stage.port).await;
    for round in 0..20 {
        for _ in 0..1000 {
            let request = "GET /x HTTP/1.1\r\nHost: evil.example\r\n\r\n";
            refused.send(request).await;
            assert_eq!(refused.answer().await.status(), 421);
        }
        let served = stage.get("/api/v2/users/me.json").await.0;
        assert_eq!(served, 200, "after {round} times a thousand refusals");
    }
    // Nor does it delay the end.
    let pid = daemon.id().and_then(|id| i32::try_from(id).ok());
    kill_process(pid.and_then(Pid::from_raw).unwrap(), Signal::TERM).unwrap();
    let ended = daemon.wait_with_output().await.unwrap();
    assert!(ended.status.success(), "{:?}", ended.status);
    String::from_utf8_lossy(&ended.stderr).into_owned()
}

#[tokio::test]
async fn d1_l11_ten_thousand_refusals_are_one_line_a_minute() {
    let mut stage = stage().await;
    stage.home.set("LOOPDESK_LOG", "info");
    let daemon = stage.logged_in().await;
    let mut refused = Raw::connect(stage.port).await;
    for _ in 0..10_000 {
        let request = "GET /x HTTP/1.1\r\nHost: evil.example\r\n\r\n";
        refused.send(request).await;
        assert_eq!(refused.answer().await.status(), 421);
    }
    daemon.stop().await;
    let log = Daemon::log(&stage.home);
    let lines = log.matches("unknown-host").count();
    assert!((1..=5).contains(&lines), "{lines} lines");
}

#[tokio::test]
async fn o1_a_daemon_that_a_command_started_owns_its_log_and_opens_it_anew() {
    let mut stage = stage().await;
    stage.home.set("LOOPDESK_LOG", "loopdeskd=debug");
    stage.home.loopdesk(["login"]).await.ok();
    let pid = stage.status().await.daemon.pid;
    let file = stage.home.paths().log_file();
    let text = || std::fs::read_to_string(&file).unwrap_or_default();
    eventually("the daemon reports that it is ready", async || {
        text().contains("ready")
    })
    .await;
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // As logrotate does it.
    let moved = file.with_extension("moved");
    std::fs::rename(&file, &moved).unwrap();
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    kill_process(number, Signal::HUP).unwrap();
    eventually("the file exists again", async || file.exists()).await;
    stage.get("/api/v2/users/me.json").await;
    eventually("the file gets lines", async || !text().is_empty()).await;
    // More than fits.
    let size = |name: &std::path::Path| std::fs::metadata(name).map_or(0, |meta| meta.len());
    let mut old = file.clone().into_os_string();
    old.push(".1");
    let old = std::path::PathBuf::from(old);
    let mut refused = Raw::connect(stage.port).await;
    while size(&old) == 0 {
        let request = "GET /x HTTP/1.1\r\nHost: evil.example\r\n\r\n";
        refused.send(request).await;
        refused.answer().await;
    }
    assert!(size(&file) <= 1 << 20 && size(&old) <= 1 << 20);
    loopdesk_tests::daemon::terminate(pid).await;
}
