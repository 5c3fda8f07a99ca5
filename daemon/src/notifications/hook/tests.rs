//! Commands that work, fail, hang, and don't exist.

use std::os::unix::fs::PermissionsExt;

use jiff::Timestamp;
use loopdesk_protocol::event::{SessionEventKind, VERSION};
use loopdesk_protocol::status::State;

use super::*;
use crate::telemetry::redact;

fn event() -> SessionEvent {
    SessionEvent {
        version: VERSION,
        event: SessionEventKind::Ended,
        account: "acme".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        state: State::Ended,
        message: "over".to_owned(),
        fix: vec!["run `loopdesk login acme`".to_owned()],
        until: None,
    }
}

/// A shell script as a command.
struct Script {
    folder: tempfile::TempDir,
    command: HookCommand,
}

impl Script {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hook");
        let text = format!("#!/bin/sh\ncd \"$1\" || exit 9\n{text}\n");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let words = [path.as_path(), folder.path()].map(|p| p.display().to_string());
        let command = HookCommand::new(words.into()).unwrap();
        Self { folder, command }
    }

    async fn run(&self, limit: Duration) -> Result<(), String> {
        loop {
            // Another test's fork may hold the script open for writing (ETXTBSY).
            match run(&self.command, &event(), limit).await {
                Err(why) if why.contains("os error 26") => tokio::task::yield_now().await,
                result => return result,
            }
        }
    }

    fn wrote(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_event_comes_on_standard_input_and_nothing_but_the_usual_in_the_environment() {
    let script = Script::new("cat > told; env > env; pwd > pwd");
    script.run(LONG).await.unwrap();
    let told: SessionEvent = serde_json::from_str(&script.wrote("told")).unwrap();
    assert_eq!(told, event());
    assert!(script.wrote("told").ends_with("}\n"));
    for line in script.wrote("env").lines() {
        let (name, _) = line.split_once('=').unwrap();
        let is_usual = PASSED_ON.contains(&name) || name.starts_with("XDG_");
        let is_the_shells = matches!(name, "PWD" | "OLDPWD" | "SHLVL" | "_");
        assert!(
            is_usual || is_the_shells || name.starts_with("LC_"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_its_children() {
    let script = Script::new("sleep 1000 & echo $! > child; echo $$ > own; wait");
    // Long enough for a shell to start; the test waits for the limit, not for luck.
    let why = script.run(Duration::from_secs(2)).await.unwrap_err();
    assert!(why.contains("killed"), "{why}");
    for name in ["child", "own"] {
        let pid: i32 = script.wrote(name).trim().parse().unwrap();
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let gone = async {
            // A killed orphan is a zombie until init reaps it.
            while state().contains(" S ") || state().contains(" R ") {
                tokio::task::yield_now().await;
            }
        };
        let gone = tokio::time::timeout(LONG / 4, gone).await;
        assert!(gone.is_ok(), "the {name} lives on: {}", state());
    }
}

#[tokio::test]
async fn what_it_says_when_it_fails_is_told_without_secrets() {
    let secret = "abcdef0123456789abcdef0123456789abcdef01";
    let _hidden = redact::hide(secret);
    let script = Script::new(&format!("echo 'no mail: {secret}' >&2; exit 3"));
    let why = script.run(LONG).await.unwrap_err();
    assert!(
        why.contains("exit status: 3") && why.contains("no mail"),
        "{why}"
    );
    assert!(!why.contains(secret), "{why}");
}

#[tokio::test]
async fn a_command_that_reads_nothing_or_says_much_ends_all_the_same() {
    Script::new("exec <&-; exit 0").run(LONG).await.unwrap();
    let much = Script::new("head -c 1000000 /dev/zero >&2; exit 0");
    much.run(LONG).await.unwrap();
    // The process that stays behind keeps the pipe open, and we don't wait for it.
    let behind = Script::new("sleep 2 & exit 0");
    behind.run(LONG).await.unwrap();
}

#[tokio::test]
async fn o3_nothing_of_ours_stays_behind_with_what_a_command_leaves_behind() {
    for (end, succeeds) in [("exit 0", true), ("exit 3", false)] {
        let alive = || {
            tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks()
        };
        let before = alive();
        // It keeps writing until the reader is gone.
        let talks = "trap '' PIPE; (while echo word >&2; do sleep 0.02; done; echo > deaf) &";
        let script = Script::new(&format!("{talks}\n{end}"));
        assert_eq!(script.run(LONG).await.is_ok(), succeeds);
        let gone = async {
            while alive() > before || !script.folder.path().join("deaf").exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let gone = tokio::time::timeout(LONG / 4, gone).await;
        assert!(gone.is_ok(), "{end}: {} tasks more", alive() - before);
    }
}

// Each test is a process of its own, so no other test's limit changes.
#[tokio::test]
async fn o2_a_command_gets_the_limit_of_open_files_that_the_daemon_was_given() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let given = Rlimit {
        current: Some(200),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    setrlimit(Resource::Nofile, given).unwrap();
    crate::supervise::descriptors::raise();
    assert!(getrlimit(Resource::Nofile).current.is_none_or(|n| n > 200));
    let script = Script::new("ulimit -Sn > limit");
    script.run(LONG).await.unwrap();
    assert_eq!(script.wrote("limit").trim(), "200");
}

#[tokio::test]
async fn a_command_that_isn_t_there_is_named() {
    for (words, why) in [
        ("/nowhere/hook", "isn't there"),
        ("/etc/passwd", "isn't an executable file"),
        ("no-such-program-of-ours", "not on the daemon's PATH"),
    ] {
        let command = HookCommand::new(vec![words.to_owned()]).unwrap();
        let found = run(&command, &event(), LONG).await.unwrap_err();
        assert!(found.contains(why), "{found}");
    }
}
