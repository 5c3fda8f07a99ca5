//! Follows the hints of a failing command step by step until something works: no two hints may lead
//! to each other.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;

use loopdesk_tests::wait::eventually;
use loopdesk_tests::{Daemon, Stage};
use rustix::process::Signal;
use tokio::process::Child;
use tokio::task::{JoinSet, LocalSet};

use super::super::stage;

#[tokio::test]
async fn o3_every_hint_of_a_daemon_that_isnt_found_leads_to_one_that_is() {
    let mut scenes = JoinSet::new();
    let together = LocalSet::new();
    for (name, breaks) in SCENES {
        let scene = async move {
            for command in ["loopdesk status", "loopdesk wait"] {
                // Follows each hint of the first failure, each in a fresh scene.
                let (mut pick, mut hints) = (0, 1);
                while pick < hints {
                    let stage = stage().await;
                    let scene = Scene::set(&stage, *breaks).await;
                    let walked = walk(&stage, command, pick).await;
                    drop(scene);
                    hints = walked.unwrap_or_else(|circle| panic!("{name}: {circle}"));
                    stop(&stage).await;
                    pick += 1;
                }
            }
        };
        scenes.spawn_local_on(scene, &together);
    }
    together.run_until(scenes.join_all()).await;
}

/// Runs `command`, then hint number `pick` of its failure, then the first hint of the next failure,
/// and so on. Returns how many hints the first failure had, or the circle.
async fn walk(stage: &Stage, command: &str, pick: usize) -> Result<usize, String> {
    let mut way = vec![command.to_owned()];
    let mut seen = BTreeSet::new();
    let mut at_first = 0;
    let mut next = command.to_owned();
    for step in 0..STEPS {
        let script = format!("{next} --json");
        let said = stage.home.run("bash", ["-c", &script]).await;
        if said.code == Some(0) {
            return Ok(at_first);
        }
        let Some((message, hints)) = failure(&said.stderr) else {
            // The daemon has responded, and what is wrong is another matter.
            return Ok(at_first);
        };
        if !seen.insert((next.clone(), message.clone())) {
            return Err(format!("{way:#?} goes round: {message}"));
        }
        let steps = hints.iter().map(|hint| commands(hint));
        let steps: Vec<_> = steps.filter(|steps| !steps.is_empty()).collect();
        if step == 0 {
            at_first = steps.len();
        }
        let chosen = if step == 0 { pick } else { 0 };
        let Some(steps) = steps.get(chosen) else {
            return Ok(at_first);
        };
        // A program that isn't ours changes something: the next failure may be another one.
        for command in steps {
            way.push(command.clone());
            if !command.starts_with("loopdesk ") {
                stage.home.run("bash", ["-c", command]).await;
                seen.clear();
            }
        }
        let own = steps
            .iter()
            .rfind(|command| command.starts_with("loopdesk "));
        next = own.map_or(command, String::as_str).to_owned();
    }
    Err(format!("{way:#?} leads nowhere"))
}

/// The message and the hints of a failure.
fn failure(text: &str) -> Option<(String, Vec<String>)> {
    let line = text.lines().rfind(|line| line.starts_with('{'))?;
    let json: serde_json::Value = serde_json::from_str(line).ok()?;
    let error = json.get("error")?;
    let hints = error["hints"].as_array()?.iter();
    let hints = hints.filter_map(|hint| Some(hint.as_str()?.to_owned()));
    Some((error["message"].as_str()?.to_owned(), hints.collect()))
}

/// The commands in a hint that can be run unchanged.
fn commands(hint: &str) -> Vec<String> {
    let quoted: Vec<_> = hint.split('`').skip(1).step_by(2).collect();
    let is_command = |text: &&str| {
        let stands_for = text
            .split(' ')
            .any(|word| word.len() > 1 && word == word.to_uppercase());
        let number = text.starts_with("kill ");
        let known = OTHERS.iter().chain(&["loopdesk "]);
        known.into_iter().any(|start| text.starts_with(start)) && (number || !stands_for)
    };
    let commands = quoted.into_iter().filter(is_command);
    commands.map(ToOwned::to_owned).collect()
}

type Breaks = fn(&Stage, &Daemon) -> Option<Holder>;

/// Keeps a scene as it is after the daemon has ended.
enum Holder {
    Held(
        #[expect(dead_code, reason = "it is held for as long as it lives")] Box<dyn std::any::Any>,
    ),
    /// Another program that holds the daemon's lock.
    Lock(Child),
}

struct Scene {
    _daemon: Option<Daemon>,
    _holder: Option<Holder>,
}

impl Scene {
    async fn set(stage: &Stage, breaks: Breaks) -> Self {
        let daemon = stage.logged_in().await;
        let Some(holder) = breaks(stage, &daemon) else {
            return Self {
                _daemon: Some(daemon),
                _holder: None,
            };
        };
        daemon.kill().await;
        if let Holder::Lock(child) = &holder {
            fs::remove_dir_all(stage.home.paths().runtime_dir()).unwrap();
            let lock = stage.home.paths().lock_file();
            let pid = child.id().unwrap().to_string();
            eventually("it has the lock", async || {
                fs::read_to_string(&lock).is_ok_and(|text| text.trim() == pid)
            })
            .await;
        }
        Self {
            _daemon: None,
            _holder: Some(holder),
        }
    }
}

const SCENES: &[(&str, Breaks)] = &[
    ("the runtime folder is gone", |stage, _| {
        fs::remove_dir_all(stage.home.paths().runtime_dir()).unwrap();
        None
    }),
    ("the control socket is gone", |stage, _| {
        fs::remove_file(stage.home.paths().control_socket()).unwrap();
        None
    }),
    ("the lock is held and nobody answers", |stage, _| {
        let lock = stage.home.paths().lock_file();
        let script = "exec 9>\"$0\"; flock 9; echo $$ >\"$0\"; exec sleep 1000";
        let mut command = stage.home.command("bash");
        let child = command.args(["-c", script]).arg(lock).spawn().unwrap();
        Some(Holder::Lock(child))
    }),
    ("a port is taken", |stage, daemon| {
        daemon.signal(Signal::KILL);
        let take = || TcpListener::bind((Ipv4Addr::LOCALHOST, stage.port));
        let port = std::iter::repeat_with(take).find_map(Result::ok);
        port.map(|port| Holder::Held(Box::new(port)))
    }),
    (
        "somebody else has the socket and says nothing",
        |stage, daemon| {
            daemon.signal(Signal::STOP);
            let control = stage.home.paths().control_socket();
            fs::remove_file(&control).unwrap();
            Some(Holder::Held(Box::new(UnixListener::bind(control).unwrap())))
        },
    ),
    ("a folder lies where the socket belongs", |stage, daemon| {
        daemon.signal(Signal::STOP);
        let control = stage.home.paths().control_socket();
        fs::remove_file(&control).unwrap();
        fs::DirBuilder::new().mode(0o700).create(&control).unwrap();
        Some(Holder::Held(Box::new(())))
    }),
];

/// Ends the daemon that a hint has started.
async fn stop(stage: &Stage) {
    let said = stage.home.loopdesk(["version", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&said.stdout).unwrap_or_default();
    if let Some(pid) = json["daemon"]["pid"].as_u64() {
        let kill = format!("kill {pid}");
        stage.home.run("bash", ["-c", &kill]).await;
    }
}

/// What a hint may tell people to run besides our own commands.
const OTHERS: [&str; 3] = ["rm ", "mv ", "kill "];

/// More steps than any solution takes.
const STEPS: usize = 6;
