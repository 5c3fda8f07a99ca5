//! RFC 9112 as scripts see it, over plain sockets.

use http::{HeaderMap, HeaderValue};
use loopdesk_tests::zendesk::{Answer, Fault, Gate, Protocols, Record, Zendesk};
use loopdesk_tests::{Raw, Stage};
use serde_json::json;

use super::{binary, stage};

const ME: &str = "/api/v2/users/me.json";

fn get(path: &str, port: u16, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n{headers}\r\n")
}

fn post(path: &str, port: u16, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\n{headers}\r\n")
}

fn ticket(subject: &str) -> String {
    json!({"ticket": {"subject": subject, "comment": {"body": "b"}}}).to_string()
}

fn of(stage: &Stage, method: &str, path: &str) -> Vec<Record> {
    let mut records = stage.zendesk.requests();
    records.retain(|record| record.is(method, path));
    records
}

#[tokio::test]
async fn expect_continue_is_answered_before_the_body_and_goes_no_further() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let mut script = Raw::connect(stage.port).await;
    let body = ticket("Expected");
    let headers = format!(
        "Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    script
        .send(post("/api/v2/tickets.json", stage.port, &headers))
        .await;
    assert_eq!(script.head().await.status(), 100);
    script.send(&body).await;
    let answer = script.answer().await;
    assert_eq!(answer.status(), 201, "{answer:?}");
    let seen = of(&stage, "POST", "/api/v2/tickets").remove(0);
    assert_eq!(seen.body, body);
    assert!(!seen.headers.contains_key("expect"));
    // The connection is still usable.
    script.send(get(ME, stage.port, "")).await;
    assert_eq!(script.answer().await.status(), 200);
}

#[tokio::test]
async fn expect_continue_gets_a_final_status_without_its_body_being_asked_for() {
    let stage = stage().await;
    let _daemon = stage.daemon().await;
    // Without a login: refused at the head.
    let mut script = Raw::connect(stage.port).await;
    let headers = "Expect: 100-continue\r\nContent-Length: 1000000\r\n";
    script
        .send(post("/api/v2/tickets.json", stage.port, headers))
        .await;
    let answer = script.answer().await;
    assert_eq!(answer.status(), 401, "{answer:?}");
    // RFC 9110 section 10.1.1: the response must say what becomes of the connection.
    assert!(answer.head.has("connection", "close"), "{answer:?}");
    assert_eq!(script.all().await, b"");
}

#[tokio::test]
async fn an_early_answer_of_zendesks_reaches_a_script_that_still_uploads() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let refusal = Answer::json(413, &json!({"error": "AttachmentTooLarge"}));
    stage
        .zendesk
        .fault(Fault::on("POST", "/api/v2/uploads").answer_early(refusal));
    for (length, expect) in [
        ("Content-Length: 500000000\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", ""),
        ("Content-Length: 500000000\r\n", "Expect: 100-continue\r\n"),
    ] {
        let mut script = Raw::connect(stage.port).await;
        let path = "/api/v2/uploads.json?filename=a";
        let head = post(path, stage.port, &format!("{length}{expect}"));
        script.send(head).await;
        if length.starts_with("Transfer") {
            script.send("5\r\nfirst\r\n").await;
        } else if expect.is_empty() {
            script.send("first").await;
        }
        let mut head = script.head().await;
        if head.status() == 100 {
            head = script.head().await;
        }
        assert_eq!(head.status(), 413, "{head:?}");
        assert!(head.has("connection", "close"), "{head:?}");
    }
}

/// Without a lingering close, the connection's reset would delete the response.
#[tokio::test]
async fn a_refusal_reaches_a_script_that_reads_only_after_it_has_sent_everything() {
    let stage = stage().await;
    let _daemon = stage.daemon().await;
    let mut script = Raw::connect(stage.port).await;
    let length = 8 << 20;
    let headers = format!("Content-Length: {length}\r\n");
    script
        .send(post(
            "/api/v2/uploads.json?filename=a",
            stage.port,
            &headers,
        ))
        .await;
    let piece = vec![b'x'; 64 << 10];
    for _ in 0..length / piece.len() {
        script.send(&piece).await;
    }
    let answer = script.answer().await;
    assert_eq!(answer.status(), 401, "{answer:?}");
    assert!(answer.text().contains("loopdesk login"), "{answer:?}");
}

#[tokio::test]
async fn chunked_uploads_arrive_whole_and_their_trailers_end_here() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let mut script = Raw::connect(stage.port).await;
    let body = ticket("In chunks");
    let (first, second) = body.split_at(7);
    let request = format!(
        "{}{:x};name=value\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\n\
         Authorization: Bearer smuggled\r\nX-Checksum: 1\r\n\r\n",
        post(
            "/api/v2/tickets.json",
            stage.port,
            "Transfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\
             Content-Type: application/json\r\n"
        ),
        first.len(),
        second.len(),
    );
    script.send(request + &get(ME, stage.port, "")).await;
    let answer = script.answer().await;
    assert_eq!(answer.status(), 201, "{answer:?}");
    assert_eq!(
        script.answer().await.status(),
        200,
        "the next begins where it ends"
    );
    let seen = of(&stage, "POST", "/api/v2/tickets").remove(0);
    assert_eq!(seen.body, body);
    for gone in ["trailer", "x-checksum", "transfer-encoding"] {
        assert!(!seen.headers.contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn s1_p5_a_get_with_a_body_in_chunks_keeps_it() {
    for protocols in [Protocols::Http1, Protocols::Both] {
        let stage = Stage::set(binary(), Zendesk::builder().protocols(protocols)).await;
        let _daemon = stage.logged_in().await;
        let mut script = Raw::connect(stage.port).await;
        let chunked = "Transfer-Encoding: chunked\r\n";
        let request = get("/api/v2/tickets.json", stage.port, chunked);
        script.send(request + "4\r\nbody\r\n0\r\n\r\n").await;
        assert_eq!(script.answer().await.status(), 200);
        let seen = of(&stage, "GET", "/api/v2/tickets").remove(0);
        assert_eq!(seen.body, "body".to_owned(), "{protocols:?}");
    }
}

#[tokio::test]
async fn a_length_beside_a_coding_and_other_smuggling_is_refused_or_read_as_one_request() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for headers in [
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: 4, 5\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
    ] {
        let mut script = Raw::connect(stage.port).await;
        let head = post("/api/v2/tickets.json", stage.port, headers);
        let _gone = script.try_send(format!("{head}0\r\n\r\n{smuggled}")).await;
        script.shut_down().await;
        let all = String::from_utf8(script.all().await).unwrap();
        assert!(all.starts_with("HTTP/1.1 4"), "{headers}: {all}");
    }
    let seen = |record: &Record| record.path == "/smuggled";
    assert_eq!(stage.zendesk.count(seen), 0);
}

#[tokio::test]
async fn s4_trailers_reach_scripts_that_take_them_and_only_harmless_ones() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("42"));
    trailers.insert("set-cookie", HeaderValue::from_static("a=b"));
    stage.zendesk.fault(
        Fault::on("GET", "/api/v2/chat/x")
            .answer(Answer::text(200, "body"))
            .trailers(trailers),
    );
    let mut script = Raw::connect(stage.port).await;
    let path = "/api/v2/chat/x";
    script
        .send(get(path, stage.port, "TE: trailers\r\nConnection: TE\r\n"))
        .await;
    let answer = script.answer().await;
    assert_eq!(answer.text(), "body");
    assert_eq!(answer.head.get("trailer"), Some("x-checksum"));
    let trailers = [("x-checksum".to_owned(), "42".to_owned())];
    assert_eq!(answer.trailers, trailers);

    script.send(get(path, stage.port, "")).await;
    let answer = script.answer().await;
    assert_eq!(answer.text(), "body");
    assert!(answer.trailers.is_empty(), "{answer:?}");
    assert_eq!(answer.head.get("trailer"), None);
    let seen = of(&stage, "GET", path);
    assert_eq!(seen[0].header("te"), Some("trailers"));
    assert_eq!(seen[1].header("te"), None);
}

#[tokio::test]
async fn head_204_and_304_have_no_body_and_keep_the_connection_in_step() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    stage
        .zendesk
        .fault(Fault::on("DELETE", "/api/v2/x").answer(Answer::new(204)));
    let mut script = Raw::connect(stage.port).await;
    let request = |method: &str, path: &str, headers: &str| {
        let port = stage.port;
        format!("{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\n{headers}\r\n")
    };
    script.send(request("GET", ME, "")).await;
    let tag = script.answer().await;
    let tag = tag.head.get("etag").unwrap().to_owned();

    script.send(request("HEAD", ME, "")).await;
    let head = script.head().await;
    assert_eq!(head.status(), 200);
    assert_eq!(head.get("etag"), Some(tag.as_str()));

    script.send(request("DELETE", "/api/v2/x", "")).await;
    let none = script.head().await;
    assert_eq!(none.status(), 204);
    assert_eq!(none.get("content-length"), None);
    assert_eq!(none.get("transfer-encoding"), None);

    let known = format!("If-None-Match: {tag}\r\n");
    script.send(request("GET", ME, &known)).await;
    let unchanged = script.head().await;
    assert_eq!(unchanged.status(), 304, "{unchanged:?}");
    assert_eq!(unchanged.get("transfer-encoding"), None);

    script.send(request("GET", ME, "")).await;
    let whole = script.answer().await;
    assert_eq!(whole.status(), 200);
    assert!(whole.text().starts_with('{'), "{whole:?}");
}

#[tokio::test]
async fn a_script_that_shuts_its_writing_side_still_gets_its_answer() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let gate = Gate::closed();
    stage
        .zendesk
        .fault(Fault::on("POST", "/api/v2/tickets").hold(&gate));
    let mut script = Raw::connect(stage.port).await;
    let body = ticket("Half closed");
    let headers = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let head = post("/api/v2/tickets.json", stage.port, &headers);
    script.send(head + &body).await;
    script.shut_down().await;
    gate.reached(1).await;
    gate.open();
    let answer = script.answer().await;
    assert_eq!(answer.status(), 201, "{answer:?}");
    assert_eq!(script.all().await, b"", "and then the end");
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_not_taken_for_a_whole_one() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    for headers in ["Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut script = Raw::connect(stage.port).await;
        let head = post("/api/v2/tickets.json", stage.port, headers);
        script.send(head + "5\r\n{\"tic\r\n").await;
        script.shut_down().await;
        let all = String::from_utf8(script.all().await).unwrap();
        assert!(!all.starts_with("HTTP/1.1 2"), "{all}");
    }
    let acted = |r: &Record| r.is("POST", "/api/v2/tickets") && r.status().is_some();
    assert_eq!(stage.zendesk.count(acted), 0);
}

#[tokio::test]
async fn connection_close_is_obeyed_and_told() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let mut script = Raw::connect(stage.port).await;
    script
        .send(get(ME, stage.port, "Connection: close\r\n"))
        .await;
    let answer = script.answer().await;
    assert_eq!(answer.status(), 200);
    assert!(answer.head.has("connection", "close"), "{answer:?}");
    assert_eq!(script.all().await, b"");
}

#[tokio::test]
async fn http_1_0_is_spoken_with_and_without_keep_alive() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    // The simplest script possible: no Host, and the response ends with the connection.
    let mut script = Raw::connect(stage.port).await;
    script.send(format!("GET {ME} HTTP/1.0\r\n\r\n")).await;
    let answer = script.answer().await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.head.get("transfer-encoding"), None);
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok());
    assert_eq!(script.all().await, b"");

    // Kept alive if the length is known.
    let file = Answer::text(200, "0123456789").header("content-type", "image/png");
    stage
        .zendesk
        .fault(Fault::on("GET", "/api/v2/chat/x").answer(file));
    let mut script = Raw::connect(stage.port).await;
    let request = |path: &str| {
        let port = stage.port;
        format!("GET {path} HTTP/1.0\r\nHost: localhost:{port}\r\nConnection: keep-alive\r\n\r\n")
    };
    for _ in 0..2 {
        script.send(request("/api/v2/chat/x")).await;
        let answer = script.answer().await;
        assert_eq!(answer.text(), "0123456789");
        assert!(answer.head.has("connection", "keep-alive"), "{answer:?}");
    }
    // Otherwise closed, and without chunks, which HTTP/1.0 doesn't know.
    let long = "0123456789".repeat(100_000);
    let page = Answer::new(200)
        .header("content-type", "application/json")
        .body(format!("\"{long}\""));
    stage
        .zendesk
        .fault(Fault::on("GET", "/api/v2/page").answer(page));
    script.send(request("/api/v2/page")).await;
    let answer = script.answer().await;
    assert_eq!(answer.head.get("transfer-encoding"), None);
    assert!(!answer.head.has("connection", "keep-alive"), "{answer:?}");
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok());
    assert_eq!(script.all().await, b"");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_each_judged_alone() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let gate = Gate::closed();
    stage
        .zendesk
        .fault(Fault::on("GET", "/api/v2/tickets/1").hold(&gate));
    let mut script = Raw::connect(stage.port).await;
    let body = ticket("Pipelined");
    let headers = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let all = [
        get("/api/v2/tickets/1.json", stage.port, ""),
        post("/api/v2/tickets.json", stage.port, &headers) + &body,
        get("/oauth/tokens", stage.port, ""),
        get(
            "/api/v2/tickets/2.json",
            stage.port,
            "Connection: close\r\n",
        ),
    ];
    script.send(all.concat()).await;
    gate.reached(1).await;
    gate.open();
    let first = script.answer().await;
    assert!(first.text().contains("\"id\":1,"), "{first:?}");
    let second = script.answer().await;
    assert_eq!(second.status(), 201, "{second:?}");
    let third = script.answer().await;
    assert_eq!(third.head.get("x-loopdesk-error"), Some("route-refused"));
    let fourth = script.answer().await;
    assert!(fourth.text().contains("\"id\":2,"), "{fourth:?}");
    assert_eq!(script.all().await, b"");
}

#[tokio::test]
async fn javas_offer_of_h2c_is_ignored_and_its_request_served() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let mut script = Raw::connect(stage.port).await;
    let offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                 HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n";
    script.send(get(ME, stage.port, offer)).await;
    assert_eq!(script.answer().await.status(), 200);
    let body = ticket("From Java");
    let headers = format!(
        "{offer}Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    script
        .send(post("/api/v2/tickets.json", stage.port, &headers) + &body)
        .await;
    assert_eq!(script.answer().await.status(), 201);
    script.send(get(ME, stage.port, "")).await;
    assert_eq!(
        script.answer().await.status(),
        200,
        "the connection is kept"
    );
    for record in stage.zendesk.requests() {
        for gone in ["upgrade", "http2-settings", "connection"] {
            assert!(!record.headers.contains_key(gone), "{gone} in {record}");
        }
    }
    // HTTP/2 with prior knowledge isn't supported.
    let mut script = Raw::connect(stage.port).await;
    script.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let answer = script.answer().await;
    assert_eq!(answer.status(), 505, "{answer:?}");
    assert_eq!(answer.head.get("x-loopdesk-error"), Some("version-refused"));
}
