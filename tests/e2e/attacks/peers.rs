//! U8, U9: a connection whose opener has left, and whose port another program gets next.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::Record;
use loopdesk_tests::{Daemon, Failpoints, Raw, Supervisor, other_user};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use tokio::io::AsyncWriteExt;

use super::{ME, Scene};

/// The step at which a daemon has accepted a connection and hasn't looked up its user yet.
const ACCEPTED: &str = "connection-accepted";

#[tokio::test]
async fn d1_u8_the_next_owner_of_a_strangers_port_answers_for_nobody_else() {
    let Some((scene, failpoints)) = with_failpoints().await else {
        return;
    };
    for target in both(scene.port()) {
        for way in ["reset", "linger2"] {
            let Some((own, accepted)) = changes_hands(&scene, &failpoints, target, way).await
            else {
                return;
            };
            let mut own = connected(own).await;
            own.send(scene.request(&format!("GET {ME}"), "")).await;
            drop(accepted);
            assert_eq!(own.answer().await.status(), 200, "{way} at {target}");
            scene.one_clean(&format!("{way} at {target}"));
        }
    }
    scene.nothing_arrived().await;
}

#[tokio::test]
async fn d1_u8_a_socket_that_only_asks_for_a_connection_answers_for_nobody() {
    let Some((scene, failpoints)) = with_failpoints().await else {
        return;
    };
    for target in both(scene.port()) {
        let hands = changes_hands(&scene, &failpoints, target, "linger2").await;
        let Some((asking, accepted)) = hands else {
            return;
        };
        // Its first SYN has met the stranger's connection and is sent again after a second; until
        // then a socket of the owner's has that address.
        drop(accepted);
        let mut own = connected(asking).await;
        own.send(scene.request(&format!("GET {ME}"), "")).await;
        assert_eq!(own.answer().await.status(), 200, "{target}");
        scene.one_clean(&format!("at {target}"));
    }
    scene.nothing_arrived().await;
}

#[tokio::test]
async fn d1_u8_a_port_that_changes_hands_before_the_daemon_runs() {
    let stage = super::super::stage().await;
    let supervisor = Supervisor::of(&stage);
    let mut daemon = supervisor.ready(&stage).await;
    stage.home.loopdesk(["login"]).await.ok();
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.ended().await.success());
    stage.zendesk.clear();

    let [target, _] = both(stage.port);
    let mut ways = Vec::new();
    for way in ["reset", "linger2"] {
        let own = loop {
            let Some(port) = leaves(target, way, &write(stage.port, "")).await else {
                return;
            };
            if let Some(own) = asks(target, port).await {
                break own;
            }
        };
        let mut own = connected(own).await;
        own.send(format!(
            "GET {ME} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n",
            stage.port
        ))
        .await;
        ways.push((way, own));
    }
    let _daemon = supervisor.start(&stage);
    for (way, mut own) in ways {
        assert_eq!(own.answer().await.status(), 200, "{way}");
    }
    assert_eq!(stage.zendesk.count(is_write), 0);
}

#[tokio::test]
async fn d1_u9_who_has_left_is_not_served_with_a_key_either() {
    let Some((scene, failpoints)) = with_failpoints().await else {
        return;
    };
    let create = ["key", "create", "seen", "--scope", "write", "--quiet"];
    let key = scene.stage.home.loopdesk(create).await.ok().stdout;
    scene.stage.home.is_secret("a local key", key.trim());
    let headers = format!("X-Loopdesk-Key: {}\r\n", key.trim());
    let request = write(scene.port(), &headers);
    for target in both(scene.port()) {
        for way in ["close", "reset", "linger2", "stuck"] {
            let held = failpoints.hold_at(ACCEPTED);
            if leaves(target, way, &request).await.is_none() {
                return;
            }
            let accepted = held.reached().await;
            drop(held);
            drop(accepted);
            scene.serves().await;
        }
    }
    // The owner's own programs that don't wait for a response.
    let held = failpoints.hold_at(ACCEPTED);
    let mut own = Raw::connect(scene.port()).await;
    own.send(&request).await;
    let accepted = held.reached().await;
    drop(held);
    drop(own);
    drop(accepted);
    scene.nothing_arrived().await;
    eventually("the log tells", async || {
        let log = Daemon::log(&scene.stage.home);
        log.contains("dropped unread: the client closed before it was accepted")
    })
    .await;
    let log = Daemon::log(&scene.stage.home);
    assert_eq!(log.matches("dropped unread").count(), 1, "one a minute");
}

#[tokio::test]
async fn s3_u9_a_half_closed_client_that_waits_for_its_answer_is_served() {
    let Some((scene, failpoints)) = with_failpoints().await else {
        return;
    };
    for target in both(scene.port()) {
        let held = failpoints.hold_at(ACCEPTED);
        let stream = tokio::net::TcpStream::connect(target).await.unwrap();
        let mut own = Raw::new(stream);
        own.send(scene.request(&format!("GET {ME}"), "")).await;
        own.shut_down().await;
        let accepted = held.reached().await;
        drop(held);
        drop(accepted);
        assert_eq!(own.answer().await.status(), 200, "{target}");
    }
}

/// A second user who does all that as fast as possible, at guessed ports, while a program of the
/// owner's polls.
#[tokio::test(flavor = "multi_thread")]
async fn d1_u8_a_hostile_user_beside_a_poller_gets_nothing_through_and_the_poller_everything() {
    let mut stage = super::super::stage().await;
    // Logging at the most verbose level would be most of the load.
    stage.home.set("LOOPDESK_LOG", "info");
    let scene = Scene::on(stage).await;
    let create = ["key", "create", "seen", "--scope", "write", "--quiet"];
    let key = scene.stage.home.loopdesk(create).await.ok().stdout;
    scene.stage.home.is_secret("a local key", key.trim());
    let time = Duration::from_secs(if super::super::is_long() { 20 } else { 4 });
    let seconds = time.as_secs().to_string();
    let port = scene.port().to_string();
    let Some(mut command) = other_user::python(HOSTILE, &[&port, &seconds]).await else {
        return;
    };
    let mut hostile = command.spawn().unwrap();
    let mut stdin = hostile.stdin.take().unwrap();
    let without = write(scene.port(), "");
    let with = write(scene.port(), &format!("X-Loopdesk-Key: {}\r\n", key.trim()));
    let requests = format!("{without}\0{with}");
    stdin.write_all(requests.as_bytes()).await.unwrap();
    drop(stdin);
    let stop = Arc::new(AtomicBool::new(false));
    let pollers = both(scene.port()).map(|target| {
        let (stop, get) = (Arc::clone(&stop), scene.request(&format!("GET {ME}"), ""));
        tokio::spawn(async move {
            let mut served = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                let stream = tokio::net::TcpStream::connect(target).await.unwrap();
                let mut own = Raw::new(stream);
                own.send(&get).await;
                let answer = own.answer().await;
                assert_eq!(answer.status(), 200, "after {served}: {answer:?}");
                served += 1;
            }
            served
        })
    });
    let output = hostile.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    stop.store(true, Ordering::Relaxed);
    for poller in pollers {
        assert!(poller.await.unwrap() > 0);
    }
    let sent: u32 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap();
    assert!(sent > 100, "{sent} connections");
    let records = scene.stage.zendesk.requests().into_iter();
    let written: Vec<String> = records
        .filter(is_write)
        .map(|r| String::from_utf8_lossy(&r.body).into_owned())
        .collect();
    assert_eq!(written, Vec::<String>::new(), "of {sent}");
}

async fn with_failpoints() -> Option<(Scene, Failpoints)> {
    let mut stage = super::super::stage().await;
    let failpoints = Failpoints::of(&mut stage.home)?;
    Some((Scene::on(stage).await, failpoints))
}

fn both(port: u16) -> [SocketAddr; 2] {
    let loopbacks: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    loopbacks.map(|ip| SocketAddr::new(ip, port))
}

fn write(port: u16, headers: &str) -> String {
    let key = if headers.is_empty() { "none" } else { "a key" };
    let body = format!(r#"{{"ticket":{{"comment":{{"body":"foreign, with {key}"}}}}}}"#);
    let length = body.len();
    format!(
        "POST /api/v2/tickets.json HTTP/1.1\r\nHost: localhost:{port}\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn is_write(record: &Record) -> bool {
    record.method == "POST" && record.path.starts_with("/api/v2/tickets")
}

/// Another user who connects, sends a whole request and leaves; returns the port they had. `None`
/// if this machine has no other user.
async fn leaves(target: SocketAddr, way: &str, request: &str) -> Option<u16> {
    let (host, port) = (target.ip().to_string(), target.port().to_string());
    let mut command = other_user::python(LEAVER, &[&host, &port, way]).await?;
    let mut leaver = command.spawn().unwrap();
    let mut stdin = leaver.stdin.take().unwrap();
    stdin.write_all(request.as_bytes()).await.unwrap();
    drop(stdin);
    let output = leaver.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let port = String::from_utf8(output.stdout).unwrap();
    Some(port.trim().parse().unwrap())
}

/// A stranger leaves `way` before the daemon has looked up the connection's user, and a program of
/// the owner's connects from the same port: its socket, and what holds the daemon.
async fn changes_hands(
    scene: &Scene,
    failpoints: &Failpoints,
    target: SocketAddr,
    way: &str,
) -> Option<(TcpStream, File)> {
    loop {
        let held = failpoints.hold_at(ACCEPTED);
        let port = leaves(target, way, &write(scene.port(), "")).await?;
        let accepted = held.reached().await;
        drop(held);
        if let Some(own) = asks(target, port).await {
            return Some((own, accepted));
        }
    }
}

async fn connected(asking: TcpStream) -> Raw {
    asking.set_nonblocking(true).unwrap();
    let stream = tokio::net::TcpStream::from_std(asking).unwrap();
    stream.writable().await.unwrap();
    assert!(stream.peer_addr().is_ok(), "{:?}", stream.take_error());
    Raw::new(stream)
}

/// A socket of our own that connects from this port, as soon as the port is available; `None` if
/// another program has taken it.
async fn asks(target: SocketAddr, port: u16) -> Option<TcpStream> {
    let own = SocketAddr::new(target.ip(), port);
    let family = match target {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None).unwrap();
        let asked = bind(&socket, &own).and_then(|()| connect(&socket, &target));
        match asked {
            Ok(()) | Err(Errno::INPROGRESS) => return Some(socket.into()),
            // The stranger's remains last for a second.
            Err(Errno::ADDRINUSE | Errno::ADDRNOTAVAIL) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("{own}: {error}"),
        }
    }
    None
}

const PATIENCE: Duration = Duration::from_secs(5);

const LEAVER: &str = r#"
import os, socket, struct, sys
assert os.geteuid() != 0
host, port, way = sys.argv[1], int(sys.argv[2]), sys.argv[3]
request = sys.stdin.buffer.read()
one = socket.create_connection((host, port), timeout=30)
one.sendall(request)
if way == "stuck":
    # Ends after more bytes than any reader accepts.
    one.setblocking(False)
    try:
        while True:
            one.send(b"x" * 65536)
    except BlockingIOError:
        pass
if way == "reset":
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
if way == "linger2":
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
own = one.getsockname()[1]
one.close()
print(own)
"#;

/// The kernel hands out ports two by two, by a hash that all users share, so the next ones can be
/// predicted.
const HOSTILE: &str = r#"
import os, socket, struct, sys, time
assert os.geteuid() != 0
port, end = int(sys.argv[1]), time.monotonic() + int(sys.argv[2])
requests = sys.stdin.buffer.read().split(b"\0")
reset = struct.pack("ii", 1, 0)
sent = 0
def leave(one, way):
    if way == 0:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    elif way == 1:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
    one.close()
turn = 0
while time.monotonic() < end:
    turn += 1
    family, host = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))[turn % 2]
    probe = socket.socket(family)
    try:
        probe.connect((host, port))
    except OSError:
        continue
    base = probe.getsockname()[1]
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    probe.close()
    for ahead in range(1, 9):
        one = socket.socket(family)
        try:
            one.bind((host, base + 2 * ahead))
            one.connect((host, port))
            one.sendall(requests[turn // 2 % 2])
        except (OSError, OverflowError):
            one.close()
            continue
        leave(one, 0 if turn % 8 else turn // 8 % 3)
        sent += 1
print(sent)
"#;
