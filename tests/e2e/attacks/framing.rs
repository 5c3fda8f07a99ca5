//! P: where one request ends and the next begins.

use std::fmt::Write;

use loopdesk_tests::Raw;
use loopdesk_tests::zendesk::{OTHER_PRODUCTS_CREDENTIAL, Record};
use sha2::{Digest, Sha256};

use super::{LOCAL, ME, Scene};

#[tokio::test]
async fn d1_p3_credentials_that_could_be_read_two_ways() {
    let scene = Scene::set().await;
    let get = format!("GET {ME}");
    let two = format!("Authorization: Bearer {LOCAL}\r\nauthorization: Basic {LOCAL}\r\n");
    let heard = scene.hears(scene.request(&get, &two)).await;
    scene.refused(&heard, 400, "bad-request", "two credentials");
    for odd in [
        format!("Authorization : Bearer {LOCAL}\r\n"),
        format!("Authorization\t: Bearer {LOCAL}\r\n"),
        format!(" Authorization: Bearer {LOCAL}\r\n"),
        format!("X-A: 1\r\n Authorization: Bearer {LOCAL}\r\n"),
        format!("Authorization: Bearer\r\n {LOCAL}\r\n"),
        format!("Authorization: Bearer\r\n\t{LOCAL}\r\n"),
        format!("Authorization Bearer {LOCAL}\r\n"),
        format!("Authorization\0: Bearer {LOCAL}\r\n"),
        format!("Author\u{ef}zation: Bearer {LOCAL}\r\n"),
        ": no name\r\n".to_owned(),
    ] {
        let heard = scene.hears(scene.request(&get, &odd)).await;
        assert_eq!(heard.statuses(), [400], "{odd:?}: {heard:?}");
        assert_eq!(scene.seen(), Vec::<String>::new(), "{odd:?}");
    }
    scene.nothing_arrived().await;
}

/// Each is refused, or is one request: the second one, hidden in the body of the first, is never
/// seen.
#[tokio::test]
async fn d1_p4_smuggling_corpus() {
    let scene = Scene::set().await;
    let hidden = scene.request("GET /smuggled", "");
    let length = hidden.len();
    let chunked = "Transfer-Encoding: chunked\r\n";
    let refused = [
        // Conflicting lengths.
        (
            "Content-Length: 4\r\nContent-Length: 5\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        (
            format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
            "",
        ),
        ("Content-Length: 4, 5\r\n".to_owned(), "0\r\n\r\n"),
        ("Content-Length: 5, 5\r\n".to_owned(), "0\r\n\r\n"),
        // Lengths that only some parsers accept.
        (format!("Content-Length: +{length}\r\n"), ""),
        (format!("Content-Length: -{length}\r\n"), ""),
        (format!("Content-Length: 0x{length:x}\r\n"), ""),
        (format!("Content-Length: {length}.0\r\n"), ""),
        (format!("Content-Length: {length} 0\r\n"), ""),
        ("Content-Length:\r\n".to_owned(), ""),
        ("Content-Length: 18446744073709551616\r\n".to_owned(), ""),
        (format!("Content-Length : {length}\r\n"), ""),
        (format!("Content-Length:\r\n {length}\r\n"), ""),
        // Codings other than the one that exists.
        ("Transfer-Encoding: xchunked\r\n".to_owned(), "0\r\n\r\n"),
        (
            "Transfer-Encoding: chunked, identity\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        ("Transfer-Encoding: identity\r\n".to_owned(), ""),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        // Chunked twice, and what would remain if a name were removed.
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: chunked, chunked\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: gzip, chunked\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        ("Transfer-Encoding: \"chunked\"\r\n".to_owned(), "0\r\n\r\n"),
        (
            "Transfer-Encoding: \u{b}chunked\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        ("Transfer-Encoding : chunked\r\n".to_owned(), "0\r\n\r\n"),
        ("Transfer-Encoding:\r\n chunked\r\n".to_owned(), "0\r\n\r\n"),
        (
            "X: 1\rTransfer-Encoding: chunked\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        ("\0Transfer-Encoding: chunked\r\n".to_owned(), "0\r\n\r\n"),
    ];
    for (headers, body) in &refused {
        let heard = scene.hears(scene.post(headers, body) + &hidden).await;
        assert_eq!(heard.statuses(), [400], "{headers:?}: {heard:?}");
        assert_eq!(scene.seen(), Vec::<String>::new(), "{headers:?}");
    }
    // HTTP/1.0 has no chunks (RFC 9112 section 6.1).
    let old = format!("POST /api/v2/tickets.json HTTP/1.0\r\n{chunked}\r\n0\r\n\r\n{hidden}");
    let heard = scene.hears(old).await;
    assert_eq!(heard.statuses(), [400], "chunks in HTTP/1.0: {heard:?}");

    // What has only one reading is one request, and what follows it is the next one.
    let long_hidden = format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n");
    for (headers, body) in [
        (format!("Content-Length: {length}\r\n"), hidden.clone()),
        (
            format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
            hidden.clone(),
        ),
        (chunked.to_owned(), long_hidden.clone()),
        (
            "Transfer-Encoding: CHUNKED\r\n".to_owned(),
            long_hidden.clone(),
        ),
        (
            "transfer-encoding:\tchunked \r\n".to_owned(),
            long_hidden.clone(),
        ),
        (
            chunked.to_owned(),
            long_hidden.replacen("\r\n", ";a=\"b;c\"\r\n", 1),
        ),
        (
            chunked.to_owned(),
            format!("{length:016X}\r\n{hidden}\r\n0\r\nX-T: 1\r\n\r\n"),
        ),
    ] {
        let attack = scene.post(&headers, &body)
            + &scene.request(&format!("GET {ME}"), "Connection: close\r\n");
        let heard = scene.hears(attack).await;
        let statuses = heard.statuses();
        assert_eq!(
            (statuses.len(), statuses.last()),
            (2, Some(&200)),
            "{headers:?}: {heard:?}"
        );
        let seen = scene.stage.zendesk.requests();
        let targets: Vec<_> = seen.iter().map(Record::target).collect();
        assert_eq!(targets, ["/api/v2/tickets.json", ME], "{headers:?}");
        assert_eq!(seen[0].body, hidden, "{headers:?}");
        for record in &seen {
            scene.clean(record, &headers);
        }
        scene.stage.zendesk.clear();
    }

    // A bare line feed ends a line (RFC 9112 section 2.2); it is sent on as CRLF.
    let bare = scene
        .request(&format!("GET {ME}"), "Connection: close\r\n")
        .replace("\r\n", "\n");
    assert_eq!(scene.hears(bare).await.statuses(), [200]);
    scene.one_clean("bare line feeds");
    scene.nothing_arrived().await;
}

/// The request is aborted, and nothing follows it. Its head may already have been sent, since
/// uploads stream, but Zendesk never gets a complete request.
#[tokio::test]
async fn d1_p4_chunks_that_are_none() {
    let scene = Scene::set().await;
    let hidden = scene.request("GET /smuggled", "");
    for chunks in [
        "0x1\r\na\r\n0\r\n\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "-1\r\na\r\n0\r\n\r\n",
        " \r\na\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "g\r\na\r\n0\r\n\r\n",
        "1;a\nb\r\na\r\n0\r\n\r\n",
        "1;a\rb\r\na\r\n0\r\n\r\n",
        "1\na\n0\n\n",
        "1\r\naa\r\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "10000000000000001\r\na\r\n0\r\n\r\n",
        "ffffffffffffffff\r\na\r\n0\r\n\r\n",
        "1\r\na\r\n0\r\nX\r\n: y\r\n\r\n",
        "1\r\na\r\n0\r\n X: y\r\n\r\n",
    ] {
        let attack = scene.post("Transfer-Encoding: chunked\r\n", chunks) + &hidden;
        let heard = scene.hears(attack).await;
        let statuses = heard.statuses();
        let none_served = statuses.iter().all(|status| *status >= 400);
        assert!(none_served && statuses.len() <= 1, "{chunks:?}: {heard:?}");
    }
    // On the connection to Zendesk it follows everything sent before.
    let honest = scene.request(&format!("GET {ME}"), "");
    assert_eq!(scene.hears(honest).await.statuses(), [200]);
    for record in scene.stage.zendesk.requests() {
        let is_whole = record.body_sha256.is_some() && record.target() != ME;
        assert!(!is_whole && record.path != "/smuggled", "{record}");
    }
}

#[tokio::test]
async fn s3_p5_bodies_without_a_length_arrive_byte_for_byte() {
    let scene = Scene::set().await;
    for size in [1, (64 << 10) + 1, 10 << 20] {
        let body: Vec<u8> = (0..size)
            .map(|n: usize| (n.wrapping_mul(31) >> 3) as u8)
            .collect();
        let head = scene.request(
            "POST /api/v2/uploads.json?filename=a",
            "Transfer-Encoding: chunked\r\n",
        );
        let mut script = Raw::connect(scene.port()).await;
        script.send(head).await;
        for piece in body.chunks(100_000) {
            script.send(format!("{:x}\r\n", piece.len())).await;
            script.send(piece).await;
            script.send("\r\n").await;
        }
        script.send("0\r\n\r\n").await;
        let answer = script.answer().await;
        assert_eq!(answer.status(), 201, "{answer:?}");
        let mut records = scene.stage.zendesk.requests();
        assert_eq!(records.len(), 1, "{:?}", scene.seen());
        let record = records.remove(0);
        scene.stage.zendesk.clear();
        assert_eq!(record.body_length, size as u64);
        let sum = Sha256::digest(&body)
            .iter()
            .fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            });
        assert_eq!(record.body_sha256, Some(sum));
    }
}

#[tokio::test]
async fn d1_p6_no_other_protocol_is_switched_to() {
    let scene = Scene::set().await;
    let settings = "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n";
    for offer in [
        format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n{settings}"),
        format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{settings}"),
        format!("Upgrade: h2c\r\n{settings}"),
        format!("Connection: Upgrade\r\nUpgrade: H2C\r\n{settings}{settings}"),
        "Connection: Upgrade\r\nUpgrade: TLS/1.2, HTTP/1.1\r\n".to_owned(),
        "Connection: Upgrade\r\nUpgrade: spdy/3\r\n".to_owned(),
    ] {
        // A tunnel would swallow the second request.
        let twice =
            scene.request(&format!("GET {ME}"), &offer) + &scene.request("GET /oauth/tokens", "");
        let heard = scene.hears(twice).await;
        assert_eq!(heard.statuses(), [200, 403], "{offer:?}: {heard:?}");
        scene.one_clean(&offer);
    }
    let of_version = |version: &str| {
        let port = scene.port();
        format!("GET {ME} HTTP/{version}\r\nHost: localhost:{port}\r\n\r\n")
    };
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned();
    for other in [preface, of_version("2.0"), of_version("1.2")] {
        let heard = scene.hears(&other).await;
        scene.refused(&heard, 505, "version-refused", &other);
    }
    let old = format!("GET {ME}\r\n");
    let heard = scene.hears(&old).await;
    scene.refused(&heard, 400, "bad-request", &old);
    let heard = scene.hears("\u{16}\u{3}\u{1}\0\u{5}hello").await;
    scene.refused(&heard, 400, "tls-refused", "TLS");
    scene.nothing_arrived().await;
}

#[tokio::test]
async fn d1_p15_bytes_that_would_split_a_head() {
    let scene = Scene::set().await;
    let get = format!("GET {ME}");
    for bytes in ["a\0b", "a\rb", "a\u{1b}[2Jb", "a\u{7f}b", "a\r\r\nX: 1"] {
        for name in ["X-Any", "Authorization", "Connection", "Host"] {
            let heard = scene
                .hears(scene.request(&get, &format!("{name}: {bytes}\r\n")))
                .await;
            scene.refused(&heard, 400, "bad-request", bytes);
        }
    }
    for line in [
        "GET /a\0b",
        "GET /a\rb",
        "GET /a\tb",
        "GET\t/a",
        "GET  /a",
        "G\0T /a",
        "G(T /a",
        " GET /a",
        "",
    ] {
        let heard = scene.hears(scene.request(line, "")).await;
        scene.refused(&heard, 400, "bad-request", line);
    }
    scene.nothing_arrived().await;
    // A space can be read in one way only; a line feed ends the line, which then lacks a version.
    let heard = scene.hears(scene.request("GET /a HTTP/1.1 b", "")).await;
    assert_eq!(heard.statuses().len(), 1, "{heard:?}");
    let record = scene.one_clean("spaces");
    assert_eq!(record.target(), "/a%20HTTP/1.1%20b");
    for line in ["GET /a\nX: y", "GET /a\r\nX: y", "GET /a HTTP/1.1\n X:"] {
        let heard = scene.hears(scene.request(line, "")).await;
        scene.refused(&heard, 400, "bad-request", line);
    }
}

#[tokio::test]
async fn d1_p21_trailers_end_here() {
    let scene = Scene::set().await;
    for trailer in [
        format!("Authorization: Bearer {LOCAL}"),
        "Host: evil.example".to_owned(),
        "Content-Length: 0".to_owned(),
        "X-Forwarded-For: 1.2.3.4".to_owned(),
        "X-Any: 1".to_owned(),
    ] {
        let name = trailer.split(':').next().unwrap();
        let headers = format!(
            "Transfer-Encoding: chunked\r\nTrailer: {name}\r\nTE: trailers\r\nConnection: TE\r\n"
        );
        let attack = scene.post(&headers, &format!("2\r\n{{}}\r\n0\r\n{trailer}\r\n\r\n"));
        assert_eq!(scene.hears(attack).await.statuses().len(), 1, "{trailer}");
        let mut records = scene.stage.zendesk.requests();
        assert_eq!(records.len(), 1, "{:?}", scene.seen());
        let mut record = records.remove(0);
        assert_eq!(record.headers.remove("te").unwrap(), "trailers");
        scene.clean(&record, &trailer);
        assert_eq!(record.body, "{}", "{trailer}");
        scene.stage.zendesk.clear();
    }
}

#[tokio::test]
async fn d1_p23_requests_on_one_connection_are_judged_alone() {
    let scene = Scene::set().await;
    let get = format!("GET {ME}");
    let own = format!("Authorization: Bearer {OTHER_PRODUCTS_CREDENTIAL}\r\n");
    let pipeline = [
        scene.request(&get, "Authorization: Basic bWU6eA==\r\nX-Mark: 1\r\n"),
        scene.request(&get, "Origin: https://evil.example\r\n"),
        format!("GET {ME} HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
        scene.request("GET /api/v2/chat/agents", &own),
        scene.request("GET /api/v2/chat/agents", ""),
        scene.request("GET /oauth/tokens", ""),
        scene.request(&get, "X-Mark: 2\r\nConnection: close\r\n"),
        scene.request("GET /smuggled", ""),
    ];
    let heard = scene.hears(pipeline.concat()).await;
    assert_eq!(
        heard.statuses(),
        [200, 403, 421, 200, 401, 403, 200],
        "{heard:?}"
    );
    let seen = scene.stage.zendesk.requests();
    let marks: Vec<_> = seen.iter().map(|record| record.header("x-mark")).collect();
    assert_eq!(
        marks,
        [Some("1"), None, None, Some("2")],
        "{:?}",
        scene.seen()
    );
    scene.clean(&seen[0], "the first");
    assert_eq!(
        seen[1].header("authorization"),
        own.trim().strip_prefix("Authorization: ")
    );
    assert_eq!(
        seen[2].header("authorization"),
        None,
        "nothing is left over"
    );
    scene.clean(&seen[3], "the last");
    scene.serves().await;
}
