//! Token endpoints that are unreachable, foreign, odd or slow; tests/README.md has the table.

use std::time::Duration;

use loopdesk_protocol::status::State;
use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::{Answer, Fault, Gate, Host, Malformed, Record};
use loopdesk_tests::{Failpoints, Stage};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::{is_in_order, stage, stage_with_ttl};

const ME: &str = "/api/v2/users/me.json";
const HOUR: i64 = 3_600_000;

fn refreshes(stage: &Stage) -> usize {
    let is_refresh = |r: &Record| {
        let post = r.token_post.as_ref();
        post.is_some_and(|post| post.grant == "refresh_token")
    };
    stage.zendesk.count(is_refresh)
}

fn at_tokens() -> Fault {
    Fault::on("POST", "/oauth/tokens")
}

#[tokio::test]
async fn r4_portals_proxies_and_outages_cost_nothing_and_are_over_when_they_are_over() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let answers = [
        Answer::captive_portal(),
        Answer::redirect(302, "https://portal.example/login"),
        Answer::gateway_page(407),
        Answer::gateway_page(502),
        Answer::maintenance(60),
        Answer::too_many_requests(60),
        Answer::json(403, &json!({"error": "invalid_grant"})),
        Answer::json(200, &json!({"error": "invalid_grant"})),
        Answer::text(200, ""),
    ];
    for answer in answers {
        let what = format!("{answer:?}");
        let fault = stage.zendesk.fault(at_tokens().answer(answer));
        let failed = stage.home.loopdesk(["refresh"]).await;
        assert_ne!(failed.code, Some(0), "{what}: {failed:?}");
        assert_eq!(stage.get(ME).await.0, 200, "{what}: the token serves");
        let state = stage.acme().await.state;
        let is_fine = is_in_order(state) || state == State::Blocked;
        assert!(is_fine, "{what}: {state:?}");
        fault.remove();
        stage.home.loopdesk(["refresh"]).await.ok();
        assert_eq!(stage.acme().await.state, State::Active, "{what}");
    }
    stage.zendesk.set_reachable(false).await;
    stage.home.loopdesk(["refresh"]).await.failed(5);
    stage.zendesk.set_reachable(true).await;
    stage.home.loopdesk(["refresh"]).await.ok();
    assert_eq!(stage.live_pairs(), 1);
}

#[tokio::test]
async fn r6_expired_and_the_endpoint_down_is_our_503_and_zendesk_sees_nothing() {
    let mut stage = stage().await;
    let Some(failpoints) = Failpoints::of(&mut stage.home) else {
        return;
    };
    failpoints.set_clock(0);
    let _daemon = stage.logged_in().await;
    let fault = stage
        .zendesk
        .fault(at_tokens().answer(Answer::gateway_page(502)));
    stage.zendesk.clear();
    failpoints.set_clock(72 * HOUR);
    let output = stage.curl(ME, &["-i"]).await.ok();
    assert!(output.stdout.starts_with("HTTP/1.1 503 "), "{output:?}");
    assert!(
        output.stdout.to_lowercase().contains("x-loopdesk-error"),
        "{output:?}"
    );
    let others = stage.zendesk.count(|r| r.token_post.is_none());
    assert_eq!(others, 0, "no request leaves with an expired token");
    fault.remove();
    eventually("the daemon serves again", async || {
        stage.get(ME).await.0 == 200
    })
    .await;
    // Set back, by NTP or by hand.
    let before = refreshes(&stage);
    failpoints.set_clock(71 * HOUR);
    eventually("the daemon notices", async || refreshes(&stage) > before).await;
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn r5_an_answer_that_is_lost_is_asked_for_once_more_and_its_loss_is_told() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.clear();
    // It never arrived: an immediate retry is enough.
    stage
        .zendesk
        .fault(at_tokens().once().reset_before_commit());
    stage.home.loopdesk(["refresh"]).await.ok();
    assert_eq!(
        (refreshes(&stage), stage.acme().await.state),
        (2, State::Active)
    );

    stage.zendesk.clear();
    stage.zendesk.fault(at_tokens().once().reset_after_commit());
    let failed = stage.home.loopdesk(["refresh"]).await.failed(4);
    assert!(
        failed.stderr.contains("the answer to a refresh was lost"),
        "{failed:?}"
    );
    let acme = stage.acme().await;
    assert_eq!((refreshes(&stage), acme.state), (2, State::Ended));
    assert!(acme.person.is_some(), "the record is kept");
}

#[tokio::test]
async fn r4_after_invalid_grant_not_one_more_post_until_a_login() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.revoke_tokens();
    let (status, body) = stage.get(ME).await;
    assert_eq!(status, 401, "{body}");
    assert!(body.contains("loopdesk login"), "{body}");
    stage.zendesk.clear();
    for _ in 0..20 {
        assert_eq!(stage.get(ME).await.0, 401);
        assert_ne!(stage.home.loopdesk(["refresh"]).await.code, Some(0));
    }
    assert_eq!(
        stage.zendesk.requests().len(),
        0,
        "Zendesk hears nothing more"
    );
    stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn r3_odd_answers_that_hold_a_pair_are_never_dropped() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let lifetime = |value: serde_json::Value| {
        Malformed::edited(move |object| {
            object.insert("expires_in".to_owned(), value.clone());
        })
    };
    let malformed_answers = [
        Malformed::ExpiresInAsText,
        Malformed::NoExpiresIn,
        Malformed::NoScope,
        Malformed::NoRefreshToken,
        Malformed::ContentType("text/html".to_owned()),
        Malformed::Padding(30_000),
        Malformed::ByteOrderMark,
        Malformed::Gzip { is_told: true },
        Malformed::Gzip { is_told: false },
        lifetime(json!(0)),
        lifetime(json!(-5)),
        lifetime(json!(1e12)),
        lifetime(json!("soon")),
        lifetime(json!(null)),
    ];
    for malformed in malformed_answers {
        let what = format!("{malformed:?}");
        stage.zendesk.set_malformed(malformed);
        stage.home.loopdesk(["refresh"]).await.ok();
        stage.zendesk.set_malformed(None);
        assert_eq!(stage.get(ME).await.0, 200, "{what}");
        stage.home.loopdesk(["refresh"]).await.ok();
        assert_eq!(stage.acme().await.state, State::Active, "{what}");
    }
    // In pieces, and slowly.
    let gate = Gate::closed();
    stage
        .zendesk
        .fault(at_tokens().once().chunk(7).pause_body(40, &gate));
    let refresh = stage
        .home
        .command("loopdesk")
        .arg("refresh")
        .spawn()
        .unwrap();
    gate.reached(1).await;
    gate.open();
    assert!(refresh.wait_with_output().await.unwrap().status.success());
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn d4_a_token_that_would_split_a_header_reaches_no_header() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    for evil in ["a\r\nX-Evil: 1", "a\u{e9}", "", "a b"] {
        let odd = evil.to_owned();
        let fault = stage.zendesk.fault(at_tokens().answer(Answer::json(
            200,
            &json!({"access_token": odd, "refresh_token": "r", "expires_in": 60}),
        )));
        assert_ne!(
            stage.home.loopdesk(["refresh"]).await.code,
            Some(0),
            "{evil:?}"
        );
        fault.remove();
        assert_eq!(stage.get(ME).await.0, 200, "{evil:?}: the old one serves");
    }
    let large = at_tokens().answer(Answer::json(200, &json!({})));
    let fault = stage
        .zendesk
        .fault(large.repeat_body(vec![b' '; 1 << 20], 10));
    assert_ne!(
        stage.home.loopdesk(["refresh"]).await.code,
        Some(0),
        "10 MiB"
    );
    fault.remove();
    assert_eq!(stage.get(ME).await.0, 200, "10 MiB: the old one serves");
    let evil = |r: &Record| r.headers.contains_key("x-evil");
    assert_eq!(stage.zendesk.count(evil), 0);
}

#[tokio::test]
async fn s5_a_redirect_of_the_token_endpoint_is_never_followed() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = format!("{}/oauth/tokens", stage.zendesk.second_origin());
        let fault = stage
            .zendesk
            .fault(at_tokens().answer(Answer::redirect(status, &elsewhere)));
        assert_ne!(stage.home.loopdesk(["refresh"]).await.code, Some(0));
        fault.remove();
    }
    assert_eq!(stage.zendesk.count(|r| r.host == Host::Files), 0);
    stage.home.loopdesk(["refresh"]).await.ok();
}

#[tokio::test]
async fn r1_a_hanging_token_endpoint_holds_nobody_up_for_long() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let gate = Gate::closed();
    stage.zendesk.fault(at_tokens().once().hold(&gate));
    let refresh = stage
        .home
        .command("loopdesk")
        .arg("refresh")
        .spawn()
        .unwrap();
    gate.reached(1).await;
    // Replayable requests continue with the token that is still valid.
    let one = || stage.get("/api/v2/tickets/1.json");
    let (a, b, c) = tokio::join!(one(), one(), one());
    assert_eq!([a.0, b.0, c.0], [200; 3]);
    assert_eq!(refreshes(&stage), 1, "the endpoint hangs still");
    gate.open();
    assert!(refresh.wait_with_output().await.unwrap().status.success());
}

/// A download feeds an upload, and a rotation happens between them.
#[tokio::test]
async fn r1_curl_from_here_to_here_is_no_deadlock() {
    let stage = stage_with_ttl(2).await;
    let _daemon = stage.logged_in().await;
    // The response to the download has begun, and continues only after two rotations.
    let gate = Gate::closed();
    let body = vec![b'x'; 300_000];
    let download = Fault::on("GET", "/api/v2/tickets/7").once();
    let answer = Answer::text(200, body.clone());
    stage
        .zendesk
        .fault(download.answer(answer).pause_body(100_000, &gate));
    let pipe = format!(
        "curl -sS --fail {base}/api/v2/tickets/7.json | \
         curl -sS --fail -T - -X POST -H 'Content-Type: application/binary' \
         '{base}/api/v2/uploads.json?filename=x'",
        base = stage.base()
    );
    let pipe = stage.home.run("sh", ["-c", &pipe]);
    let opening = async {
        gate.reached(1).await;
        let rotated = |records: &[Record]| {
            let posts = records.iter().filter_map(|r| r.token_post.as_ref());
            posts.filter(|post| post.grant == "refresh_token").count() >= 2
        };
        let late = stage
            .zendesk
            .wait_for_within(Duration::from_secs(20), rotated)
            .await;
        gate.open();
        late.map_err(|late| late.to_string())
    };
    let (output, rotated) = tokio::join!(pipe, opening);
    rotated.unwrap();
    let output = output.ok();
    assert_eq!(output.json()["upload"]["attachment"]["size"], 300_000);
}

/// A long upload: a minute of it with `tests/run --long`.
#[tokio::test]
async fn r1_a_rotation_waits_for_an_upload_and_nobody_waits_for_the_rotation() {
    let mut stage = stage_with_ttl(3600).await;
    let Some(failpoints) = Failpoints::of(&mut stage.home) else {
        return;
    };
    failpoints.set_clock(0);
    let _daemon = stage.logged_in().await;
    let url = format!("{}/api/v2/uploads.json?filename=slow", stage.base());
    let mut upload = stage
        .home
        .command("curl")
        .args(["-sS", "--fail", "-T", "-", "-X", "POST", &url])
        .args(["-H", "Content-Type: application/binary"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = upload.stdin.take().unwrap();
    stdin.write_all(&[b'x'; 1000]).await.unwrap();
    stdin.flush().await.unwrap();
    let begun = |records: &[Record]| records.iter().any(|r| r.is("POST", "/api/v2/uploads"));
    stage.zendesk_sees(begun).await;

    // Now the pair is due, whatever the jitter, and valid for some more minutes.
    failpoints.set_clock(3_200_000);
    let is_rotating = async || stage.acme().await.state == State::Rotating;
    eventually("a refresh waits at the gate", is_rotating).await;
    let length = if super::is_long() { 60 } else { 5 };
    let started = std::time::Instant::now();
    let mut slowest = Duration::ZERO;
    while started.elapsed() < Duration::from_secs(length) {
        stdin.write_all(&[b'x'; 1000]).await.unwrap();
        stdin.flush().await.unwrap();
        let asked = std::time::Instant::now();
        assert_eq!(stage.get("/api/v2/tickets/1.json").await.0, 200);
        slowest = slowest.max(asked.elapsed());
    }
    println!("the slowest request beside the upload took {slowest:?}");
    assert_eq!(refreshes(&stage), 0, "the refresh waits for the upload");
    drop(stdin);
    let output = upload.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    eventually("the pair is refreshed", async || {
        stage.acme().await.generation == Some(2)
    })
    .await;
    assert_eq!(refreshes(&stage), 1);
}
