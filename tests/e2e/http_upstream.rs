//! What an upstream may do that no HTTP library would, and what scripts see of it.

use loopdesk_tests::zendesk::{Protocols, Taken, Zendesk};
use loopdesk_tests::{Daemon, Raw, Stage};

use super::binary;

/// A connection to Zendesk that the test serves itself.
type Upstream = Raw<Taken>;

/// A logged-in session at a Zendesk without HTTP/2, whose pooled connections are gone.
async fn stage() -> (Stage, Daemon) {
    let builder = Zendesk::builder().protocols(Protocols::Http1);
    let stage = Stage::set(binary(), builder).await;
    let daemon = stage.logged_in().await;
    stage.zendesk.reset_connections();
    stage.zendesk.connections_closed().await;
    (stage, daemon)
}

/// Sends a request, and takes the connection on which the daemon passes it on.
async fn open(stage: &Stage, request: &str) -> (Raw, Upstream) {
    let mut script = Raw::connect(stage.port).await;
    let taken = stage.zendesk.take_connection();
    script.send(request).await;
    (script, Raw::new(taken.await))
}

fn request(stage: &Stage, line: &str, rest: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: localhost:{}\r\n{rest}",
        stage.port
    )
}

/// Enough for either outcome of the race.
const ROUNDS: usize = 20;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn interim_answers_don_t_confuse_the_final_one() {
    let (stage, _daemon) = stage().await;
    let get = request(&stage, "GET /api/v2/x", "\r\n");
    let (mut script, mut upstream) = open(&stage, &get).await;
    upstream.request().await;
    upstream
        .send(
            "HTTP/1.1 100 Continue\r\n\r\n\
             HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n\
             HTTP/1.1 103 Early Hints\r\n\r\n",
        )
        .await;
    upstream.send(OK).await;
    let mut head = script.head().await;
    // An intermediary that can't forward an interim response leaves it out.
    while head.status() < 200 {
        head = script.head().await;
    }
    assert_eq!(head.status(), 200);
    assert_eq!(head.get("link"), None);
    assert_eq!(script.bytes(2).await, b"ok");
    // The next response belongs to the next request.
    script.send(&get).await;
    upstream.request().await;
    upstream
        .send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(script.answer().await.status(), 404);
}

#[tokio::test]
async fn s1_headers_arrive_in_the_scripts_order_case_and_number() {
    let (stage, _daemon) = stage().await;
    let get = request(
        &stage,
        "GET /api/v2/x",
        "X-First: 1\r\nConnection: x-gone, keep-alive\r\nx-gone: 2\r\nX-twice: a\r\n\
         Authorization: Basic Zm9vOmJhcg==\r\nACCEPT: */*\r\nCookie: a=b\r\nX-twice: b\r\n\
         User-Agent: script/1\r\nX-Last: 9\r\n\r\n",
    );
    let (mut script, mut upstream) = open(&stage, &get).await;
    let seen = upstream.request().await;
    upstream.send(OK).await;
    assert_eq!(script.answer().await.text(), "ok");
    let of_script: Vec<_> = seen
        .head
        .headers
        .iter()
        .filter(|(name, _)| {
            let name = name.to_ascii_lowercase();
            !["host", "authorization", "accept-encoding"].contains(&name.as_str())
        })
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let expected = [
        ("X-First", "1"),
        ("X-twice", "a"),
        ("X-twice", "b"),
        ("ACCEPT", "*/*"),
        ("User-Agent", "script/1"),
        ("X-Last", "9"),
    ];
    assert_eq!(of_script, expected);
    let authorizations = seen.head.headers.iter();
    let authorizations: Vec<_> = authorizations
        .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        .collect();
    assert_eq!(authorizations.len(), 1);
    assert!(authorizations[0].1.starts_with("Bearer "));
}

#[tokio::test]
async fn s7_a_pooled_connection_that_zendesk_has_closed_costs_a_post_nothing() {
    let (stage, _daemon) = stage().await;
    let get = request(&stage, "GET /api/v2/x", "\r\n");
    let post = request(
        &stage,
        "POST /api/v2/tickets",
        "Content-Length: 4\r\n\r\nonce",
    );
    let mut served = 0;
    for _ in 0..ROUNDS {
        let (mut script, mut upstream) = open(&stage, &get).await;
        upstream.request().await;
        upstream.send(OK).await;
        assert_eq!(script.answer().await.text(), "ok");
        // A server's idle time-out: the close and the POST cross each other.
        let fresh = stage.zendesk.take_connection();
        drop(upstream);
        script.send(&post).await;
        let fresh = tokio::select! {
            fresh = fresh => fresh,
            // The POST was sent before the close arrived: it may have been carried out.
            answer = script.answer() => {
                assert_eq!(answer.status(), 502, "{answer:?}");
                continue;
            }
        };
        let mut fresh = Raw::new(fresh);
        assert_eq!(fresh.request().await.body, b"once");
        fresh
            .send("HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            .await;
        assert_eq!(script.answer().await.status(), 201);
        served += 1;
    }
    assert!(served > ROUNDS / 2, "{served}");
}

#[tokio::test]
async fn s7_after_bytes_were_sent_a_post_is_not_sent_again_and_a_get_once() {
    let (stage, _daemon) = stage().await;
    for (line, rest) in [
        ("POST /api/v2/tickets", "Content-Length: 4\r\n\r\nonce"),
        ("PUT /api/v2/tickets/1", "Content-Length: 4\r\n\r\nonce"),
        ("PATCH /api/v2/tickets/1", "Content-Length: 0\r\n\r\n"),
        ("DELETE /api/v2/tickets/1", "\r\n"),
    ] {
        let (mut script, mut upstream) = open(&stage, &request(&stage, line, rest)).await;
        upstream.request().await;
        drop(upstream);
        let answer = script.answer().await;
        assert_eq!(answer.status(), 502, "{line}: {answer:?}");
        assert_eq!(answer.head.get("x-loopdesk-error"), Some("no-upstream"));
    }
    let seen = stage.zendesk.requests().len();
    for line in ["GET /api/v2/x", "HEAD /api/v2/x", "OPTIONS /api/v2/x"] {
        let (mut script, mut first) = open(&stage, &request(&stage, line, "\r\n")).await;
        first.head().await;
        let second = stage.zendesk.take_connection();
        drop(first);
        let mut second = Raw::new(second.await);
        second.head().await;
        // Two attempts are enough to see that the connection isn't at fault.
        drop(second);
        assert_eq!(script.head().await.status(), 502, "{line}");
    }
    assert_eq!(
        stage.zendesk.requests().len(),
        seen,
        "no third attempt came to any other connection"
    );
}

#[tokio::test]
async fn an_upstream_that_answers_and_closes_while_the_upload_runs_is_heard() {
    let (stage, _daemon) = stage().await;
    let post = request(
        &stage,
        "POST /api/v2/uploads?filename=a",
        "Content-Length: 100000000\r\n\r\nfirst",
    );
    let (mut script, mut upstream) = open(&stage, &post).await;
    upstream.head().await;
    assert_eq!(upstream.bytes(5).await, b"first");
    upstream
        .send("HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\nContent-Length: 8\r\n\r\ntoo much")
        .await;
    drop(upstream);
    let answer = script.answer().await;
    assert_eq!(answer.status(), 413, "{answer:?}");
    assert_eq!(answer.text(), "too much");
    assert!(answer.head.has("connection", "close"));
}

#[tokio::test]
async fn answers_that_break_off_break_off_for_the_script_too() {
    let (stage, _daemon) = stage().await;
    let get = request(&stage, "GET /api/v2/x", "\r\n");
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
    ] {
        let (mut script, mut upstream) = open(&stage, &get).await;
        upstream.request().await;
        upstream.send(head).await;
        script.head().await;
        drop(upstream);
        let rest = String::from_utf8(script.all().await).unwrap();
        assert!(rest.contains("part"), "{rest}");
        assert!(!rest.contains("0\r\n\r\n"), "no end that isn't one: {rest}");
    }
}

#[tokio::test]
async fn p20_answers_that_are_no_http_are_502_and_nothing_of_them_passes() {
    let (stage, _daemon) = stage().await;
    let get = request(&stage, "GET /api/v2/x", "\r\n");
    for bad in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
        "HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\nContent-Length: 2\r\n\r\nok",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
    ] {
        let (mut script, mut upstream) = open(&stage, &get).await;
        upstream.request().await;
        upstream.send(bad).await;
        let answer = script.answer().await;
        assert_eq!(answer.status(), 502, "{bad:?}: {answer:?}");
        assert_eq!(answer.head.get("x-loopdesk-error"), Some("no-upstream"));
    }
}

#[tokio::test]
async fn s3_the_first_byte_of_an_upload_arrives_before_the_second_is_sent() {
    let (stage, _daemon) = stage().await;
    for (headers, first, second) in [
        ("Content-Length: 2", "1", "2"),
        (
            "Transfer-Encoding: chunked",
            "1\r\n1\r\n",
            "1\r\n2\r\n0\r\n\r\n",
        ),
    ] {
        let post = request(
            &stage,
            "POST /api/v2/uploads?filename=a",
            &format!("{headers}\r\n\r\n{first}"),
        );
        let (mut script, mut upstream) = open(&stage, &post).await;
        let head = upstream.head().await;
        let is_chunked = head.has("transfer-encoding", "chunked");
        assert_eq!(is_chunked, headers.starts_with("Transfer"), "{head:?}");
        let one = if is_chunked {
            upstream.chunk().await
        } else {
            upstream.bytes(1).await
        };
        assert_eq!(one, b"1");
        script.send(second).await;
        let two = if is_chunked {
            let two = upstream.chunk().await;
            assert_eq!(upstream.chunk().await, b"");
            two
        } else {
            upstream.bytes(1).await
        };
        assert_eq!(two, b"2");
        upstream.send(OK).await;
        assert_eq!(script.answer().await.text(), "ok");
    }
}

#[tokio::test]
async fn s3_the_first_byte_of_an_answer_arrives_before_the_second_is_sent() {
    let (stage, _daemon) = stage().await;
    let get = request(&stage, "GET /api/v2/x", "\r\n");
    for kind in ["application/json", "text/csv"] {
        for (length, one, two) in [
            ("Content-Length: 2", "1", "2"),
            (
                "Transfer-Encoding: chunked",
                "1\r\n1\r\n",
                "1\r\n2\r\n0\r\n\r\n",
            ),
        ] {
            let (mut script, mut upstream) = open(&stage, &get).await;
            upstream.request().await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{length}\r\n\r\n");
            upstream.send(head).await;
            let head = script.head().await;
            let is_chunked = head.has("transfer-encoding", "chunked");
            upstream.send(one).await;
            let first = if is_chunked {
                script.chunk().await
            } else {
                script.bytes(1).await
            };
            assert_eq!(first, b"1", "{kind}");
            upstream.send(two).await;
            let second = if is_chunked {
                script.chunk().await
            } else {
                script.bytes(1).await
            };
            assert_eq!(second, b"2", "{kind}");
        }
    }
}

#[tokio::test]
async fn r2_nothing_is_decided_before_a_401_is_read() {
    // The head is inconclusive and the body comes late: other requests don't wait for it.
    let (stage, _daemon) = stage().await;
    let get = request(&stage, "GET /api/v2/x", "\r\n");
    let (mut script, mut upstream) = open(&stage, &get).await;
    upstream.request().await;
    upstream
        .send("HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n")
        .await;
    let (status, body) = stage.get("/api/v2/users/me.json").await;
    assert_eq!(status, 200, "{body}");
    upstream.send("{\"error\":\"x\"}").await;
    let answer = script.answer().await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.text(), "{\"error\":\"x\"}");
}
