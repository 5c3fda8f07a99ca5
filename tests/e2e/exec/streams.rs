//! Bodies of any size pass the helper, and none of them is kept.

use bytes::Bytes;
use loopdesk_tests::Daemon;
use loopdesk_tests::by_name::ByName;
use loopdesk_tests::zendesk::{Answer, Fault, Zendesk};
use serde_json::json;

use super::held::helpers;
use crate::{binary, is_long};

/// How much passes through.
fn size() -> u64 {
    if is_long() { 1 << 30 } else { 128 << 20 }
}

async fn quiet() -> (ByName, Daemon) {
    let builder = Zendesk::builder()
        .gzip(false)
        .upload_limit(1 << 20)
        .body_cap(1);
    let mut named = ByName::set(binary(), builder, "", "").await;
    // Logging every piece would be most of the work.
    named.stage.home.set("LOOPDESK_LOG", "info");
    let daemon = named.logged_in().await;
    (named, daemon)
}

/// The peak resident memory of the one helper, in KiB.
fn peak(named: &ByName) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", helpers(named)[0])).unwrap();
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    value.split_whitespace().next().unwrap().parse().unwrap()
}

/// The command writes the helper's peak before and after what it does.
async fn growth(named: &ByName, act: &str) -> u64 {
    let file = named.stage.home.path().join("step");
    let script = format!(
        "curl -sS -o /dev/null https://acme.zendesk.com/api/v2/users/me.json
         touch {0}-one; while [ -e {0}-one ]; do sleep 0.05; done
         {act}
         touch {0}-two; while [ -e {0}-two ]; do sleep 0.05; done",
        file.display()
    );
    let step = async |name: &str| {
        let file = named.stage.home.path().join(format!("step-{name}"));
        loopdesk_tests::wait::eventually("the command comes this far", async || file.exists())
            .await;
        let peak = peak(named);
        std::fs::remove_file(&file).unwrap();
        peak
    };
    let steps = async { (step("one").await, step("two").await) };
    let arguments = ["--", "sh", "-ec", &script];
    let (output, (before, after)) = tokio::join!(named.exec(&arguments), steps);
    output.ok();
    after - before
}

#[tokio::test(flavor = "multi_thread")]
async fn s9_s3_downloads_and_uploads_of_any_size_leave_the_helpers_memory_flat() {
    let (named, daemon) = quiet().await;
    let answer = Answer::new(200).header("content-type", "video/mp4");
    let piece = Bytes::from(vec![b'x'; PIECE]);
    let fault = Fault::on("GET", "/api/v2/big").answer(answer);
    let count = size() / PIECE as u64;
    named.stage.zendesk.fault(fault.repeat_body(piece, count));
    let url = "https://acme.zendesk.com/api/v2/big";
    let down = growth(
        &named,
        &format!("curl -sS {url} | wc -c | grep -q {}", size()),
    )
    .await;
    assert!(down < GROWTH, "down: {down} KiB");

    let made = Answer::json(201, &json!({"upload": {}}));
    let fault = Fault::on("POST", "/api/v2/uploads").answer(made);
    named.stage.zendesk.fault(fault);
    let url = "https://acme.zendesk.com/api/v2/uploads?filename=a";
    let act = format!(
        "head -c {} /dev/zero | curl -sSf -o /dev/null -H 'Expect:' -T - -X POST {url}",
        size()
    );
    let up = growth(&named, &act).await;
    assert!(up < GROWTH, "up: {up} KiB");
    daemon.stop().await;
}

const PIECE: usize = 64 << 10;

/// Buffers of both connections and of TLS.
const GROWTH: u64 = 8 << 10;
