//! What happens to requests when the machine's network changes under them (R10).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use loopdesk_tests::zendesk::{Fault, Gate, Protocols, Record, Zendesk};
use loopdesk_tests::{Daemon, Raw, Stage, Uplinks, uplinks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::binary;

/// A logged-in session on a machine whose first link has the address 10.0.0.2.
async fn stage(protocols: Protocols) -> (Uplinks, Stage, Daemon) {
    let uplinks = Uplinks::new().await;
    uplinks.give(0, 2).await;
    let zendesk = Zendesk::builder()
        .address(uplinks::ZENDESK)
        .protocols(protocols);
    let mut stage = Stage::set(binary(), zendesk).await;
    uplinks.host(&mut stage.home);
    stage
        .home
        .set("LOOPDESK_LOG", "info,loopdeskd::upstream=debug");
    let daemon = stage.logged_in().await;
    stage.zendesk.clear();
    (uplinks, stage, daemon)
}

/// A script on the machine: unix sockets don't depend on networks.
async fn script(stage: &Stage) -> Raw<UnixStream> {
    let socket = stage.home.paths().proxy_socket();
    Raw::new(UnixStream::connect(socket).await.unwrap())
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

fn post(mark: usize) -> String {
    let body = r#"{"ticket":{"subject":"s","comment":{"body":"b"}}}"#;
    format!(
        "POST /api/v2/tickets.json HTTP/1.1\r\nHost: localhost\r\nX-Mark: {mark}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// How often Zendesk has received each marked write.
fn writes(records: &[Record]) -> HashMap<String, usize> {
    let mut writes = HashMap::new();
    for record in records {
        if let Some(mark) = record.header("x-mark") {
            *writes.entry(mark.to_owned()).or_default() += 1;
        }
    }
    writes
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_ten_changes_of_address_cost_no_get_three_seconds_and_double_no_post_over_http_1() {
    if uplinks::alone("network::r10_ten_changes_of_address_cost_no_get_three_seconds_and_double_no_post_over_http_1").await {
        ten_changes(Protocols::Http1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_ten_changes_of_address_cost_no_get_three_seconds_and_double_no_post_over_http_2() {
    if uplinks::alone("network::r10_ten_changes_of_address_cost_no_get_three_seconds_and_double_no_post_over_http_2").await {
        ten_changes(Protocols::Both).await;
    }
}

async fn ten_changes(protocols: Protocols) {
    let (uplinks, stage, _daemon) = stage(protocols).await;
    let over = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicUsize::new(0));
    let mut scripts = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (over, next) = (Arc::clone(&over), Arc::clone(&next));
        let socket = stage.home.paths().proxy_socket();
        let mut script = UnixStream::connect(&socket).await.unwrap();
        scripts.spawn(async move {
            let mut seen = Seen::default();
            while !over.load(Ordering::SeqCst) {
                let n = next.fetch_add(1, Ordering::SeqCst);
                let is_get = !n.is_multiple_of(3);
                let request = if is_get {
                    get("/api/v2/tickets/1.json")
                } else {
                    post(n)
                };
                let began = Instant::now();
                script.write_all(request.as_bytes()).await.unwrap();
                let (status, is_whole) = answer(&mut script).await;
                match (is_get, status) {
                    (true, 200) => seen.slowest = seen.slowest.max(began.elapsed()),
                    (false, 201) => seen.made.push(n),
                    // It may have been carried out: only the script can know what to do.
                    (false, 502) => seen.doubtful += 1,
                    _ => seen
                        .failed
                        .push(format!("{n}: {status} after {:?}", began.elapsed())),
                }
                if !is_whole {
                    seen.broken += 1;
                    script = UnixStream::connect(&socket).await.unwrap();
                }
                tokio::time::sleep(PAUSE).await;
            }
            seen
        });
    }
    for round in 0..10 {
        let (old, new) = (round % 2, (round + 1) % 2);
        tokio::time::sleep(STAY).await;
        uplinks.take(old).await;
        // A new address arrives with the next network, or a little later.
        tokio::time::sleep(GAP * round as u32 / 10).await;
        uplinks.give(new, 3 + round).await;
    }
    tokio::time::sleep(STAY).await;
    over.store(true, Ordering::SeqCst);
    let seen = scripts.join_all().await;

    let failed: Vec<_> = seen.iter().flat_map(|seen| &seen.failed).collect();
    assert!(
        failed.is_empty(),
        "{} failed: {:#?}",
        failed.len(),
        &failed[..failed.len().min(5)]
    );
    let slowest = seen.iter().map(|seen| seen.slowest).max().unwrap();
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    let broken: usize = seen.iter().map(|seen| seen.broken).sum();
    assert!(broken <= next.load(Ordering::SeqCst) / 100, "{broken}");
    let writes = writes(&stage.zendesk.requests());
    let doubled: Vec<_> = writes.iter().filter(|(_, times)| **times > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    let made = seen.iter().flat_map(|seen| &seen.made);
    let lost: Vec<_> = made
        .filter(|n| !writes.contains_key(&n.to_string()))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
    loopdesk_tests::demo::say(&format!(
        "{protocols:?}: {} requests, slowest GET {slowest:?}, {broken} broken off, {} writes, {} in \
         doubt, {} connections",
        next.load(Ordering::SeqCst),
        writes.len(),
        seen.iter().map(|seen| seen.doubtful).sum::<usize>(),
        stage.zendesk.connections_made(),
    ));
}

/// The status of the next response, and whether it was complete: once it has begun, the request
/// can't be sent again.
async fn answer(script: &mut UnixStream) -> (u16, bool) {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1);
            let length = length.map(|rest| rest.lines().next().unwrap().parse::<usize>().unwrap());
            let is_whole = match length {
                Some(length) => body.len() == length,
                None => body.ends_with("\r\n0\r\n\r\n"),
            };
            if is_whole {
                return (status_of(&head), true);
            }
        }
        if script.read_buf(&mut seen).await.unwrap_or_default() == 0 {
            return (status_of(&String::from_utf8_lossy(&seen)), false);
        }
    }
}

fn status_of(head: &str) -> u16 {
    let status = head.split(' ').nth(1);
    status
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

#[derive(Debug, Default)]
struct Seen {
    slowest: Duration,
    made: Vec<usize>,
    doubtful: usize,
    /// Responses that had begun when their connection was lost, as they would have been without us.
    broken: usize,
    failed: Vec<String>,
}

/// Each from its own script.
const CONNECTIONS: usize = 64;
/// Between a script's requests: the load should be in flight, not exhaust the machine.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two changes.
const STAY: Duration = Duration::from_millis(1200);
/// The longest time without any address.
const GAP: Duration = Duration::from_millis(800);

#[tokio::test(flavor = "multi_thread")]
async fn r10_what_changes_elsewhere_closes_nothing_and_costs_nothing() {
    if !uplinks::alone("network::r10_what_changes_elsewhere_closes_nothing_and_costs_nothing").await
    {
        return;
    }
    let (uplinks, stage, daemon) = stage(Protocols::Http1).await;
    let mut scripts = Vec::new();
    for _ in 0..8 {
        scripts.push(script(&stage).await);
    }
    ask_at_once(&mut scripts).await;
    let closed = closed_connections(&stage);

    for _ in 0..10 {
        uplinks.ip("link add name br0 type bridge").await;
        uplinks.ip("address add 172.17.0.1/16 dev br0").await;
        uplinks.ip("link set br0 up").await;
        uplinks.ip("link delete br0").await;
    }
    tokio::time::sleep(SETTLED).await;
    assert_eq!(closed_connections(&stage), closed);
    ask_at_once(&mut scripts).await;
    assert_eq!(closed_connections(&stage), closed);

    // A machine with many containers.
    let lines: String = (0..MESSAGES / 2)
        .map(|n| {
            let net = format!("198.18.{}.{}", n / 200 % 200, n % 200);
            format!("route add blackhole {net}\nroute delete blackhole {net}\n")
        })
        .collect();
    let file = stage.home.path().join("routes");
    std::fs::write(&file, lines).unwrap();
    let (before, began) = (processor_time(&daemon), Instant::now());
    uplinks.batch(&file).await;
    let (took, used) = (began.elapsed(), processor_time(&daemon) - before);
    tokio::time::sleep(SETTLED).await;
    println!("{MESSAGES} messages in {took:?} cost {used:?} of the daemon's time");
    assert!(
        used < took / 20 + Duration::from_millis(50),
        "{used:?} of {took:?}"
    );
    assert_eq!(closed_connections(&stage), closed);
    ask_at_once(&mut scripts).await;
    assert_eq!(closed_connections(&stage), closed);
}

fn connections(stage: &Stage) -> (usize, usize) {
    (
        stage.zendesk.connections_made(),
        stage.zendesk.open_connections(),
    )
}

/// How many connections have ended. New ones may be added, when more requests meet than before.
fn closed_connections(stage: &Stage) -> usize {
    let (made, open) = connections(stage);
    made - open
}

/// Makes every script send a GET, so that each needs its own connection over HTTP/1.1.
async fn ask_at_once(scripts: &mut [Raw<UnixStream>]) {
    for script in scripts.iter_mut() {
        script.send(get("/api/v2/tickets/1.json")).await;
    }
    for script in scripts {
        assert_eq!(script.answer().await.status(), 200);
    }
}

/// The processor time that the daemon has used, to a hundredth of a second.
fn processor_time(daemon: &Daemon) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = |n: usize| fields.split(' ').nth(n).unwrap().parse::<u64>().unwrap();
    // utime and stime (proc(5)), in USER_HZ.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// More than one look at the network takes.
const SETTLED: Duration = Duration::from_millis(600);
const MESSAGES: usize = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn r10_connections_that_die_silently_cost_a_get_little_and_a_post_its_answer_over_http_1() {
    if uplinks::alone("network::r10_connections_that_die_silently_cost_a_get_little_and_a_post_its_answer_over_http_1").await {
        silent_death(Protocols::Http1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_connections_that_die_silently_cost_a_get_little_and_a_post_its_answer_over_http_2() {
    if uplinks::alone("network::r10_connections_that_die_silently_cost_a_get_little_and_a_post_its_answer_over_http_2").await {
        silent_death(Protocols::Both).await;
    }
}

async fn silent_death(protocols: Protocols) {
    let (mut uplinks, stage, _daemon) = stage(protocols).await;
    let mut scripts = Vec::new();
    for _ in 0..8 {
        scripts.push(script(&stage).await);
    }
    ask_at_once(&mut scripts).await;
    let dead = uplinks
        .forget_connections([10, 0, 0, 2], stage.zendesk.port())
        .await;
    assert!(dead > 0);
    stage.zendesk.clear();

    // A POST on a dead connection: Zendesk receives it, and no response comes back.
    let mut writer = script(&stage).await;
    let began = Instant::now();
    writer.send(post(1)).await;
    stage.zendesk_sees(|seen| !writes(seen).is_empty()).await;
    let asked = Instant::now();
    ask_at_once(&mut scripts).await;
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    // The same for refreshes, after a while without any response.
    let dead = uplinks
        .forget_connections([10, 0, 0, 2], stage.zendesk.port())
        .await;
    assert!(dead > 0);
    tokio::time::sleep(UNHEARD).await;
    let asked = Instant::now();
    stage.home.loopdesk(["refresh"]).await.ok();
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(stage.zendesk.token_posts().len(), 1);
    ask_at_once(&mut scripts).await;
    // For a network that is only slow, the daemon waits, and asks only once.
    let slow = Fault::on("GET", "/api/v2/users/me").delay_answer(SLOW);
    stage.zendesk.fault(slow);
    scripts[0].send(get("/api/v2/users/me.json")).await;
    assert_eq!(scripts[0].answer().await.status(), 200);
    let times = stage.zendesk.count(|r| r.is("GET", "/api/v2/users/me"));
    assert_eq!(times, 1);
    let answer = writer.answer().await;
    let (status, after, text) = (answer.status(), began.elapsed(), answer.text());
    assert_eq!(status, 502, "{text}");
    let thirty = Duration::from_secs(30);
    assert!(
        after >= thirty && after < thirty + Duration::from_secs(5),
        "{after:?}"
    );
    assert!(text.contains("acknowledged for 30 s"), "{text}");

    // A daemon whose address disappears knows it at once.
    let gate = Gate::closed();
    stage
        .zendesk
        .fault(Fault::on("POST", "/api/v2/tickets").hold_answer(&gate));
    writer.send(post(2)).await;
    stage.zendesk_sees(|seen| writes(seen).len() == 2).await;
    let began = Instant::now();
    uplinks.take(0).await;
    let answer = writer.answer().await;
    assert_eq!(answer.status(), 502, "{answer:?}");
    assert!(answer.text().contains("network has changed"), "{answer:?}");
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    let writes = writes(&stage.zendesk.requests());
    assert!(writes.values().all(|times| *times == 1), "{writes:?}");
}

/// After this long, the daemon opens a new connection rather than request tokens on an old one.
const UNHEARD: Duration = Duration::from_millis(5500);
/// Longer than bytes may remain unacknowledged.
const SLOW: Duration = Duration::from_secs(6);
