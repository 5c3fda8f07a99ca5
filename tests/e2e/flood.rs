//! Many connections, and slow ones: others are still served, in bounded memory.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use loopdesk_tests::zendesk::Fault;
use loopdesk_tests::{Daemon, Raw, Stage, other_user};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::stage;

// Blocking sockets, next to a Zendesk that must not block.
#[tokio::test(flavor = "multi_thread")]
async fn d1_p18_ten_thousand_idle_connections_leave_scripts_served() {
    let stage = quiet(stage().await);
    let daemon = stage.logged_in().await;
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    let before = memory(&daemon);
    let (port, count) = (stage.port, sockets(10_000));
    let flood = tokio::task::spawn_blocking(move || {
        let open = (0..count).map(|number| {
            let mut stream = connect(port);
            // Every second one is a slowloris: a head that never ends.
            if number % 2 == 1 {
                let _cut =
                    stream.write_all(b"GET /api/v2/tickets HTTP/1.1\r\nHost: localhost\r\nX-A: b");
            }
            stream
        });
        open.collect::<Vec<_>>()
    });
    let mut served = 0;
    while !flood.is_finished() {
        assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
        served += 1;
    }
    let mut open = flood.await.unwrap();
    assert!(served > 0);
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    let grown = memory(&daemon).saturating_sub(before);
    assert!(grown < 48 << 10, "{grown} KiB more for {count} connections");
    assert!(is_closed(&mut open[0]), "the longest idle one gave way");
    let newest = open.last_mut().unwrap();
    newest.write_all(b"\r\n\r\n").unwrap();
    let answer = first_line(newest);
    assert!(
        answer.starts_with("HTTP/1.1 421"),
        "the newest stays: {answer}"
    );
}

// Blocking sockets, next to a Zendesk that must not block.
#[tokio::test(flavor = "multi_thread")]
async fn d1_p18_clients_that_read_nothing_hold_up_nobody_and_cost_little() {
    let stage = quiet(stage().await);
    let daemon = stage.logged_in().await;
    let piece = vec![b' '; 1 << 20];
    let endless = Fault::on("GET", "/api/v2/tickets/*").repeat_body(piece, 64);
    let _endless = stage.zendesk.fault(endless);
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    let before = memory(&daemon);
    let mut open = Vec::new();
    for id in 1..=CLIENTS {
        let mut stream = connect(stage.port);
        write!(
            stream,
            "GET /api/v2/tickets/{id} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n",
            stage.port
        )
        .unwrap();
        // The response has begun; the rest is never read.
        let mut byte = [0];
        stream
            .read_exact(&mut byte)
            .unwrap_or_else(|e| panic!("{id}: {e}"));
        open.push(stream);
        assert_eq!(
            stage.get("/api/v2/users/me.json").await.0,
            200,
            "beside {id}"
        );
    }
    let grown = memory(&daemon).saturating_sub(before);
    assert!(grown < 96 << 10, "{grown} KiB more for {CLIENTS} clients");
}

// Blocking sockets, next to a Zendesk that must not block.
#[tokio::test(flavor = "multi_thread")]
async fn d1_p18_a_head_without_measure_is_431() {
    let stage = quiet(stage().await);
    let _daemon = stage.logged_in().await;
    let before = stage.zendesk.requests().len();
    let long = format!("X-Long: {}\r\n", "x".repeat(80 << 10));
    let many: String = (0..300).map(|n| format!("X-{n}: y\r\n")).collect();
    for headers in [long, many] {
        let mut stream = connect(stage.port);
        let head = format!(
            "GET /api/v2/tickets HTTP/1.1\r\nHost: localhost:{}\r\n{headers}\r\n",
            stage.port
        );
        // The response may arrive before the request is written completely.
        let _early = stream.write_all(head.as_bytes());
        let answer = first_line(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
        assert!(is_closed(&mut stream), "{}", headers.len());
    }
    assert_eq!(stage.zendesk.requests().len(), before);
}

// Blocking sockets, next to a Zendesk that must not block.
#[tokio::test(flavor = "multi_thread")]
async fn d1_u1_another_users_connections_are_refused_and_take_nobodys_place() {
    let stage = quiet(stage().await);
    let _daemon = stage.logged_in().await;
    let before = stage.zendesk.requests().len();
    let Some(mut crowd) = other_user::crowd(stage.port, 700).await else {
        return;
    };
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    let said = crowd.answer().await;
    assert!(said.starts_with("HTTP/1.1 403"), "{said}");
    assert!(said.contains("x-loopdesk-error: other-user"), "{said}");
    assert!(said.contains("serves the user who started it"), "{said}");
    assert_eq!(crowd.still_open().await, 0);
    assert_eq!(stage.zendesk.requests().len(), before + 1);
    let log = Daemon::log(&stage.home);
    let lines = log.matches("other-user").count();
    assert!(lines <= 2, "{lines} lines of 700 refusals: {log}");
}

// Blocking sockets, next to a Zendesk that must not block.
#[tokio::test(flavor = "multi_thread")]
async fn d1_p18_one_small_keys_slow_uploads_keep_nobody_else_out() {
    let stage = quiet(stage().await);
    let _daemon = stage.logged_in().await;
    let create = ["key", "create", "small", "--json", "--scope", "users:read"];
    let upload = ["--allow", "POST /api/v2/uploads"];
    let made = stage.home.loopdesk(create.into_iter().chain(upload)).await;
    let key = made.ok().json()["secret"].as_str().unwrap().to_owned();
    stage.home.is_secret("a local key", &key);
    let other = ["key", "create", "other", "--json", "--scope", "users:read"];
    let made = stage.home.loopdesk(other).await;
    let other = made.ok().json()["secret"].as_str().unwrap().to_owned();
    stage.home.is_secret("another local key", &other);
    let head = format!(
        "POST /api/v2/uploads?filename=a HTTP/1.1\r\nHost: localhost:{}\r\n\
         Authorization: Bearer {key}\r\nContent-Type: image/png\r\nContent-Length: 100000\r\n\r\n",
        stage.port
    );
    let port = stage.port;
    // For each place that is given to another connection, one connection is closed.
    let mut open = Vec::new();
    let began = std::time::Instant::now();
    for _ in 0..PLACES + 100 {
        let mut stream = connect(stage.port);
        stream.write_all(head.as_bytes()).unwrap();
        open.push(stream);
    }
    let drip = |open: &mut Vec<TcpStream>| {
        for stream in open {
            // Some have been closed to make room.
            let _gone = stream.write_all(b"x");
        }
    };
    // Longer than a client may be silent: these never are.
    for _ in 0..12 {
        drip(&mut open);
        let begin = std::time::Instant::now();
        assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
        assert!(
            begin.elapsed() < Duration::from_secs(8),
            "{:?}",
            begin.elapsed()
        );
        let uploads = stage
            .zendesk
            .count(|record| record.path == "/api/v2/uploads");
        // Later, some have been closed for others.
        assert!(
            uploads <= PLACES / 2 || began.elapsed() > Duration::from_secs(5),
            "{uploads} uploads at once"
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // Another key is entitled to a share of the half as soon as a slow upload has been closed for
    // it.
    let asking = tokio::spawn(async move {
        let mut script = Raw::connect(port).await;
        let get = format!(
            "GET /api/v2/users/me.json HTTP/1.1\r\nHost: localhost:{port}\r\n\
             Authorization: Bearer {other}\r\n\r\n"
        );
        script.send(get).await;
        script.answer().await.status()
    });
    let begin = std::time::Instant::now();
    while !asking.is_finished() && begin.elapsed() < PATIENCE {
        drip(&mut open);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(
        asking.is_finished(),
        "another key waits for longer than {PATIENCE:?}"
    );
    assert_eq!(asking.await.unwrap(), 200);
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What is left to read up to the end of the first line.
fn first_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line).into_owned()
}

fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// KiB in memory.
fn memory(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// As many sockets as requested, or as this process may have.
fn sockets(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    limit.maximum.map_or(wanted, |most| wanted.min(most - 200))
}

/// For connections, as in the daemon.
const PLACES: usize = 512;
const CLIENTS: u32 = 24;
const PATIENCE: Duration = Duration::from_secs(30);

/// The test measures memory and time, and logging would distort both.
fn quiet(mut stage: Stage) -> Stage {
    stage.home.set("LOOPDESK_LOG", "info");
    stage
}
