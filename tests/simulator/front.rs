//! Headers, compression, limits, protocols. ZENDESK.md: Headers, Rate limits

use std::io::Read as _;

use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderValue, Method, Version};
use jiff::SignedDuration;
use loopdesk_tests::zendesk::{Protocols, Reply, Zendesk, json};

use crate::support::{header, signed_in, with_scopes};

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_str(value).unwrap())])
}

#[tokio::test]
async fn answers_carry_the_headers_that_were_seen() {
    let (_zendesk, caller) = signed_in().await;
    let reply = caller.get("/api/v2/tickets.json").await.unwrap();
    for name in [
        "strict-transport-security",
        "x-zendesk-api-version",
        "zendesk-api-version",
        "x-rate-limit",
        "ratelimit-reset",
        "zendesk-ratelimit-tickets-index",
        "x-runtime",
        "nel",
    ] {
        assert!(!header(&reply, name).is_empty(), "{name}");
    }
    let many = |name: &str| reply.headers().get_all(name).iter().count();
    assert_eq!((many("x-request-id"), many("set-cookie")), (2, 2));
}

#[tokio::test]
async fn cors_is_open_for_oauth_requests_only() {
    let (zendesk, caller) = signed_in().await;
    let reply = caller.get("/api/v2/users/me").await.unwrap();
    assert_eq!(header(&reply, "access-control-allow-origin"), "*");
    let reply = zendesk
        .caller()
        .unwrap()
        .get("/api/v2/users/me")
        .await
        .unwrap();
    assert_eq!(header(&reply, "access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_weak_etag_lets_a_client_save_the_body() {
    let (_zendesk, caller) = signed_in().await;
    let reply = caller.get("/api/v2/tickets/1").await.unwrap();
    let tag = header(&reply, "etag").to_owned();
    assert!(tag.starts_with("W/\""));
    let known = headers("if-none-match", &tag);
    let reply = caller.send(Method::GET, "/api/v2/tickets/1", known, "".into());
    let reply = reply.await.unwrap();
    assert_eq!((reply.status().as_u16(), reply.body().len()), (304, 0));
}

fn unpack(reply: &Reply) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(reply.body().as_ref())
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

#[tokio::test]
async fn gzip_comes_where_it_is_accepted() {
    let (zendesk, caller) = signed_in().await;
    let plain = caller.get("/api/v2/tickets").await.unwrap();
    assert_eq!(header(&plain, "content-encoding"), "");
    for (accepts, packed) in [
        ("gzip, deflate, br", true),
        ("gzip;q=1.0,deflate;q=0.6,identity;q=0.3", true),
        ("identity, gzip;q=0", false),
    ] {
        let reply = caller.send(
            Method::GET,
            "/api/v2/tickets",
            headers("accept-encoding", accepts),
            "".into(),
        );
        let reply = reply.await.unwrap();
        assert_eq!(
            header(&reply, "content-encoding") == "gzip",
            packed,
            "{accepts}"
        );
        let body = if packed {
            unpack(&reply)
        } else {
            reply.body().to_vec()
        };
        assert_eq!(body, plain.body().as_ref());
        // Streamed: the length isn't known in advance.
        assert_eq!(reply.headers().contains_key("content-length"), !packed);
    }
    zendesk.set_gzip(false);
    let accepting = headers("accept-encoding", "gzip");
    let reply = caller.send(Method::GET, "/api/v2/tickets", accepting, "".into());
    assert_eq!(header(&reply.await.unwrap(), "content-encoding"), "");
}

#[tokio::test]
async fn slashes_may_be_escaped() {
    let (zendesk, caller) = signed_in().await;
    let plain = caller.get("/api/v2/tickets?per_page=1").await.unwrap();
    zendesk.set_escaped_slashes(true);
    let escaped = caller.get("/api/v2/tickets?per_page=1").await.unwrap();
    let text = String::from_utf8(escaped.body().to_vec()).unwrap();
    assert!(text.contains(r"https:\/\/127.0.0.1") && !text.contains("https://"));
    assert_eq!(json(&escaped), json(&plain));
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let (_zendesk, caller) = signed_in().await;
    let get = caller.get("/api/v2/tickets/1").await.unwrap();
    for caller in [caller.clone(), caller.http2()] {
        let head = caller.send(
            Method::HEAD,
            "/api/v2/tickets/1",
            HeaderMap::new(),
            "".into(),
        );
        let head = head.await.unwrap();
        assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
        assert_eq!(header(&head, "etag"), header(&get, "etag"));
        assert_eq!(
            header(&head, "content-length"),
            get.body().len().to_string()
        );
    }
}

#[tokio::test]
async fn one_request_too_many_is_429_in_plain_text() {
    let zendesk = Zendesk::builder().rate_limit(2).start().await.unwrap();
    let caller = with_scopes(&zendesk, &["read"]);
    // Moves to the start of a minute, so that the three requests are in the same one.
    let into_minute = zendesk.now().as_second().rem_euclid(60);
    zendesk.move_clock(SignedDuration::from_secs(60 - into_minute));
    for remaining in ["1", "0"] {
        let reply = caller.get("/api/v2/tickets/1").await.unwrap();
        assert_eq!(header(&reply, "x-rate-limit"), "2");
        assert_eq!(header(&reply, "x-rate-limit-remaining"), remaining);
    }
    let reply = caller.get("/api/v2/tickets/1").await.unwrap();
    assert_eq!(reply.status(), 429);
    assert_eq!(header(&reply, "content-type"), "text/plain");
    assert_eq!(
        reply.body().as_ref(),
        b"Number of allowed API requests per minute exceeded"
    );
    assert_eq!(header(&reply, "cache-control"), "max-age=1,public");
    assert_eq!(header(&reply, "x-rate-limit-remaining"), "0");
    let wait: i64 = header(&reply, "retry-after").parse().unwrap();
    zendesk.move_clock(SignedDuration::from_secs(wait));
    assert_eq!(caller.get("/api/v2/tickets/1").await.unwrap().status(), 200);
}

#[tokio::test]
async fn both_protocols_answer_alike() {
    let (zendesk, caller) = signed_in().await;
    let old = caller.get("/api/v2/tickets.json?per_page=3").await.unwrap();
    let new = caller
        .clone()
        .http2()
        .get("/api/v2/tickets.json?per_page=3")
        .await
        .unwrap();
    assert_eq!(old.body(), new.body());
    let versions: Vec<_> = zendesk
        .requests()
        .iter()
        .map(|record| record.version)
        .collect();
    assert_eq!(versions, [Version::HTTP_11, Version::HTTP_2]);
}

#[tokio::test]
async fn a_protocol_can_be_switched_off() {
    let zendesk = Zendesk::builder()
        .protocols(Protocols::Http1)
        .start()
        .await
        .unwrap();
    let caller = with_scopes(&zendesk, &["read"]);
    caller
        .clone()
        .http2()
        .get("/api/v2/tickets")
        .await
        .unwrap_err();
    assert_eq!(caller.get("/api/v2/tickets").await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_data_is_the_same_in_every_run() {
    let page = async || {
        let zendesk = Zendesk::builder().public_origin("https://acme.zendesk.com");
        let zendesk = zendesk.start().await.unwrap();
        let caller = with_scopes(&zendesk, &["read"]);
        let paths = [
            "/api/v2/tickets",
            "/api/v2/users",
            "/api/v2/help_center/articles",
        ];
        let mut pages = Vec::new();
        for path in paths {
            pages.push(caller.get(path).await.unwrap().into_body());
        }
        pages
    };
    assert_eq!(page().await, page().await);
}
