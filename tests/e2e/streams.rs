//! Bodies of any size pass through, and none of them is kept (S3).
#![cfg(target_os = "linux")]

use std::time::Duration;

use bytes::Bytes;
use loopdesk_tests::memory::{peak, resident};
use loopdesk_tests::zendesk::{Answer, Fault, Gate, Protocols, Zendesk};
use loopdesk_tests::{Daemon, Raw, Stage};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::binary;

/// How much passes through: 1 GiB, or ten with `LOOPDESK_LONG`.
fn size() -> u64 {
    let long = std::env::var("LOOPDESK_LONG").is_ok_and(|v| !v.is_empty());
    if long { 10 << 30 } else { 1 << 30 }
}

async fn stage(protocols: Protocols) -> (Stage, Daemon) {
    let builder = Zendesk::builder()
        .protocols(protocols)
        .gzip(false)
        .upload_limit(1 << 20)
        .body_cap(1);
    let mut stage = Stage::set(binary(), builder).await;
    // Logging every piece of a gigabyte would be most of the work.
    stage.home.set("LOOPDESK_LOG", "info");
    let daemon = stage.logged_in().await;
    let (status, body) = stage.get("/api/v2/users/me.json").await;
    assert_eq!(status, 200, "{body}");
    (stage, daemon)
}

/// A file of `PIECE` times `count`.
fn download(stage: &Stage, count: u64) {
    let answer = Answer::new(200).header("content-type", "video/mp4");
    let fault = Fault::on("GET", "/api/v2/big").answer(answer);
    let piece = Bytes::from(vec![b'x'; PIECE]);
    stage.zendesk.fault(fault.repeat_body(piece, count));
}

fn get(stage: &Stage) -> String {
    let port = stage.port;
    format!("GET /api/v2/big HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")
}

fn upload(stage: &Stage, framing: &str) -> String {
    let port = stage.port;
    format!(
        "POST /api/v2/uploads?filename=a HTTP/1.1\r\nHost: localhost:{port}\r\n{framing}\r\n\r\n"
    )
}

/// Asserts that memory use was flat, and prints how flat.
fn report(what: &str, daemon: &Daemon, before: u64, started: Instant) -> String {
    let (peak, after) = (peak(daemon), resident(daemon));
    assert!(peak < before + GROWTH, "{what}: {before} to {peak} KiB");
    format!(
        "{what}: {} MiB in {:.1} s, resident {before} KiB before, {peak} at most, {after} after",
        size() >> 20,
        started.elapsed().as_secs_f64()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_a_download_of_any_size_leaves_memory_flat() {
    let (stage, daemon) = stage(Protocols::Both).await;
    download(&stage, size() / PIECE as u64);
    let (before, started) = (resident(&daemon), Instant::now());
    let mut script = Raw::connect(stage.port).await;
    script.send(get(&stage)).await;
    assert_eq!(
        script.head().await.get("content-length"),
        Some(&*size().to_string())
    );
    script.skip(size()).await;
    println!("{}", report("down", &daemon, before, started));
    script.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(script.answer().await.status(), 421, "nothing came after it");
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_an_upload_of_any_size_leaves_memory_flat() {
    let (stage, daemon) = stage(Protocols::Both).await;
    let created = Answer::json(201, &json!({"upload": {}}));
    stage
        .zendesk
        .fault(Fault::on("POST", "/api/v2/uploads").answer(created));
    let (before, started) = (resident(&daemon), Instant::now());
    let mut script = Raw::connect(stage.port).await;
    let length = format!("Content-Length: {}", size());
    script.send(upload(&stage, &length)).await;
    let piece = vec![b'x'; PIECE];
    for _ in 0..size() / PIECE as u64 {
        script.send(&piece).await;
    }
    assert_eq!(script.answer().await.status(), 201);
    println!("{}", report("up", &daemon, before, started));
    let seen = stage.zendesk.requests();
    let seen = seen
        .iter()
        .find(|record| record.is("POST", "/api/v2/uploads"));
    assert_eq!(seen.unwrap().body_length, size());
}

#[tokio::test]
async fn s3_scripts_that_never_read_grow_no_memory_and_stop_nobody() {
    for protocols in [Protocols::Both, Protocols::Http1] {
        let (stage, daemon) = stage(protocols).await;
        download(&stage, 1 << 20);
        let before = resident(&daemon);
        let mut idle = Vec::new();
        for _ in 0..IDLE {
            let mut script = Raw::connect(stage.port).await;
            script.send(get(&stage)).await;
            script.head().await;
            idle.push(script);
        }
        // A script that reads is served, on the same connection to Zendesk if it has streams.
        for _ in 0..20 {
            let answered = timeout(PATIENCE, stage.get("/api/v2/users/me.json")).await;
            assert_eq!(answered.expect("nobody is held up").0, 200);
        }
        let peak = peak(&daemon);
        println!("{protocols:?}: {IDLE} read nothing, {before} KiB before, {peak} at most");
        assert!(peak < before + GROWTH, "{before} to {peak} KiB");
        let mut reader = idle.swap_remove(0);
        reader.skip(16 << 20).await;
    }
}

#[tokio::test]
async fn s3_an_upstream_that_never_reads_grows_no_memory() {
    for protocols in [Protocols::Both, Protocols::Http1] {
        let (stage, daemon) = stage(protocols).await;
        let gate = Gate::closed();
        stage
            .zendesk
            .fault(Fault::on("POST", "/api/v2/uploads").hold_body(&gate));
        let before = resident(&daemon);
        let mut script = Raw::connect(stage.port).await;
        script
            .send(upload(&stage, "Content-Length: 1000000000"))
            .await;
        let piece = vec![b'x'; PIECE];
        gate.reached(1).await;
        // Everything between the script and Zendesk fills up, and then nothing moves.
        let mut sent = 0;
        while timeout(STALL, script.try_send(&piece)).await.is_ok() {
            sent += PIECE;
            assert!(sent < 100 << 20, "{sent} bytes went nowhere");
        }
        let (status, _) = stage.get("/api/v2/users/me.json").await;
        assert_eq!(status, 200, "nobody is held up");
        let peak = peak(&daemon);
        println!("never read: {sent} bytes sent, {before} KiB before, {peak} at most");
        assert!(peak < before + GROWTH, "{before} to {peak} KiB");
    }
}

const PIECE: usize = 64 << 10;

/// How many scripts read nothing.
const IDLE: u64 = 8;

/// In KiB: buffers of a few connections, and what the allocator keeps for itself.
const GROWTH: u64 = 24 << 10;

const PATIENCE: Duration = Duration::from_secs(30);

/// After this long, nothing moves any more.
const STALL: Duration = Duration::from_secs(1);
