//! A program under `exec` beside one that talks to Zendesk itself: the same requests arrive, and the same
//! answers, but for what the guide lists.

use std::collections::BTreeMap;
use std::path::Path;

use http::HeaderMap;
use loopdesk_tests::Raw;
use loopdesk_tests::by_name::ByName;
use loopdesk_tests::raw::Message;
use loopdesk_tests::zendesk::{Answer, Fault, Protocols, Record, Zendesk};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::held::{Held, tls_within};
use crate::binary;

#[tokio::test]
async fn s9_s1_requests_and_answers_are_those_of_a_direct_connection_but_for_what_the_guide_lists()
{
    let builder = Zendesk::builder().protocols(Protocols::Http1).tickets(30);
    let named = ByName::set(binary(), builder, "", "").await;
    let daemon = named.logged_in().await;
    let held = Held::start(&named, &[]).await;
    let odd = Answer::new(207)
        .header("content-type", "application/json; odd")
        .header("x-odd", "one")
        .header("x-odd", "two")
        .header(
            "link",
            "<https://acme.zendesk.com/api/v2/tickets?page=2>; rel=\"next\"",
        )
        .header("location", "https://acme.zendesk.com/api/v2/tickets/9")
        .header("strict-transport-security", "max-age=31536000")
        .header("access-control-allow-origin", "*")
        .header("set-cookie", "_zendesk_session=x; HttpOnly")
        .header("alt-svc", "h3=\":443\"")
        .header("etag", "\"abc\"")
        .body("{\"url\":\"https:\\/\\/acme.zendesk.com\\/api\\/v2\\/x\"}");
    let fault = Fault::on("GET", "/api/v2/odd").answer(odd);
    named.stage.zendesk.fault(fault);
    let token = named.stage.zendesk.issue_tokens(&["read", "write"]).access;
    let mut direct = straight(&named).await;
    let mut through = held.acme().await;
    let json = "Content-Type: application/json\r\n";
    for (line, head, body) in [
        ("GET /api/v2/tickets.json?page[size]=3", "", ""),
        (
            "GET /api/v2/search.json?query=created%3E2020-01-01%20type:ticket",
            "",
            "",
        ),
        (
            "GET /api/v2/tickets/1.json",
            "Accept-Encoding: gzip\r\nIf-None-Match: \"x\"\r\n",
            "",
        ),
        (
            "GET /api/v2/tickets/1.json",
            "X-Odd: a\r\nx-odd: b\r\nUser-Agent: odd/1\r\nAccept: */*\r\n",
            "",
        ),
        ("GET /api/v2/tickets/999999.json", "", ""),
        ("GET /api/v2/nothing-here", "", ""),
        ("GET /api/v2/odd", "", ""),
        (
            "GET /api/v2/odd",
            "Accept-Encoding: identity\r\nRange: bytes=0-\r\n",
            "",
        ),
        (
            "PUT /api/v2/tickets/1.json",
            json,
            "{\"ticket\":{\"subject\":\"http://localhost:8484/api/v2/x\"}}",
        ),
        ("PUT /api/v2/tickets/1.json", json, "not json"),
        ("DELETE /api/v2/tickets/2.json", "", ""),
    ] {
        let length = match body {
            "" => String::new(),
            body => format!("Content-Length: {}\r\n", body.len()),
        };
        let request = |credential: &str| {
            format!(
                "{line} HTTP/1.1\r\nHost: acme.zendesk.com\r\nAuthorization: {credential}\r\n{head}{length}\r\n{body}"
            )
        };
        named.stage.zendesk.clear();
        through
            .send(request("Basic bWVAZXhhbXBsZS5jb20vdG9rZW46eA=="))
            .await;
        let answer = through.answer().await;
        let seen = named.stage.zendesk.requests();
        let [seen] = &seen[..] else {
            panic!("{line}: {seen:?}");
        };
        let seen = sent(seen);
        // What was changed would not be there to be changed again.
        if line.starts_with("DELETE") {
            assert_eq!(answer.status(), 204, "{answer:?}");
            continue;
        }
        named.stage.zendesk.clear();
        direct.send(request(&format!("Bearer {token}"))).await;
        let expected = direct.answer().await;
        let records = named.stage.zendesk.requests();
        assert_eq!(seen, sent(&records[0]), "{line}");
        let (mut left, mut right) = (received(&answer), received(&expected));
        // A change tells when it was made, in as many digits as that takes.
        if line.starts_with("PUT") && left.0 == 200 {
            for (_, headers, body) in [&mut left, &mut right] {
                headers.remove("content-length");
                body.clear();
            }
        }
        assert_eq!(left, right, "{line}");
    }
    held.end().await;
    daemon.stop().await;
}

/// A program's own connection.
async fn straight(named: &ByName) -> Raw<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", named.stage.zendesk.port()))
        .await
        .unwrap();
    let ca: &Path = named.stage.zendesk.ca_file();
    tls_within(stream, ca, "acme.zendesk.com").await.unwrap()
}

/// What Zendesk saw: the line, the headers but those of the connection and the credential, the body.
fn sent(record: &Record) -> (String, Headers, Vec<u8>) {
    let line = format!("{} {}?{:?}", record.method, record.path, record.query);
    (
        line,
        headers(&record.headers, &["authorization", "host"]),
        record.body.to_vec(),
    )
}

/// What the program got, without what differs between any two answers.
fn received(answer: &Message) -> (u16, Headers, String) {
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.head.headers {
        let name: http::HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    let differing = [
        "date",
        "x-request-id",
        "x-zendesk-request-id",
        "x-runtime",
        "cf-ray",
        "server-timing",
    ];
    let mut headers = self::headers(&headers, &[&differing[..], &LISTED].concat());
    headers.retain(|name, _| !name.contains("ratelimit") && !name.contains("rate-limit"));
    (answer.status(), headers, answer.text())
}

type Headers = BTreeMap<String, Vec<String>>;

fn headers(all: &HeaderMap, without: &[&str]) -> Headers {
    let mut found = Headers::new();
    for (name, value) in all {
        if !without.contains(&name.as_str()) && !CONNECTION.contains(&name.as_str()) {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            found.entry(name.to_string()).or_default().push(value);
        }
    }
    found
}

const CONNECTION: [&str; 4] = ["connection", "keep-alive", "transfer-encoding", "te"];

/// What `client/guide/exec.md` lists.
const LISTED: [&str; 2] = ["set-cookie", "alt-svc"];
