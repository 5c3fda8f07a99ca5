//! What is recorded of the uses of keys, and of callers without one.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use loopdesk_protocol::Paths;
use loopdesk_protocol::account::Person;

use super::*;
use crate::clock::{Clock, Mover};
use crate::keys::background::{PACE, Pace};
use crate::keys::{Keys, NewKey, Trace};
use crate::peer::Peers;

struct UsageBench {
    keys: Keys,
    clock: Clock,
    mover: Mover,
    paths: Paths,
    _home: tempfile::TempDir,
}

fn bench() -> UsageBench {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::resolve(|_| None, Some(home.path().to_owned()), None).unwrap();
    // As at the daemon's start.
    std::fs::create_dir_all(paths.state_dir()).unwrap();
    let (clock, mover) = Clock::movable();
    UsageBench {
        keys: Keys::open(&paths, clock.clone()),
        clock,
        mover,
        paths,
        _home: home,
    }
}

fn acme() -> AccountName {
    "acme".parse().unwrap()
}

impl UsageBench {
    fn key(&self, name: &str) -> Arc<Key> {
        let new = NewKey {
            name: name.to_owned(),
            account: acme(),
            person: Person {
                id: 1,
                name: "Ann".to_owned(),
                email: None,
                role: None,
            },
            rights: key::RightsText {
                scopes: vec!["read".to_owned()],
                ..key::RightsText::default()
            },
            expires_in: None,
            note: None,
        };
        self.keys.create(new).unwrap().0
    }

    /// A client whose program is already known.
    fn caller(&self, name: &str, process: u32) -> Caller {
        let caller = Caller::new(Trace::Nothing);
        let connection = caller.connection(&self.keys.0.usage);
        connection.asked_for();
        self.keys.0.usage.settle(
            connection,
            Some(Program {
                name: name.into(),
                process: Some(process),
            }),
        );
        caller
    }

    fn callers(&self) -> Vec<(Option<String>, u64)> {
        let callers = self.keys.callers(&acme()).into_iter();
        callers.map(|c| (c.last.process, c.requests)).collect()
    }

    fn restart(&mut self) {
        self.keys.finish();
        self.keys = Keys::open(&self.paths, self.clock.clone());
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn d2_uses_of_a_key_are_counted_across_rotations_and_restarts() {
    let mut bench = bench();
    let key = bench.key("nightly");
    assert_eq!(bench.keys.last_use(&key), (None, 0));
    let caller = bench.caller("python3 report.py", 4711);
    for _ in 0..3 {
        bench.keys.note_use(RequestAuth::Key(&key), &caller);
    }
    let (key, _) = bench.keys.rotate("nightly", Duration::ZERO).unwrap();
    bench.keys.note_use(RequestAuth::Key(&key), &caller);
    let shown = bench.keys.last_use(&key);
    let last = shown.0.clone().unwrap();
    assert_eq!(last.process.as_deref(), Some("python3 report.py (4711)"));
    assert!(bench.clock.now().duration_since(last.at) < SignedDuration::from_secs(60));
    assert_eq!(shown.1, 4);

    bench.restart();
    let key = bench.keys.named("nightly").unwrap();
    assert_eq!(bench.keys.last_use(&key), shown);
    bench
        .keys
        .note_use(RequestAuth::Key(&key), &Caller::new(Trace::Nothing));
    let (last, requests) = bench.keys.last_use(&key);
    assert_eq!((last.unwrap().process, requests), (None, 5));

    bench.keys.revoke("nightly").unwrap();
    bench.restart();
    let again = bench.key("nightly");
    assert_eq!(bench.keys.last_use(&again), (None, 0), "another key");
}

#[test]
fn d2_callers_without_a_key_are_programs_not_processes() {
    let mut bench = bench();
    let keyless = |caller: &Caller| bench.keys.note_use(RequestAuth::Keyless(&acme()), caller);
    for process in [100, 200, 300] {
        keyless(&bench.caller("bash cron.sh", process));
    }
    let curl = bench.caller("curl", 400);
    keyless(&curl);
    keyless(&curl);
    let expected = [
        (Some("curl (400)".to_owned()), 2),
        (Some("bash cron.sh (300)".to_owned()), 3),
    ];
    assert_eq!(bench.callers(), expected);
    assert!(bench.keys.callers(&"beta".parse().unwrap()).is_empty());
    bench.restart();
    assert_eq!(bench.callers(), expected);
    // A program that calls again after a restart is the latest, and its count continues.
    bench.keys.note_use(
        RequestAuth::Keyless(&acme()),
        &bench.caller("bash cron.sh", 500),
    );
    assert_eq!(
        bench.callers()[0],
        (Some("bash cron.sh (500)".to_owned()), 4)
    );
}

#[test]
fn d2_what_is_done_before_the_program_is_known_is_not_lost() {
    let bench = bench();
    let usage = &bench.keys.0.usage;
    let caller = Caller::new(Trace::Nothing);
    let connection = Arc::clone(caller.connection(usage));
    // As if a search were running.
    connection.asked_for();
    for _ in 0..3 {
        bench.keys.note_use(RequestAuth::Keyless(&acme()), &caller);
    }
    assert!(bench.callers().is_empty());
    let program = Program {
        name: "curl".into(),
        process: Some(7),
    };
    usage.settle(&connection, Some(program));
    assert_eq!(bench.callers(), [(Some("curl (7)".to_owned()), 3)]);
    bench.keys.note_use(RequestAuth::Keyless(&acme()), &caller);
    assert_eq!(bench.callers(), [(Some("curl (7)".to_owned()), 4)]);
}

#[test]
fn d2_a_full_queue_loses_nobody() {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::resolve(|_| None, Some(home.path().to_owned()), None).unwrap();
    // No thread works on this queue.
    let queue = Arc::new(WorkQueue::new(PACE));
    let usage = Arc::new(UsageLog::new(
        Arc::clone(&queue),
        memory::read(&paths.uses_file()),
    ));
    let now = Clock::system().now();
    let account = acme();
    let mut connected: Vec<Caller> = Vec::new();
    loop {
        let caller = Caller::new(Trace::Nothing);
        usage.note(RequestAuth::Keyless(&account), &caller, now);
        let is_full = !caller.connection(&usage).is_asked_for();
        connected.push(caller);
        if is_full {
            break;
        }
    }
    assert!(connected.len() > 512, "more than there can be connections");
    // The client that found the queue full disconnects, and is counted all the same.
    connected.pop();
    let callers = usage.callers(&account);
    assert_eq!(callers.len(), 1);
    assert_eq!((&callers[0].last.process, callers[0].requests), (&None, 1));
}

#[test]
fn d2_memory_for_callers_is_bounded_and_the_latest_stay() {
    let bench = bench();
    let old = bench.caller("old", 1);
    bench.keys.note_use(RequestAuth::Keyless(&acme()), &old);
    // A clock that was years ahead doesn't keep an old caller the latest.
    bench.mover.jump(SignedDuration::from_hours(-100_000));
    for n in 0..CALLERS_MAX {
        let caller = bench.caller(&format!("program-{n}"), 2);
        bench.keys.note_use(RequestAuth::Keyless(&acme()), &caller);
    }
    let callers = bench.callers();
    assert_eq!(callers.len(), CALLERS_MAX);
    assert_eq!(
        callers[0].0.as_deref(),
        Some(&*format!("program-{} (2)", CALLERS_MAX - 1))
    );
    assert!(
        !callers
            .iter()
            .any(|(name, _)| name.as_deref() == Some("old (1)"))
    );
    // Its connection is still there.
    bench.keys.note_use(RequestAuth::Keyless(&acme()), &old);
    assert_eq!(bench.callers()[0], (Some("old (1)".to_owned()), 2));
}

#[test]
fn d2_uses_are_saved_behind_the_requests_back_and_again_after_a_failure() {
    let mut bench = bench();
    let key = bench.key("nightly");
    let pace = Pace {
        save: Duration::from_millis(1),
        ..PACE
    };
    bench.keys = Keys::paced(&bench.paths, bench.clock.clone(), pace);
    let file = bench.paths.uses_file();
    // A folder can't be replaced by a file.
    std::fs::create_dir(&file).unwrap();
    let key = bench.keys.named(&key.name).unwrap();
    bench
        .keys
        .note_use(RequestAuth::Key(&key), &bench.caller("curl", 1));
    let folder = || {
        std::fs::metadata(bench.paths.state_dir())
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = folder();
    eventually("an attempt", || folder() != before);
    std::fs::remove_dir(&file).unwrap();
    eventually("saved", || file.is_file());
    let remembered = memory::read(&file);
    assert_eq!(remembered.of_keys[0].1.requests, 1);
    assert_eq!(remembered.of_keys[0].0, key.id);
}

/// A script that connects and waits.
fn python(home: &std::path::Path, connect: &str) -> Option<Child> {
    let script = home.join("report.py");
    let text = format!("import socket, sys\n{connect}\nsys.stdin.read()\n");
    std::fs::write(script, text).unwrap();
    Command::new("python3")
        .args(["report.py", "--token", "hunter2"])
        .current_dir(home)
        .stdin(Stdio::piped())
        .spawn()
        .ok()
}

#[test]
#[cfg(target_os = "linux")]
fn d2_the_program_behind_a_tcp_connection_is_found_mapped_addresses_included() {
    let bench = bench();
    let home = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let peers = Peers::new();
    let key = bench.key("nightly");
    for connect in [
        format!("s = socket.create_connection(('127.0.0.1', {port}))"),
        format!("s = socket.socket(socket.AF_INET6)\ns.connect(('::ffff:127.0.0.1', {port}))"),
    ] {
        let Some(mut child) = python(home.path(), &connect) else {
            return;
        };
        let (server, peer) = listener.accept().unwrap();
        let local = server.local_addr().unwrap();
        let trace = peers.of_tcp(&server, local, peer).unwrap().trace;
        assert!(matches!(trace, Trace::Socket(_)), "{trace:?}");
        let caller = Caller::new(trace);
        bench.keys.note_use(RequestAuth::Key(&key), &caller);
        bench.keys.note_use(RequestAuth::Keyless(&acme()), &caller);
        let process = || bench.keys.last_use(&key).0.unwrap().process;
        let pid = format!(" report.py ({})", child.id());
        eventually(&pid, || process().is_some_and(|name| name.ends_with(&pid)));
        let name = process().unwrap();
        assert!(
            name.starts_with("python3") && !name.contains("hunter2"),
            "{name}"
        );
        drop(child.stdin.take());
        child.wait().unwrap();
    }
    // Two runs of one script are one caller.
    eventually("both", || {
        bench.callers().iter().any(|(_, requests)| *requests == 2)
    });
    assert_eq!(bench.callers().len(), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn d2_a_client_that_has_gone_is_counted_without_a_name() {
    let bench = bench();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, peer) = listener.accept().unwrap();
    let local = server.local_addr().unwrap();
    let trace = Peers::new().of_tcp(&server, local, peer).unwrap().trace;
    drop(client);
    let caller = Caller::new(trace);
    bench.keys.note_use(RequestAuth::Keyless(&acme()), &caller);
    drop(caller);
    eventually("counted", || bench.callers() == [(None, 1)]);
}

#[tokio::test]
async fn d2_the_program_behind_a_unix_connection_is_found() {
    let bench = bench();
    let (near, _far) = tokio::net::UnixStream::pair().unwrap();
    let trace = Peers::new().of_unix(&near).unwrap().trace;
    assert_eq!(trace, Trace::Process(std::process::id()));
    let key = bench.key("nightly");
    bench
        .keys
        .note_use(RequestAuth::Key(&key), &Caller::new(trace));
    let own = format!("({})", std::process::id());
    eventually("named", || {
        let process = bench.keys.last_use(&key).0.unwrap().process;
        process.is_some_and(|name| name.contains("loopdeskd") && name.ends_with(&own))
    });
}
