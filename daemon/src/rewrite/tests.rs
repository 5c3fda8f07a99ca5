use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;

use super::*;
use crate::body::frames::{FrameBody, Item, data};

const PAGE: &str = r#"{"tickets":[{"url":"https://acme.zendesk.com/api/v2/tickets/1.json"}],"next_page":"https://acme.zendesk.com/api/v2/tickets.json?page=2"}"#;
const LOCAL_PAGE: &str = r#"{"tickets":[{"url":"https://acme.zendesk.com/api/v2/tickets/1.json"}],"next_page":"http://LocalHost:8484/api/v2/tickets.json?page=2"}"#;

type Lines<'a> = &'a [(&'static str, &'static str)];

fn account(rewrite: &str) -> Arc<Account> {
    let text =
        format!("[accounts.acme]\nsubdomain = \"acme\"\nclient-id = \"loopdesk\"\n{rewrite}");
    let config = crate::config::check::parse(&text).unwrap();
    Arc::clone(config.accounts.values().next().unwrap())
}

/// The view of a client of an account without neighbours.
fn view_of(base: &str, account: &Arc<Account>) -> OriginsView {
    let mut config = crate::samples::config(Vec::new());
    let name = account.name.clone();
    config.accounts = std::iter::once((name, Arc::clone(account))).collect();
    Origins::new(&config).view(client(base), account)
}

/// The view of a client of `acme` that used this base.
pub(super) fn view(base: &str) -> OriginsView {
    scanner::reference::view(client(base))
}

pub(super) fn client(base: &str) -> ScriptClient {
    ScriptClient {
        base: base.into(),
        at: Arrival::Shared,
        names_account: false,
        has_key: false,
    }
}

fn context_of(method: Method, lines: Lines<'_>, base: &str, account: &Arc<Account>) -> Context {
    let mut request = Request::builder().method(method);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    let head = request.body(()).unwrap().into_parts().0;
    Context::of(&head, view_of(base, account), CarriedFiles::default())
}

/// A GET with these headers.
fn context(lines: Lines<'_>) -> Context {
    context_of(Method::GET, lines, "http://LocalHost:8484", &account(""))
}

fn answer(status: u16, lines: Lines<'_>, body: impl AsRef<[u8]>) -> Response<Body> {
    let body = Body::full(Bytes::copy_from_slice(body.as_ref()));
    let mut answer = Response::builder().status(status).version(Version::HTTP_2);
    for (name, value) in lines {
        answer = answer.header(*name, *value);
    }
    answer.body(body).unwrap()
}

async fn text(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

fn gzip(plain: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn s9_a_program_under_exec_gets_what_zendesk_sent_but_for_what_would_lead_around_us() {
    let body = r#"{"next_page":"https://acme.zendesk.com/api/v2/tickets?page=2"}"#;
    let kept = [
        ("content-type", "application/json"),
        ("etag", "\"a\""),
        ("content-length", "62"),
        ("location", "https://acme.zendesk.com/api/v2/tickets/1"),
        ("strict-transport-security", "max-age=1"),
        ("access-control-allow-origin", "*"),
    ];
    let gone = [
        ("set-cookie", "a=b"),
        ("alt-svc", "h3=\":443\""),
        ("connection", "x-one"),
        ("x-one", "1"),
        ("x-loopdesk-error", "signed-out"),
    ];
    let lines = [&kept[..], &gone].concat();
    let response = response(answer(201, &lines, body), &context(&[]).verbatim());
    let mut names: Vec<_> = response
        .headers()
        .keys()
        .map(|name| name.as_str())
        .collect();
    let mut expected: Vec<_> = kept.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for (name, value) in kept {
        assert_eq!(response.headers()[name], value);
    }
    assert_eq!(text(response).await, body);
}

#[test]
fn s3_gzip_is_asked_for_where_the_answer_may_change() {
    let none = account("rewrite = []");
    for (lines, account, asked) in [
        (&[][..], &account(""), Some("gzip")),
        (&[("accept-encoding", "br")], &account(""), Some("gzip")),
        (&[("range", "bytes=1-")], &account(""), None),
        (
            &[("range", "bytes=1-"), ("accept-encoding", "br")],
            &account(""),
            Some("identity"),
        ),
        (&[("x-loopdesk-rewrite", "off")], &account(""), None),
        (&[("accept-encoding", "br")], &none, Some("identity")),
    ] {
        let mut request = Request::builder();
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let mut head = request.body(()).unwrap().into_parts().0;
        let view = view_of("http://localhost:8484", account);
        let context = Context::of(&head, view, CarriedFiles::default());
        context.ask_for_coding(&mut head.headers);
        let seen = head.headers.get(ACCEPT_ENCODING);
        assert_eq!(seen.map(|v| v.to_str().unwrap()), asked, "{lines:?}");
    }
}

#[tokio::test]
async fn s2_json_is_rewritten_to_the_base_that_the_client_uses() {
    for media_type in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON ;charset=utf-8",
        "application/vnd.api+json",
    ] {
        let answer = answer(
            200,
            &[
                ("content-type", media_type),
                ("content-length", "137"),
                ("etag", "\"a\""),
            ],
            PAGE,
        );
        let seen = response(answer, &context(&[]));
        assert_eq!(seen.version(), Version::HTTP_11);
        assert!(!seen.headers().contains_key("content-length"));
        assert_eq!(seen.headers()["etag"], "W/\"a\"");
        let length = seen.body().size_hint().exact();
        assert_eq!(length, Some(LOCAL_PAGE.len() as u64), "{media_type}");
        assert_eq!(text(seen).await, LOCAL_PAGE, "{media_type}");
    }
}

#[tokio::test]
async fn s2_what_is_not_eligible_passes_bit_by_bit() {
    let json = ("content-type", "application/json");
    let plain = context(&[]);
    let range = context(&[("range", "bytes=0-")]);
    let off = context(&[("x-loopdesk-rewrite", "Off")]);
    let none = context_of(
        Method::GET,
        &[],
        "http://localhost:8484",
        &account("rewrite = []"),
    );
    let quoted = context_of(Method::GET, &[], "http://a\",\"b", &account(""));
    for (context, status, lines) in [
        (&plain, 200, &[("content-type", "text/html")][..]),
        (&plain, 200, &[("content-type", "application/jsonp")]),
        (&plain, 200, &[]),
        (&plain, 206, &[json]),
        (&plain, 200, &[json, ("content-encoding", "br")]),
        (&range, 200, &[json]),
        (&range, 206, &[json]),
        (&off, 200, &[json]),
        (&none, 200, &[json]),
        (&quoted, 200, &[json]),
    ] {
        let mut answer = answer(status, lines, PAGE);
        for (name, value) in [("content-length", "137"), ("etag", "\"a\"")] {
            answer.headers_mut().insert(name, value.parse().unwrap());
        }
        let seen = response(answer, context);
        assert_eq!(seen.headers()["content-length"], "137");
        assert_eq!(seen.headers()["etag"], "\"a\"");
        assert_eq!(text(seen).await, PAGE, "{context:?} {lines:?}");
    }
}

#[tokio::test]
async fn s2_location_stays_local_whatever_the_body() {
    for lines in [&[][..], &[("x-loopdesk-rewrite", "off")]] {
        let created = answer(
            201,
            &[("location", "https://acme.zendesk.com/api/v2/items/1.json")],
            "",
        );
        let seen = response(created, &context(lines));
        assert_eq!(
            seen.headers()["location"],
            "http://LocalHost:8484/api/v2/items/1.json"
        );
    }
}

#[tokio::test]
async fn s4_errors_pass_with_their_status_and_headers() {
    let limited = answer(
        429,
        &[
            ("content-type", "text/plain"),
            ("retry-after", "30"),
            ("x-rate-limit", "700"),
        ],
        "Rate limit exceeded",
    );
    let seen = response(limited, &context(&[]));
    assert_eq!(seen.status(), 429);
    assert_eq!(seen.headers()["retry-after"], "30");
    assert_eq!(seen.headers()["x-rate-limit"], "700");
    assert_eq!(text(seen).await, "Rate limit exceeded");
}

#[tokio::test]
async fn s3_gzip_is_decoded_to_be_rewritten_and_for_scripts_that_do_not_read_it() {
    let reads = context(&[("accept-encoding", "gzip, br")]);
    let reads_not = context(&[("accept-encoding", "identity")]);
    let off = context(&[("x-loopdesk-rewrite", "off"), ("accept-encoding", "gzip")]);
    let encoded = gzip(PAGE);
    for (context, media_type, body, vary) in [
        (&reads, "application/json", LOCAL_PAGE.as_bytes(), None),
        (
            &reads_not,
            "application/json",
            LOCAL_PAGE.as_bytes(),
            Some("accept-encoding"),
        ),
        (
            &reads_not,
            "text/html",
            PAGE.as_bytes(),
            Some("accept-encoding"),
        ),
        (&reads, "text/html", &encoded, None),
        (&off, "application/json", &encoded, None),
    ] {
        let mut answer = answer(200, &[("content-encoding", "gzip")], &encoded);
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, media_type.parse().unwrap());
        headers.insert("content-length", encoded.len().into());
        let seen = response(answer, context);
        let headers = seen.headers().clone();
        assert_eq!(headers.get("vary").map(|v| v.to_str().unwrap()), vary);
        let changed = body != encoded;
        assert_eq!(headers.contains_key("content-encoding"), !changed);
        assert_eq!(headers.contains_key("content-length"), !changed);
        assert_eq!(text(seen).await, body, "{media_type}");
    }
}

#[tokio::test]
async fn s3_heads_without_a_body_tell_of_what_get_gives() {
    let json = ("content-type", "application/json");
    let head = context_of(Method::HEAD, &[], "http://localhost:8484", &account(""));
    let get = context(&[]);
    for (context, status, lines, tag) in [
        (&head, 200, &[json][..], "W/\"a\""),
        (&head, 200, &[("content-type", "image/png")], "\"a\""),
        (&get, 304, &[], "W/\"a\""),
        (&get, 304, &[("content-type", "image/png")], "\"a\""),
        (&get, 204, &[json], "\"a\""),
    ] {
        let mut answer = answer(status, lines, "");
        answer
            .headers_mut()
            .insert("etag", "\"a\"".parse().unwrap());
        let seen = response(answer, context);
        assert_eq!(seen.headers()["etag"], tag, "{status} {lines:?}");
        assert!(seen.body().is_end_stream());
    }
}

#[test]
fn s3_the_first_byte_is_forwarded_before_the_second_arrives() {
    let (sender, frames) = FrameBody::channel();
    let mut answer = answer(200, &[("content-type", "application/json")], "");
    *answer.body_mut() = Body::adapted(frames);
    let mut body = response(answer, &context(&[])).into_body();
    let mut poll = || Pin::new(&mut body).poll_frame(&mut task::Context::from_waker(Waker::noop()));

    let url = PAGE
        .find("https://acme.zendesk.com/api/v2/tickets.json")
        .unwrap();
    for byte in PAGE.as_bytes()[..url].iter().chain(b"h\"}") {
        assert!(poll().is_pending());
        sender.send(data([*byte])).unwrap();
        match (byte, poll()) {
            // It may be the first byte of a URL of ours.
            (b'h', Poll::Pending) if poll().is_pending() => (),
            (_, Poll::Ready(Some(Ok(frame)))) => {
                assert!(frame.into_data().unwrap().ends_with(&[*byte]));
            }
            (_, other) => panic!("{other:?} instead of {byte}"),
        }
    }
    drop(sender);
    assert!(matches!(poll(), Poll::Ready(None)));
}

#[tokio::test]
async fn s3_trailers_and_errors_follow_what_was_held_back() {
    let start = r#"{"next_page":"https://acme.zendesk"#;
    let seen = |items: Vec<Item>| {
        let mut answer = answer(200, &[("content-type", "application/json")], "");
        *answer.body_mut() = Body::adapted(FrameBody::of(items));
        response(answer, &context(&[("te", "trailers")])).into_body()
    };
    let mut trailers = HeaderMap::new();
    for name in ["x-runtime", "set-cookie", "content-md5"] {
        trailers.insert(name, "1".parse().unwrap());
    }
    let whole = seen(vec![data(start), Ok(Frame::trailers(trailers))]);
    let whole = whole.collect().await.unwrap();
    let names: Vec<_> = whole.trailers().unwrap().keys().cloned().collect();
    assert_eq!(names, ["x-runtime"]);
    assert_eq!(whole.to_bytes(), start);

    let mut lost = seen(vec![data(start), Err("connection lost".into())]);
    let mut text = Vec::new();
    let error = loop {
        match lost.frame().await.unwrap() {
            Ok(frame) => text.extend_from_slice(&frame.into_data().unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.to_string(), "connection lost");
    assert_eq!(Bytes::from(text), start);
}
