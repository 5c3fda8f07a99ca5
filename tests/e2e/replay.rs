//! What a 401 means, and which requests may be sent a second time (R2, S7).

use loopdesk_tests::zendesk::{
    Answer, Credential, Fault, Gate, Installed, Protocols, Record, Standing, Zendesk,
};
use loopdesk_tests::{Daemon, Raw, Stage};
use serde_json::json;

use super::{binary, stage};

const INVALID: &str =
    r#"{"error":"invalid_token","error_description":"The access token provided is expired"}"#;

fn refreshes(stage: &Stage) -> usize {
    let posts = stage.zendesk.token_posts();
    let of_refresh = |record: &&Record| {
        let post = record.token_post.as_ref();
        post.is_some_and(|post| post.grant == "refresh_token")
    };
    posts.iter().filter(of_refresh).count()
}

fn count(stage: &Stage, method: &str, path: &str) -> usize {
    stage.zendesk.count(|record| record.is(method, path))
}

/// Responds to the first request to `/api/v2/x` with this 401, whatever token it has.
fn refuse_once(stage: &Stage, answer: Answer) -> Installed {
    let fault = Fault::on("*", "/api/v2/x").once().answer(answer);
    let installed = stage.zendesk.fault(fault);
    let fine = Answer::json(200, &json!({"fine": true}));
    stage
        .zendesk
        .fault(Fault::on("*", "/api/v2/x").answer(fine));
    installed
}

async fn get(stage: &Stage, arguments: &[&str]) -> String {
    let all = [arguments, &["-w", "\n%{http_code}"]].concat();
    stage.curl("/api/v2/x", &all).await.ok().stdout
}

#[tokio::test]
async fn r2_every_way_in_which_a_401_speaks_of_the_token_is_understood() {
    let challenge = |answer: Answer| {
        answer.header(
            "www-authenticate",
            "Bearer realm=\"x\", error=\"invalid_token\"",
        )
    };
    let cases: [(&str, Answer, &[&str]); 5] = [
        (
            "a body",
            Answer::json(401, &serde_json::from_str(INVALID).unwrap()),
            &[],
        ),
        ("gzip", zipped(INVALID), &[]),
        (
            "gzip that the script asks for",
            zipped(INVALID),
            &["--compressed"],
        ),
        ("a challenge", challenge(Answer::text(401, "no")), &[]),
        ("HEAD", challenge(Answer::new(401)), &["-I"]),
    ];
    for (what, answer, arguments) in cases {
        let stage = stage().await;
        let _daemon = stage.logged_in().await;
        // The token is dead indeed, so `tokens/current` says so too.
        stage.zendesk.expire_access_tokens();
        let refused = refuse_once(&stage, answer);
        let said = get(&stage, arguments).await;
        assert!(said.ends_with("\n200"), "{what}: {said}");
        assert_eq!(refused.hits(), 1, "{what}");
        assert_eq!(refreshes(&stage), 1, "{what}");
        assert_eq!(
            stage.zendesk.count(|record| record.path == "/api/v2/x"),
            2,
            "{what}"
        );
    }
}

#[tokio::test]
async fn r2_a_401_for_other_reasons_passes_as_it_is() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let other = [
        json!({"error": "Couldn't authenticate you"}).to_string(),
        "<html>invalid_token</html>".to_owned(),
        json!({"error": {"title": "invalid_token"}}).to_string(),
    ];
    for body in other {
        stage.zendesk.clear_faults();
        let answer = Answer::new(401)
            .header("content-type", "application/json")
            .header("www-authenticate", "Basic realm=\"Web Password\"")
            .body(body.clone());
        let refused = refuse_once(&stage, answer);
        let said = get(&stage, &[]).await;
        assert_eq!(said, format!("{body}\n401"));
        assert_eq!(refused.hits(), 1);
    }
    // And a 401 that is about the token while the token is good.
    stage.zendesk.clear_faults();
    let answer = Answer::json(401, &serde_json::from_str(INVALID).unwrap());
    stage
        .zendesk
        .fault(Fault::on("GET", "/api/v2/x").answer(answer));
    let said = get(&stage, &[]).await;
    assert!(
        said.contains("invalid_token") && said.ends_with("\n401"),
        "{said}"
    );
    assert_eq!(refreshes(&stage), 0);
}

#[tokio::test]
async fn r2_a_401_of_an_older_generation_is_sent_again_with_the_newer_and_no_question() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let gate = Gate::closed();
    stage
        .zendesk
        .fault(Fault::on("GET", "/api/v2/tickets/1").once().hold(&gate));
    let (status, refreshed) = {
        let held = stage.get("/api/v2/tickets/1.json");
        let meanwhile = async {
            gate.reached(1).await;
            let refreshed = stage.home.loopdesk(["refresh"]).await.ok();
            // Zendesk checks the token only now, and it is deleted.
            gate.open();
            refreshed
        };
        tokio::join!(held, meanwhile)
    };
    assert_eq!(status.0, 200, "{} {refreshed:?}", status.1);
    let tries = |record: &Record| record.is("GET", "/api/v2/tickets/1");
    let requests = stage.zendesk.requests();
    let standings: Vec<_> = requests
        .iter()
        .filter(|record| tries(record))
        .map(|record| {
            if let Credential::Bearer { generation, .. } = record.credential {
                generation
            } else {
                None
            }
        })
        .collect();
    assert_eq!(standings, [Some(1), Some(2)]);
    assert_eq!(count(&stage, "GET", "/api/v2/oauth/tokens/current"), 0);
    assert_eq!(refreshes(&stage), 1);
}

#[tokio::test]
async fn s7_an_upload_too_large_to_keep_gets_its_401_and_is_sent_once() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    for (size, expected) in [((1 << 20) + 1, 401), (1 << 20, 201)] {
        stage.zendesk.expire_access_tokens();
        stage.zendesk.clear();
        let status = upload(&stage, "Content-Length", size).await;
        assert_eq!(status, expected, "{size} bytes");
        let times = if expected == 401 { 1 } else { 2 };
        assert_eq!(
            count(&stage, "POST", "/api/v2/uploads"),
            times,
            "{size} bytes"
        );
        // The next request succeeds: the 401 has started a refresh.
        assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    }
    for (size, expected) in [(1 << 20, 201), ((1 << 20) + 1, 401)] {
        stage.zendesk.expire_access_tokens();
        let status = upload(&stage, "Transfer-Encoding", size).await;
        assert_eq!(status, expected, "{size} bytes in chunks");
        assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    }
}

/// The status of an upload of `size` bytes.
async fn upload(stage: &Stage, framing: &str, size: usize) -> u16 {
    let mut script = begin(stage, framing, size).await;
    script.answer().await.status()
}

async fn begin(stage: &Stage, framing: &str, size: usize) -> Raw {
    let mut script = Raw::connect(stage.port).await;
    let mut request = format!(
        "POST /api/v2/uploads.json?filename=a HTTP/1.1\r\nHost: localhost:{}\r\n",
        stage.port
    )
    .into_bytes();
    let body = vec![b'x'; size];
    if framing == "Content-Length" {
        request.extend(format!("Content-Length: {size}\r\n\r\n").into_bytes());
        request.extend(body);
    } else {
        request.extend(b"Transfer-Encoding: chunked\r\n\r\n");
        for piece in body.chunks(10_000) {
            request.extend(format!("{:x}\r\n", piece.len()).into_bytes());
            request.extend(piece);
            request.extend(b"\r\n");
        }
        request.extend(b"0\r\n\r\n");
    }
    script.send(request).await;
    script
}

/// 64 bodies of 1 MiB fill the memory for replays: the next one is streamed without a copy. As soon
/// as the heads of the responses arrive, the memory is free again.
#[tokio::test]
async fn s7_replay_memory_is_bounded_and_free_again_at_the_head_of_an_answer() {
    // The body is replaced below, and would not match its coding.
    let stage = Stage::set(binary(), Zendesk::builder().gzip(false)).await;
    let daemon = stage.logged_in().await;
    let (head, body) = (Gate::closed(), Gate::closed());
    stage.zendesk.fault(
        Fault::on("POST", "/api/v2/uploads")
            .times(64)
            .hold_answer(&head)
            .edit_answer(|answer| answer.body = vec![b' '; 10].into())
            .pause_body(5, &body),
    );
    let before = resident(&daemon);
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(begin(&stage, "Content-Length", 1 << 20).await);
    }
    head.reached(64).await;
    let full = resident(&daemon);
    println!("{before} KiB, {full} KiB with 64 bodies of 1 MiB kept");
    assert!(
        full < before + (64 << 10) + (32 << 10),
        "{before} to {full} KiB"
    );

    // They were checked already. Now the token dies, and there is no room for the next body.
    stage.zendesk.expire_access_tokens();
    assert_eq!(upload(&stage, "Content-Length", 100).await, 401);
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);

    head.open();
    for script in &mut held {
        assert_eq!(script.head().await.status(), 201);
    }
    // No response is complete, but none can be a 401 any more.
    stage.zendesk.expire_access_tokens();
    assert_eq!(upload(&stage, "Content-Length", 1 << 20).await, 201);
    body.open();
}

#[cfg(target_os = "linux")]
fn resident(daemon: &Daemon) -> u64 {
    loopdesk_tests::memory::resident(daemon)
}

#[cfg(not(target_os = "linux"))]
fn resident(_daemon: &Daemon) -> u64 {
    0
}

#[tokio::test]
async fn s7_what_http_2_refuses_unread_is_sent_again_whatever_it_is() {
    let builder = Zendesk::builder().protocols(Protocols::Both);
    let stage = Stage::set(binary(), builder).await;
    let _daemon = stage.logged_in().await;
    for method in ["GET", "POST", "PUT", "DELETE"] {
        stage.zendesk.clear_faults();
        let refused = stage
            .zendesk
            .fault(Fault::on(method, "/api/v2/x").once().refuse_stream());
        let fine = Answer::json(200, &json!({}));
        stage
            .zendesk
            .fault(Fault::on(method, "/api/v2/x").answer(fine));
        let said = get(&stage, &["-X", method, "-d", "once"]).await;
        assert!(said.ends_with("\n200"), "{method}: {said}");
        assert_eq!(refused.hits(), 1);
        assert_eq!(count(&stage, method, "/api/v2/x"), 2);
    }
    // A request that can't be sent again isn't.
    stage.zendesk.clear_faults();
    let refused = Fault::on("POST", "/api/v2/uploads").once().refuse_stream();
    stage.zendesk.fault(refused);
    assert_eq!(upload(&stage, "Content-Length", 2 << 20).await, 502);
    assert_eq!(count(&stage, "POST", "/api/v2/uploads"), 1);
}

#[tokio::test]
async fn s7_a_connection_lost_after_zendesk_has_acted_repeats_no_write() {
    for protocols in [Protocols::Http1, Protocols::Both] {
        let stage = Stage::set(binary(), Zendesk::builder().protocols(protocols)).await;
        let _daemon = stage.logged_in().await;
        for (method, tries) in [
            ("GET", 2),
            ("HEAD", 2),
            ("POST", 1),
            ("PUT", 1),
            ("DELETE", 1),
        ] {
            stage.zendesk.clear_faults();
            stage.zendesk.fault(
                Fault::on(method, "/api/v2/tickets/1")
                    .once()
                    .reset_after_commit(),
            );
            let mut script = Raw::connect(stage.port).await;
            let body = "{\"ticket\":{\"subject\":\"s\"}}";
            let rest = match method {
                "POST" | "PUT" => format!(
                    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ),
                _ => "\r\n".to_owned(),
            };
            let port = stage.port;
            script
                .send(format!(
                    "{method} /api/v2/tickets/1.json HTTP/1.1\r\nHost: localhost:{port}\r\n{rest}"
                ))
                .await;
            let head = script.head().await;
            assert_eq!(
                head.status(),
                if tries == 1 { 502 } else { 200 },
                "{method}"
            );
            let times = count(&stage, method, "/api/v2/tickets/1");
            assert_eq!(times, tries, "{method} {protocols:?}");
        }
    }
}

#[tokio::test]
async fn s7_connections_that_zendesk_drains_cost_no_script_anything() {
    for protocols in [Protocols::Http1, Protocols::Both] {
        let stage = Stage::set(binary(), Zendesk::builder().protocols(protocols)).await;
        let _daemon = stage.logged_in().await;
        let before = stage.zendesk.connections_made();
        for round in 0..20 {
            stage.zendesk.drain_connections();
            let body = json!({"ticket": {"subject": round, "comment": {"body": "b"}}});
            let arguments = [
                "-d",
                &body.to_string(),
                "-H",
                "Content-Type: application/json",
            ];
            let created = stage.curl("/api/v2/tickets.json", &arguments).await.ok();
            assert!(created.json()["ticket"]["id"].is_u64(), "{created:?}");
        }
        assert_eq!(count(&stage, "POST", "/api/v2/tickets"), 20);
        assert!(stage.zendesk.connections_made() >= before + 10);
        let alive = |r: &Record| {
            r.path.starts_with("/oauth")
                || matches!(
                    r.credential,
                    Credential::Bearer {
                        standing: Standing::Live,
                        ..
                    }
                )
        };
        assert!(stage.zendesk.requests().iter().all(alive));
    }
}

fn zipped(text: &str) -> Answer {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    Answer::new(401)
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(encoder.finish().unwrap())
}
