//! Requests and answers, made up by dice.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use loopdesk_tests::Raw;
use loopdesk_tests::raw::Message;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::differential::Dice;

/// One request, with a seed for its answer.
pub(super) struct Case {
    pub(super) bytes: Vec<u8>,
    is_head: bool,
}

impl Case {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let has_body = dice.one_in(2);
        let method = match has_body {
            true => dice.one(&["POST", "PUT", "PATCH", "DELETE"]),
            false => dice.one(&["GET", "GET", "HEAD", "DELETE", "OPTIONS"]),
        };
        let mut bytes = format!("{method} /api/v2/").into_bytes();
        let path = ["search.json?query=", "tickets/7.json?x=", "users/me?y="];
        bytes.extend_from_slice(dice.one(&path).as_bytes());
        for _ in 0..dice.below(40) {
            bytes.push(dice.of(b"abc >\"<{}|\\^`%[]&=+:/?@ \xc3\xbc"));
        }
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        let seed = dice.below(usize::MAX);
        let fixed = "Host: acme.zendesk.com\r\nauthorization: Bearer a-dummy\r\n";
        bytes.extend_from_slice(format!("{fixed}X-Answer: {seed}\r\n").as_bytes());
        for _ in 0..dice.below(10) {
            bytes.extend_from_slice(dice.one(REQUEST_HEADERS).as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        for _ in 0..dice.below(6) {
            own_header(dice, &mut bytes);
        }
        if has_body {
            bytes.extend_from_slice(dice.one(REQUEST_TYPES).as_bytes());
            let content = content(dice);
            framed(dice, &content, &mut bytes);
        } else {
            bytes.extend_from_slice(b"\r\n");
        }
        Self {
            bytes,
            is_head: method == "HEAD",
        }
    }

    pub(super) async fn answer(&self, raw: &mut Raw<TlsStream<TcpStream>>) -> Message {
        if !self.is_head {
            return raw.answer().await;
        }
        Message {
            head: raw.head().await,
            body: Vec::new(),
            trailers: Vec::new(),
        }
    }
}

/// Any header that no rule knows, in any spelling.
fn own_header(dice: &mut Dice, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(dice.one(&["X-", "x-Own-", "Zz", "traceParent-"]).as_bytes());
    for _ in 0..dice.below(8) {
        bytes.push(dice.of(b"abcXYZ019!#$%&'*+.^`|~-"));
    }
    bytes.extend_from_slice(b": ");
    for _ in 0..dice.below(40) {
        let byte = dice.readable();
        bytes.push(byte);
    }
    bytes.extend_from_slice(b"\r\n");
}

/// Text that a rewriting proxy would change, or anything.
fn content(dice: &mut Dice) -> Vec<u8> {
    if dice.one_in(2) {
        let link = dice.one(&[
            "https://acme.zendesk.com/api/v2/tickets.json?page=2",
            "https:\\/\\/acme.zendesk.com\\/attachments\\/token\\/x",
            "http://localhost:8484/api/v2/tickets/1.json",
            "https://files.zdusercontent.com/attachment/11400/?token=x",
        ]);
        let key = dice.one(&["next_page", "url", "content_url", "body"]);
        return format!("{{ \"{key}\" : \"{link}\",\"n\":1.0}}").into_bytes();
    }
    let size = if dice.one_in(10) { 100_000 } else { 300 };
    (0..dice.below(size)).map(|_| dice.byte()).collect()
}

/// The end of a head, and the body: with its length, or in chunks.
fn framed(dice: &mut Dice, content: &[u8], bytes: &mut Vec<u8>) {
    if dice.one_in(2) {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", content.len()).as_bytes());
        bytes.extend_from_slice(content);
        return;
    }
    bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
    let size = 1 + dice.below(5000);
    for piece in content.chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
}

/// An answer of Zendesk's, always the same for the same dice.
pub(super) fn answer(dice: &mut Dice, is_head: bool) -> Vec<u8> {
    let status = dice.one(&[
        "200 OK",
        "200 OK",
        "201 Created",
        "204 No Content",
        "301 Moved Permanently",
        "302 Found",
        "304 Not Modified",
        "403 Forbidden",
        "404 Not Found",
        "409 Conflict",
        "422 Unprocessable Entity",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "503 Service Unavailable",
    ]);
    let mut bytes = format!("HTTP/1.1 {status}\r\nDate: {DATE}\r\n").into_bytes();
    for _ in 0..dice.below(12) {
        bytes.extend_from_slice(dice.one(ANSWER_HEADERS).as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    for _ in 0..dice.below(4) {
        own_header(dice, &mut bytes);
    }
    if status.starts_with("204") || status.starts_with("304") {
        bytes.extend_from_slice(b"\r\n");
        return bytes;
    }
    bytes.extend_from_slice(dice.one(ANSWER_TYPES).as_bytes());
    let mut content = content(dice);
    if dice.one_in(3) {
        let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
        zipped.write_all(&content).unwrap();
        content = zipped.finish().unwrap();
        bytes.extend_from_slice(b"Content-Encoding: gzip\r\n");
    }
    if is_head {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", content.len()).as_bytes());
    } else {
        framed(dice, &content, &mut bytes);
    }
    bytes
}

const REQUEST_HEADERS: &[&str] = &[
    "User-Agent: python-requests/2.34.2",
    "Accept: */*",
    "accept: application/json, text/html;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Encoding: identity",
    "accept-language: de-CH,de;q=0.9",
    "Cache-Control: no-cache",
    "Connection: keep-alive",
    "Keep-Alive: timeout=5",
    "Cookie: _zendesk_session=abc; other=1",
    "Referer: https://acme.zendesk.com/agent/tickets/1",
    "Origin: https://acme.zendesk.com",
    "Forwarded: for=192.0.2.1",
    "X-Forwarded-For: 192.0.2.1",
    "X-Forwarded-Host: evil.example",
    "X-Original-URL: /oauth/tokens",
    "If-None-Match: W/\"abc\", \"def\"",
    "If-Modified-Since: Tue, 01 Dec 2026 08:00:00 GMT",
    "Range: bytes=0-99",
    "Idempotency-Key: 7f1c",
    "X-Zendesk-Marketplace-Name: an app",
    "x-zendesk-marketplace-app-id: 1",
    "X-Requested-With: XMLHttpRequest",
    "sec-fetch-mode: cors",
    "Priority: u=1, i",
    "TE: trailers",
];

const REQUEST_TYPES: &[&str] = &[
    "Content-Type: application/json\r\n",
    "content-type: application/json; charset=UTF-8\r\n",
    "Content-Type: application/x-www-form-urlencoded\r\n",
    "Content-Type: application/binary\r\n",
    "Content-Type: image/png\r\nContent-Disposition: attachment\r\n",
    "",
];

const ANSWER_HEADERS: &[&str] = &[
    "Server: cloudflare",
    "ETag: W/\"4981f7ed\"",
    "ETag: \"4981f7ed\"",
    "Last-Modified: Tue, 01 Dec 2026 08:00:00 GMT",
    "Cache-Control: max-age=0, private, must-revalidate",
    "Vary: Accept-Encoding",
    "vary: Origin",
    "Location: https://acme.zendesk.com/api/v2/tickets/7.json",
    "Location: https://files.zdusercontent.com/attachment/11400/?token=x",
    "Content-Location: /api/v2/tickets/7.json",
    "Link: <https://acme.zendesk.com/api/v2/tickets.json?page=2>; rel=\"next\"",
    "Set-Cookie: __cfruid=0123; path=/; domain=.acme.zendesk.com; HttpOnly; Secure",
    "set-cookie: _zendesk_cookie=abc; path=/; secure",
    "Strict-Transport-Security: max-age=31536000;",
    "Alt-Svc: h3=\":443\"; ma=86400",
    "NEL: {\"report_to\":\"cf-nel\",\"max_age\":604800}",
    "Report-To: {\"group\":\"cf-nel\",\"max_age\":604800}",
    "Access-Control-Allow-Origin: *",
    "Access-Control-Expose-Headers: X-Zendesk-API-Warn",
    "X-Content-Type-Options: nosniff",
    "X-Frame-Options: SAMEORIGIN",
    "X-Rate-Limit: 700",
    "x-rate-limit-remaining: 699",
    "ratelimit-reset: 41",
    "zendesk-ratelimit-tickets-index: total=100; remaining=99; resets=41",
    "Retry-After: 93",
    "X-Zendesk-API-Version: v2",
    "X-Request-Id: 70b4000000000004-IAD",
    "Content-Disposition: attachment; filename=\"a b.png\"",
    "Accept-Ranges: bytes",
    "Warning: 299 - \"Deprecated API\"",
    "Connection: keep-alive",
];

const ANSWER_TYPES: &[&str] = &[
    "Content-Type: application/json; charset=utf-8\r\n",
    "content-type: application/json\r\n",
    "Content-Type: text/html; charset=UTF-8\r\n",
    "Content-Type: application/octet-stream\r\n",
    "Content-Type: image/svg+xml\r\n",
    "",
];

const DATE: &str = "Tue, 01 Dec 2026 15:00:00 GMT";
