//! `cargo demo`, interrupted from outside.

use std::path::Path;
use std::process::Stdio;

use loopdesk_tests::wait::eventually;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::binary;

#[tokio::test]
async fn whatever_ends_the_demo_leaves_nothing_behind() {
    tokio::join!(
        ended_by(Some(Signal::TERM)),
        ended_by(Some(Signal::HUP)),
        ended_by(Some(Signal::INT)),
        ended_by(None),
    );
}

/// Interrupts a demo: by `signal`, or by closing the pipe that it writes to.
async fn ended_by(signal: Option<Signal>) {
    let temporary = tempfile::tempdir().unwrap();
    let (mut demo, mut lines) = start(temporary.path());
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.starts_with("rotation 1") {
            break;
        }
    }
    assert!(is_used(temporary.path()), "a daemon runs from there");
    match signal {
        Some(signal) => {
            let pid = i32::try_from(demo.id().unwrap()).unwrap();
            kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
            while lines.next_line().await.unwrap().is_some() {}
        }
        None => drop(lines),
    }
    demo.wait().await.unwrap();
    eventually("no process runs from there", async || {
        !is_used(temporary.path())
    })
    .await;
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "{signal:?}: {left:?}");
}

fn start(temporary: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut demo = Command::new(binary())
        .arg("--stay")
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    (demo, lines)
}

/// Whether a process runs a program below `dir`.
fn is_used(dir: &Path) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let programs = processes.filter_map(|entry| std::fs::read_link(entry.path().join("exe")).ok());
    programs.into_iter().any(|program| program.starts_with(dir))
}
