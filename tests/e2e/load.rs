//! Many scripts at once, over a longer time. `tests/run --long` runs these at their full size.

mod steady;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loopdesk_tests::Raw;
use loopdesk_tests::zendesk::Record;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::stage_with_ttl;

/// 64 connections, each with a mix of reads, writes and uploads, while the token pair is rotated
/// over and over: Zendesk deletes the old pair each time.
#[tokio::test(flavor = "multi_thread")]
async fn s7_ten_thousand_requests_across_twenty_rotations_none_fails_none_acts_twice() {
    let mut stage = stage_with_ttl(TOKEN_TTL.as_secs()).await;
    // Logging at the most verbose level would be most of the load.
    stage.home.set("LOOPDESK_LOG", "info");
    let _daemon = stage.logged_in().await;
    stage.zendesk.clear();
    let (started, port) = (Instant::now(), stage.port);
    let next = Arc::new(AtomicUsize::new(0));
    let rotated = Arc::new(AtomicBool::new(false));
    let held_up = Arc::new(AtomicUsize::new(0));
    let stalls = Stalls::watch();
    let mut scripts = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (next, rotated) = (Arc::clone(&next), Arc::clone(&rotated));
        let (held_up, stalls) = (Arc::clone(&held_up), stalls.clone());
        scripts.spawn(async move {
            let mut script = Raw::connect(port).await;
            let mut failures = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::SeqCst);
                if n >= REQUESTS && rotated.load(Ordering::SeqCst) {
                    return failures;
                }
                let (request, expected) = mixed(n, port);
                let began = Instant::now();
                script.send(request).await;
                let answer = script.answer().await;
                // A request that can't be sent again fails if it takes longer than a refresh waits for
                // it, or if the machine stalls for so long that its token expires on the way.
                let was_held_up =
                    is_too_large(n) && (began.elapsed() > DRAIN || stalls.was_within(TOKEN_TTL));
                if answer.status() == 401 && was_held_up {
                    held_up.fetch_add(1, Ordering::SeqCst);
                } else if answer.status() != expected {
                    failures.push(format!("{n}: {answer:?}"));
                }
                if answer.head.has("connection", "close") {
                    script = Raw::connect(port).await;
                }
            }
        });
    }
    let refreshed = |records: &[Record]| records.iter().filter(|r| is_refresh(r)).count();
    let watch = async {
        let within = Duration::from_secs(150);
        let seen = stage
            .zendesk
            .wait_for_within(within, |seen| refreshed(seen) >= ROTATIONS);
        seen.await.expect("tokens rotate");
        rotated.store(true, Ordering::SeqCst);
    };
    let (failures, ()) = tokio::join!(scripts.join_all(), watch);
    let failures: Vec<_> = failures.into_iter().flatten().collect();
    assert!(
        failures.is_empty(),
        "{} failed: {:#?}",
        failures.len(),
        failures.first()
    );

    let made = next.load(Ordering::SeqCst) - CONNECTIONS;
    let records = stage.zendesk.requests();
    // Exactly the requests with a 201 have acted; those with a 401 have not.
    let mut acted = HashMap::new();
    for record in &records {
        if let Some(mark) = record.header("idempotency-key")
            && record.status().is_some_and(|status| status == 201)
        {
            *acted.entry(mark.to_owned()).or_insert(0) += 1;
        }
    }
    let writes = (0..made).filter(|n| !n.is_multiple_of(3)).count();
    let duplicates = acted.values().filter(|times| **times > 1).count();
    assert_eq!(duplicates, 0, "nothing acts twice");
    let held_up = held_up.load(Ordering::SeqCst);
    assert!(
        acted.len() + held_up >= writes,
        "{} of {writes} have acted, {held_up} were held up",
        acted.len()
    );
    assert!(
        held_up * 100 <= writes,
        "{held_up} of {writes} were held up"
    );
    let refused = records
        .iter()
        .filter(|r| r.status().is_some_and(|s| s == 401));
    println!(
        "{made} requests ({} writes) at {CONNECTIONS} connections in {:?}, {} rotations, \
         {} failures, {held_up} held up, {duplicates} duplicates, {} upstream 401s",
        acted.len(),
        started.elapsed(),
        refreshed(&records),
        failures.len(),
        refused.count(),
    );
}

/// When this machine last kept a thread waiting.
#[derive(Clone)]
struct Stalls(Arc<Mutex<Option<Instant>>>);

impl Stalls {
    /// Watches for as long as a clone exists.
    fn watch() -> Self {
        let last = Arc::new(Mutex::new(None));
        let seen = Arc::downgrade(&last);
        #[expect(
            clippy::disallowed_methods,
            reason = "the thread is the watch's own: how late it wakes up is what it measures"
        )]
        std::thread::spawn(move || {
            let pause = Duration::from_millis(10);
            while let Some(last) = seen.upgrade() {
                let began = Instant::now();
                std::thread::sleep(pause);
                if began.elapsed() > pause + STALL {
                    *last.lock().unwrap() = Some(Instant::now());
                }
            }
        });
        Self(last)
    }

    fn was_within(&self, time: Duration) -> bool {
        self.0.lock().unwrap().is_some_and(|at| at.elapsed() < time)
    }
}

fn is_refresh(record: &Record) -> bool {
    let post = record.token_post.as_ref();
    post.is_some_and(|post| post.grant == "refresh_token")
}

/// Sends request number `n` and returns its status.
fn mixed(n: usize, port: u16) -> (Vec<u8>, u16) {
    let host = format!("Host: localhost:{port}\r\nAuthorization: Basic ZHVtbXk6eA==\r\n");
    let mark = format!("Idempotency-Key: {n}\r\n");
    match n % 3 {
        0 => {
            let head = format!(
                "GET /api/v2/tickets/{}.json HTTP/1.1\r\n{host}\r\n",
                n % 250 + 1
            );
            (head.into_bytes(), 200)
        }
        1 => {
            let body =
                format!("{{\"ticket\":{{\"subject\":\"{n}\",\"comment\":{{\"body\":\"b\"}}}}}}");
            let head = format!(
                "POST /api/v2/tickets.json HTTP/1.1\r\n{host}{mark}Content-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            (head.into_bytes(), 201)
        }
        _ => {
            let size = if is_too_large(n) {
                (1 << 20) + 1
            } else {
                20_000
            };
            let head = format!(
                "POST /api/v2/uploads.json?filename={n} HTTP/1.1\r\n{host}{mark}\
                 Content-Length: {size}\r\n\r\n"
            );
            let mut request = head.into_bytes();
            request.resize(request.len() + size, b'x');
            (request, 201)
        }
    }
}

/// One upload in ten is too large to be sent again.
fn is_too_large(n: usize) -> bool {
    n % 30 == 2
}

/// A refresh waits at least this long for an upload to reach Zendesk.
const DRAIN: Duration = Duration::from_millis(250);
/// Of the access tokens.
const TOKEN_TTL: Duration = Duration::from_secs(2);
/// Far longer than a thread waits for a core on a machine that keeps up.
const STALL: Duration = Duration::from_millis(50);
const REQUESTS: usize = 10_000;
const CONNECTIONS: usize = 64;
const ROTATIONS: usize = 20;
