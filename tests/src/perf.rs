//! Start-up time and idle memory of the daemon. Meant for the release build.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::Instant;

use crate::demo::say;
use crate::stage::Stage;
use crate::zendesk::Zendesk;

/// Prints the figures.
pub(crate) async fn measure(binary: &Path) -> ExitCode {
    let stage = Stage::set(binary, Zendesk::builder()).await;
    let daemon = stage.logged_in().await;
    let (status, body) = stage.get("/api/v2/users/me.json").await;
    assert_eq!(status, 200, "{body}");
    daemon.stop().await;

    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let before = Instant::now();
        let daemon = stage.daemon().await;
        starts.push(before.elapsed());
        daemon.stop().await;
    }
    starts.sort();
    say(&format!(
        "start to ready: median {:.1} ms, slowest {:.1} ms of {STARTS}",
        millis(starts[STARTS / 2]),
        millis(starts[STARTS - 1])
    ));

    let daemon = stage.daemon().await;
    let (status, body) = stage.get("/api/v2/users/me.json").await;
    assert_eq!(status, 200, "{body}");
    let text = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid()));
    let text = text.expect("the daemon's memory can be read");
    for field in ["VmRSS", "VmHWM", "Threads"] {
        let line = text.lines().find(|line| line.starts_with(field));
        say(&format!("idle after login: {}", line.unwrap_or_default()));
    }
    daemon.stop().await;
    ExitCode::SUCCESS
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

const STARTS: usize = 15;
