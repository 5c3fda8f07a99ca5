//! Many scripts at once, for longer. `tests/run --long` runs these at their full size.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use loopdesk_tests::Raw;
use loopdesk_tests::zendesk::{Record, Standing};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::stage_with_ttl;

const ACCESS_TTL: u64 = 3;

/// Four shells call curl one after the other, for a minute, while access tokens live 3 s.
#[tokio::test]
async fn r1_a_minute_of_scripts_across_rotations_without_a_failure() {
    let stage = stage_with_ttl(ACCESS_TTL).await;
    let _daemon = stage.logged_in().await;
    let seconds = if std::env::var("LOOPDESK_LONG").is_ok_and(|v| !v.is_empty()) {
        600
    } else {
        60
    };
    stage.zendesk.clear();
    let started = Instant::now();
    let script = format!(
        "end=$(( $(date +%s) + {seconds} )); n=0; while [ $(date +%s) -lt $end ]; do \
         n=$((n + 1)); \
         code=$(curl -sS --max-time 30 -u a@b.c/token:x -o /dev/null -w '%{{http_code}}' \
         '{base}/api/v2/tickets.json?page=1&per_page=10') || code=none; \
         [ \"$code\" = 200 ] || echo \"request $n: $code\" >&2; done; echo $n",
        base = stage.base(),
    );
    let one = || stage.home.run("sh", ["-c", &script]);
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    let elapsed = started.elapsed();
    let mut requests = 0;
    for shell in [a, b, c, d] {
        let shell = shell.ok();
        assert_eq!(shell.stderr, "", "no request fails");
        requests += shell.stdout.trim().parse::<usize>().expect("a count");
    }

    let records = stage.zendesk.requests();
    let refreshes: Vec<_> = records
        .iter()
        .filter_map(|r| r.token_post.as_ref())
        .filter(|post| post.grant == "refresh_token")
        .collect();
    assert!(
        refreshes
            .iter()
            .all(|r| r.refresh_token == Some(Standing::Live)),
        "{refreshes:?}"
    );
    // Refreshed a quarter of the lifetime early, with up to a tenth of jitter on top.
    let lifetime = Duration::from_secs(ACCESS_TTL).as_secs_f64();
    let least = lifetime * 0.65;
    let most = elapsed.as_secs_f64() / least + 1.0;
    let made = refreshes.len() as f64;
    assert!(made <= most, "{made} refreshes in {elapsed:?}");
    assert!(refreshes.len() >= 10, "tokens have rotated");
    let refused = records
        .iter()
        .filter(|r| r.status().is_some_and(|s| s == 401))
        .count();
    assert!(
        refused * 100 <= requests,
        "{refused} of {requests} requests met a 401"
    );
    println!(
        "{requests} requests in {elapsed:?}, {} refreshes, {refused} upstream 401s",
        refreshes.len()
    );
}

/// 64 connections, each with a mix of reads, writes and uploads, while the token pair is rotated
/// over and over: Zendesk deletes the old one each time (issue 4, shown by 5).
#[tokio::test(flavor = "multi_thread")]
async fn s7_ten_thousand_requests_across_twenty_rotations_none_fails_none_acts_twice() {
    let stage = stage_with_ttl(2).await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.clear();
    let (started, port) = (Instant::now(), stage.port);
    let next = Arc::new(AtomicUsize::new(0));
    let rotated = Arc::new(AtomicBool::new(false));
    let mut scripts = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (next, rotated) = (Arc::clone(&next), Arc::clone(&rotated));
        scripts.spawn(async move {
            let mut script = Raw::connect(port).await;
            let mut failures = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::SeqCst);
                if n >= REQUESTS && rotated.load(Ordering::SeqCst) {
                    return failures;
                }
                let (request, expected) = mixed(n, port);
                script.send(request).await;
                let answer = script.answer().await;
                if answer.status() != expected {
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
    // What has acted is what was answered with 201; a 401 has not.
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
    assert!(
        acted.len() >= writes,
        "{} of {writes} have acted",
        acted.len()
    );
    let refused = records
        .iter()
        .filter(|r| r.status().is_some_and(|s| s == 401));
    println!(
        "{made} requests ({} writes) at {CONNECTIONS} connections in {:?}, {} rotations, \
         {} failures, {duplicates} duplicates, {} upstream 401s",
        acted.len(),
        started.elapsed(),
        refreshed(&records),
        failures.len(),
        refused.count(),
    );
}

fn is_refresh(record: &Record) -> bool {
    let post = record.token_post.as_ref();
    post.is_some_and(|post| post.grant == "refresh_token")
}

/// Request number `n`, and the status of its answer.
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
            // Every tenth is too large to be sent a second time.
            let size = if n % 30 == 2 { (1 << 20) + 1 } else { 20_000 };
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

const REQUESTS: usize = 10_000;
const CONNECTIONS: usize = 64;
const ROTATIONS: usize = 20;
