//! Requests that HTTP libraries reject, and what scripts get: the response to the request they
//! meant, or the reason why it can't be read. Never nothing.

use std::fmt::Write;

use loopdesk_tests::zendesk::{Answer, Fault, Protocols, Record, Zendesk};
use loopdesk_tests::{Daemon, Raw, Stage};
use serde_json::Value;

use super::{binary, stage};

const ME: &str = "/api/v2/users/me.json";

fn request(stage: &Stage, line: &str, headers: &str) -> String {
    let port = stage.port;
    format!("{line} HTTP/1.1\r\nHost: localhost:{port}\r\n{headers}\r\n")
}

/// A request whose target may be any bytes.
fn get(stage: &Stage, target: &[u8]) -> Vec<u8> {
    let rest = request(stage, "", "");
    [b"GET ", target, rest.as_bytes()].concat()
}

#[tokio::test]
async fn s8_addresses_that_zendesk_takes_are_taken() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let mut script = Raw::connect(stage.port).await;
    for (sent, arrives) in [
        (&b"created>2025-01-01"[..], "created%3E2025-01-01"),
        (
            b"created<2025-01-01 status:open",
            "created%3C2025-01-01%20status:open",
        ),
        (
            b"subject:\"printer on fire\"",
            "subject:%22printer%20on%20fire%22",
        ),
        (b"a|b^c`d{e}f\\g", "a%7Cb%5Ec%60d%7Be%7Df%5Cg"),
        (
            "name:M\u{fc}ller \u{1f525}".as_bytes(),
            "name:M%C3%BCller%20%F0%9F%94%A5",
        ),
        (b"name:M\xfcller", "name:M%FCller"),
        (b"a HTTP/1.1", "a%20HTTP/1.1"),
        // What RFC 3986 allows is unchanged, including percent signs.
        (
            b"a%3eb&page[size]=1&x=%zz%&y='(a)*!$;,@:/?",
            "a%3eb&page[size]=1&x=%zz%&y='(a)*!$;,@:/?",
        ),
    ] {
        stage.zendesk.clear();
        let target = [b"/api/v2/search.json?query=", sent].concat();
        let bytes = get(&stage, &target);
        // On one connection, in one write and split within the line.
        for cut in [bytes.len(), 5, target.len(), target.len() + 4] {
            script.send(&bytes[..cut]).await;
            tokio::task::yield_now().await;
            script.send(&bytes[cut..]).await;
            let answer = script.answer().await;
            assert_eq!(answer.head.get("x-loopdesk-error"), None, "{answer:?}");
        }
        let seen = stage.zendesk.requests();
        assert_eq!(seen.len(), 4);
        for record in seen {
            let expected = format!("/api/v2/search.json?query={arrives}");
            assert_eq!(record.target(), expected);
        }
    }
    // In the path as well, and judged as it is sent.
    stage.zendesk.clear();
    script.send(get(&stage, b"/api/v2/a b\\c.json")).await;
    script.answer().await;
    assert_eq!(
        stage.zendesk.requests()[0].target(),
        "/api/v2/a%20b%5Cc.json"
    );
    script.send(get(&stage, b"/api/v2\\oauth/tokens")).await;
    let refused = script.answer().await;
    assert_eq!(refused.head.get("x-loopdesk-error"), Some("route-refused"));
}

/// Each, alone and after a valid request on its connection.
#[tokio::test]
async fn s8_whatever_can_not_be_read_is_told_so_in_zendesks_shape() {
    let mut stage = stage().await;
    stage.home.set("LOOPDESK_LOG", "info");
    let _daemon = stage.logged_in().await;
    stage.zendesk.clear();
    let many: String = (0..300).map(|n| format!("X-{n}: y\r\n")).collect();
    let with = |headers: &str| request(&stage, &format!("GET {ME}"), headers).into_bytes();
    let cases: Vec<(Vec<u8>, u16, &str, &str)> = vec![
        (get(&stage, b"/a#b"), 400, "bad-request", "`%23`"),
        (
            get(&stage, b"/a\0b"),
            400,
            "bad-request",
            "control character",
        ),
        (
            get(&stage, b"/a\tb"),
            400,
            "bad-request",
            "control character",
        ),
        (
            get(&stage, b"/a\rb"),
            400,
            "bad-request",
            "control character",
        ),
        (
            get(&stage, b"/a\x7f"),
            400,
            "bad-request",
            "control character",
        ),
        (
            get(&stage, b"%2Fa/b"),
            400,
            "bad-request",
            "begin it with `/`",
        ),
        (get(&stage, b""), 400, "bad-request", "no address"),
        (
            format!("GET {ME}\r\n\r\n").into(),
            400,
            "bad-request",
            "version",
        ),
        (
            b" /a HTTP/1.1\r\n\r\n".to_vec(),
            400,
            "bad-request",
            "method",
        ),
        (
            b"G(T /a HTTP/1.1\r\n\r\n".to_vec(),
            400,
            "bad-request",
            "method",
        ),
        (
            b"GET /a HTTP/1.3\r\n\r\n".to_vec(),
            505,
            "version-refused",
            "HTTP/1.1",
        ),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            505,
            "version-refused",
            "HTTP/1.1",
        ),
        // The beginning of a handshake, after which the client waits.
        (
            b"\x16\x03\x01\x02\x00\x01".to_vec(),
            400,
            "tls-refused",
            "http://",
        ),
        (
            get(&stage, &vec![b'x'; 70_000]),
            414,
            "address-too-long",
            "65534 bytes",
        ),
        (
            get(&stage, &[&b"/"[..], &vec![b'>'; 30_000]].concat()),
            414,
            "address-too-long",
            "65534",
        ),
        (with(&many), 431, "head-too-large", "256 header lines"),
        (
            with(&format!("X: {}\r\n", "y".repeat(100_000))),
            431,
            "head-too-large",
            "65536 bytes",
        ),
        (with("X: a\r\n b\r\n"), 400, "bad-request", "one line"),
        (with("X : a\r\n"), 400, "bad-request", "before the colon"),
        (with("X\r\n"), 400, "bad-request", "`Name: value`"),
        (with("X: \0\r\n"), 400, "bad-request", "control characters"),
        (
            with("Content-Length: x\r\n"),
            400,
            "bad-request",
            "`Content-Length`",
        ),
        (
            with("Content-Length: 1\r\nContent-Length: 2\r\n"),
            400,
            "bad-request",
            "`Content-Length`",
        ),
        (
            with("Transfer-Encoding: x\r\n"),
            400,
            "bad-request",
            "`Transfer-Encoding`",
        ),
        (
            b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
            400,
            "bad-request",
            "`Content-Length`",
        ),
    ];
    let honest = request(&stage, &format!("GET {ME}"), "");
    for (bytes, status, code, says) in &cases {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        for before in ["", &honest] {
            let mut script = Raw::connect(stage.port).await;
            let whole = [before.as_bytes(), bytes].concat();
            // It may be refused before its last byte.
            drop(script.try_send(whole).await);
            if !before.is_empty() {
                assert_eq!(script.answer().await.status(), 200, "{start:?}");
            }
            let answer = script.answer().await;
            let what = format!("{start:?}: {answer:?}");
            assert_eq!(answer.status(), *status, "{what}");
            assert_eq!(answer.head.get("x-loopdesk-error"), Some(*code), "{what}");
            assert!(answer.head.has("connection", "close"), "{what}");
            let json: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert!(json["error"].is_string(), "{what}");
            let description = json["description"].as_str().unwrap();
            assert!(description.contains(says), "{what}");
            assert_eq!(script.all().await, b"", "{what}");
        }
    }
    // One that ends within its head, and one whose response has no body.
    let mut script = Raw::connect(stage.port).await;
    script.send(format!("GET {ME} HTTP/1.1\r\nHost: a")).await;
    script.shut_down().await;
    let answer = script.answer().await;
    assert_eq!(answer.status(), 400, "{answer:?}");
    assert!(answer.text().contains("empty line"), "{answer:?}");
    let mut script = Raw::connect(stage.port).await;
    script.send("HEAD /a HTTP/1.1\r\nX\r\n\r\n").await;
    assert_eq!(script.head().await.status(), 400);
    assert_eq!(script.all().await, b"");

    let others = |record: &Record| record.target() != ME;
    assert_eq!(stage.zendesk.count(others), 0);
    for code in [
        "bad-request",
        "version-refused",
        "tls-refused",
        "head-too-large",
    ] {
        Daemon::logged(&stage.home, code).await;
    }
    let (status, _) = stage.get(ME).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn s8_256_header_lines_pass_in_both_directions() {
    let lines = |count: usize| {
        (0..count).fold(String::new(), |mut text, n| {
            write!(text, "X-{n}: {}\r\n", "y".repeat(60)).unwrap();
            text
        })
    };
    for protocols in [Protocols::Http1, Protocols::Both] {
        let stage = Stage::set(binary(), Zendesk::builder().protocols(protocols)).await;
        let _daemon = stage.logged_in().await;
        let mut answer = Answer::text(200, "ok");
        for n in 0..240 {
            answer = answer.header(&format!("x-{n}"), &"y".repeat(100));
        }
        let fault = Fault::on("GET", "/api/v2/chat/x").answer(answer);
        stage.zendesk.fault(fault);
        let mut script = Raw::connect(stage.port).await;
        let get = request(&stage, "GET /api/v2/chat/x", &lines(255));
        script.send(get).await;
        let answer = script.answer().await;
        assert_eq!(answer.status(), 200, "{protocols:?}: {answer:?}");
        assert_eq!(answer.head.get("x-239"), Some(&*"y".repeat(100)));
        let seen = stage.zendesk.requests();
        let seen = seen
            .iter()
            .find(|record| record.is("GET", "/api/v2/chat/x"));
        assert_eq!(seen.unwrap().header("x-254"), Some(&*"y".repeat(60)));
        let get = request(&stage, "GET /api/v2/chat/x", &lines(256));
        script.send(get).await;
        assert_eq!(script.answer().await.status(), 431);
    }
}
