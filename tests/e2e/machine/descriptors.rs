//! A daemon with a low limit of open files: launchd's default is 256.

use std::time::Duration;

use loopdesk_tests::{Daemon, Raw, Stage};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

use super::super::stage;
use super::ME;

#[tokio::test(flavor = "multi_thread")]
async fn d1_p18_with_256_descriptors_300_idle_connections_leave_scripts_and_status_served() {
    let stage = stage().await;
    let daemon = limited(&stage, "ulimit -n 256").await;
    stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(limits(&daemon), (256, 256));
    let mut idle = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(("127.0.0.1", stage.port)).await.unwrap();
        if number % 2 == 1 {
            // A head that never ends. A connection that was already closed to make room can't send
            // it.
            drop(stream.write_all(b"GET / HTTP/1.1\r\nX: ").await);
        }
        idle.push(stream);
    }
    let sockets = stage.home.paths();
    let mut idle_elsewhere = Vec::new();
    for _ in 0..100 {
        idle_elsewhere.push(UnixStream::connect(sockets.proxy_socket()).await.unwrap());
    }
    for _ in 0..3 {
        assert_eq!(stage.get(ME).await.0, 200);
        stage.home.loopdesk(["status"]).await.ok();
        // That needs space on the disk, and a connection to Zendesk.
        stage.home.loopdesk(["refresh"]).await.ok();
    }
    let mut scripts = JoinSet::new();
    for _ in 0..SCRIPTS {
        let port = stage.port;
        scripts.spawn(async move {
            let mut script = Raw::connect(port).await;
            let head = format!("GET {ME} HTTP/1.1\r\nHost: localhost:{port}\r\n");
            script
                .send(format!("{head}Connection: close\r\n\r\n"))
                .await;
            script.answer().await.status()
        });
    }
    let statuses = scripts.join_all().await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap();
    let open = open.count();
    assert!(open < 200, "{open} of 256 are in use");
    assert_eq!(complaints(&stage), 0, "nobody was refused for want of them");
}

#[tokio::test]
async fn o2_the_soft_limit_is_raised_to_the_hard_one() {
    let stage = stage().await;
    let daemon = limited(&stage, "ulimit -Sn 100; ulimit -Hn 3000").await;
    assert_eq!(limits(&daemon), (3000, 3000));
}

#[tokio::test]
async fn o3_out_of_descriptors_the_log_says_so_once_and_service_comes_back() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    let pid = i32::try_from(daemon.pid()).ok().and_then(Pid::from_raw);
    let set = |current| {
        let limits = limits(&daemon);
        let limit = Rlimit {
            current: Some(current),
            maximum: Some(limits.1),
        };
        prlimit(pid, Resource::Nofile, limit).unwrap();
        limits.0
    };
    // Below what is already open: not one more.
    let before = set(4);
    let mut waiting = Vec::new();
    for _ in 0..40 {
        waiting.push(TcpStream::connect(("127.0.0.1", stage.port)).await.unwrap());
    }
    // The shortage itself lasts this long: as long as twenty lines about it would take.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let said = complaints(&stage);
    assert!((1..=2).contains(&said), "{said} lines");
    set(before);
    assert_eq!(stage.get(ME).await.0, 200);
}

/// Fewer than there are places: each one's predecessors are closed before it is closed itself.
const SCRIPTS: usize = 40;

/// A daemon that a shell with these limits starts.
async fn limited(stage: &Stage, limits: &str) -> Daemon {
    let mut command = stage.home.command("sh");
    command.args(["-c", &format!("{limits}; exec loopdeskd")]);
    let started = Daemon::start_by(&stage.home, command).await;
    started.unwrap()
}

/// The soft and the hard limit of open files.
fn limits(daemon: &Daemon) -> (u64, u64) {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let mut numbers = line.unwrap().split_whitespace().skip(3);
    let mut next = || numbers.next().unwrap().parse().unwrap();
    (next(), next())
}

/// How many log lines report that a connection could not be accepted.
fn complaints(stage: &Stage) -> usize {
    let log = Daemon::log(&stage.home);
    log.matches("can't accept connections").count()
}
