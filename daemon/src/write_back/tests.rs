use http::Request;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::body::Budget;
use crate::body::frames::{FrameBody, data};
use crate::samples;

/// `acme` is the default; `beta` has a port of its own.
fn config() -> Config {
    let mut beta = samples::account("beta", "https://beta.zendesk.com");
    beta.port = Some(8490);
    samples::config(vec![
        samples::account("acme", "https://acme.zendesk.com"),
        beta,
    ])
}

const OWN: &str = "http://LocalHost.:8484";

fn mapping(percent: bool) -> Mapping {
    let config = config();
    let acme = &config.accounts[&"acme".parse().unwrap()];
    let known = Arc::new(KnownBases::of(&config));
    Mapping::new(Bases::new(known, OWN, &acme.api_origin), percent)
}

/// Maps a text in one piece, and checks that smaller pieces give the same.
#[track_caller]
fn mapped_back(percent: bool, text: &str) -> String {
    let whole = in_pieces(percent, [text.as_bytes()]);
    for size in 1..4 {
        let cut = in_pieces(percent, text.as_bytes().chunks(size));
        assert_eq!(cut, whole, "in pieces of {size}");
    }
    whole
}

fn in_pieces<'a>(percent: bool, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut mapping = mapping(percent);
    let mut all = Vec::new();
    for piece in pieces {
        all.extend_from_slice(&mapping.push(&Bytes::copy_from_slice(piece)));
    }
    all.extend_from_slice(&mapping.finish());
    String::from_utf8(all).unwrap()
}

#[test]
fn s2_every_base_leads_to_its_own_account() {
    for (base, origin) in [
        ("http://localhost:8484", "acme"),
        ("http://127.0.0.1:8484", "acme"),
        ("http://[::1]:8484", "acme"),
        ("http://acme.localhost:8484", "acme"),
        ("http://localhost.:8484", "acme"),
        ("HTTP://LOCALHOST:8484", "acme"),
        ("http://beta.localhost:8484", "beta"),
        ("http://localhost:8490", "beta"),
        ("http://[::1]:8490", "beta"),
        ("http://acme.localhost:8490", "beta"),
    ] {
        for path in [
            "/api/",
            "/attachments/token/x/?name=a%20b.png",
            "/hc/article_attachments/1/logo.jpg",
        ] {
            let text = format!(r#"{{"a":"<img src=\"{base}{path}\">"}}"#);
            let expected = format!(r#"{{"a":"<img src=\"https://{origin}.zendesk.com{path}\">"}}"#);
            assert_eq!(mapped_back(false, &text), expected);
            assert_eq!(mapped_back(true, &text), expected);
        }
    }
}

#[test]
fn s2_a_url_keeps_its_spelling() {
    for (text, expected) in [
        (
            r"http:\/\/localhost:8484\/attachments\/1",
            r"https:\/\/acme.zendesk.com\/attachments\/1",
        ),
        (
            r"http:\\/\\/localhost:8484\\/api\\/v2",
            r"https:\\/\\/acme.zendesk.com\\/api\\/v2",
        ),
        (
            r"http:\\\/\\\/localhost:8484\\\/api\\\/v2",
            r"https:\\\/\\\/acme.zendesk.com\\\/api\\\/v2",
        ),
        (
            r"http:\/\/localhost:8484/api/",
            r"https:\/\/acme.zendesk.com/api/",
        ),
    ] {
        assert_eq!(mapped_back(false, text), expected);
        assert_eq!(mapped_back(true, text), expected);
    }
    for (text, expected) in [
        (
            "a=http%3A%2F%2Flocalhost%3A8484%2Fapi%2Fv2&b",
            "a=https%3A%2F%2Facme.zendesk.com%2Fapi%2Fv2&b",
        ),
        (
            "a=http%3a%2f%2f%5b%3A%3A1%5d%3a8484%2fattachments%2f",
            "a=https%3a%2f%2facme.zendesk.com%2fattachments%2f",
        ),
        (
            "a=http://127%2E0.0.1:8484/api/&b=%&c=http%3",
            "a=https://acme.zendesk.com/api/&b=%&c=http%3",
        ),
    ] {
        assert_eq!(mapped_back(true, text), expected);
        assert_eq!(
            mapped_back(false, text) == text,
            text.contains("%3A8484") || text.contains("%3a8484") || text.contains("%2E"),
            "percent signs mean nothing in JSON: {text}"
        );
    }
}

#[test]
fn s2_only_local_urls_that_are_served_are_mapped() {
    for text in [
        "http://localhost:8484",
        "http://localhost:8484/",
        "http://localhost:8484/api",
        "http://localhost:8484/apis/",
        "http://localhost:8484/hc/en-us",
        "http://localhost:8485/api/",
        "http://localhost/api/",
        "http://localhost:84840/api/",
        "http://localhost:8484.example.com/api/",
        "http://evil@localhost:8484/api/",
        "http://gamma.localhost:8484/api/",
        "https://localhost:8484/api/",
        "http:/localhost:8484/api/",
        "//localhost:8484/api/",
        "http://localhost:8484 /api/",
        r"http:\\\\/\\\\/localhost:8484/api/",
        r"http:\u002f\u002flocalhost:8484/api/",
        "https://acme.zendesk.com/api/v2",
        "",
        "h",
        "http://local",
    ] {
        assert_eq!(mapped_back(false, text), text);
        assert_eq!(mapped_back(true, text), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s2_equals_a_search_for_every_spelling(
        pieces in vec(select(PIECES.to_vec()), 0..12),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let text = pieces.concat();
        let mut expected = text.clone();
        for spelling in 0..32 {
            let [a, b, c, d, e] =
                [1, 2, 4, 8, 16].map(|bit| if spelling & bit == 0 { "/" } else { r"\/" });
            let of_articles = format!("hc{e}article_attachments");
            for host in ["localhost:8484", "[::1]:8484"] {
                for path in ["api", "attachments", &of_articles] {
                    let ours = format!("http:{a}{b}{host}{c}{path}{d}");
                    let theirs = format!("https:{b}{b}acme.zendesk.com{c}{path}{d}");
                    expected = expected.replace(&ours, &theirs);
                }
            }
        }
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        ends.push(text.len());
        ends.sort_unstable();
        let mut start = 0;
        let cut: Vec<&[u8]> = ends
            .into_iter()
            .map(|end| &text.as_bytes()[std::mem::replace(&mut start, end)..end])
            .collect();
        prop_assert_eq!(in_pieces(false, cut), expected.clone());
        prop_assert_eq!(in_pieces(false, text.as_bytes().chunks(1)), expected.clone());
        prop_assert_eq!(in_pieces(false, [expected.as_bytes()]), expected, "idempotent");
    }
}

/// Beginnings, middles and ends, complete URLs among them.
const PIECES: [&str; 17] = [
    "h",
    "http:",
    "//",
    r"\/\/",
    "http://localhost",
    ":8484",
    "[::1]:8484",
    "/api/",
    r"\/api\/",
    "/attachments/",
    "/hc",
    "/article_attachments/",
    r"\/hc\/article_attachments\/",
    "http://localhost:8484/api/v2/users",
    r#"<img src=\"http:\/\/[::1]:8484\/attachments\/token\/x\/?name=a.png\">"#,
    "https://acme.zendesk.com/api/",
    "\u{e9}\\\"",
];

const LINK: &str = r#"{"a":"http://localhost:8484/api/v2"}"#;
const THEIRS: &str = r#"{"a":"https://acme.zendesk.com/api/v2"}"#;

/// The text and headers that come out of a request.
async fn sent(
    lines: &[(&'static str, &'static str)],
    body: Body,
    account: &str,
) -> (Bytes, HeaderMap) {
    let mut config = config();
    if account == "rewrite = []" {
        for account in config.accounts.values_mut() {
            Arc::make_mut(account).rewrite.clear();
        }
    }
    let mut request = Request::builder().method("POST");
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    let mut head = request.body(()).unwrap().into_parts().0;
    let acme = &config.accounts[&"acme".parse().unwrap()];
    let base = "http://localhost:8484";
    let body = WriteBack::new(&config)
        .request(
            &mut head,
            body,
            base,
            acme,
            CarriedFiles::default(),
            &mut BudgetShare::of(Budget::of(false)),
        )
        .await
        .unwrap();
    let length = body.size_hint().exact();
    let body = body.collect().await.unwrap().to_bytes();
    if let (Some(length), Some(said)) = (length, head.headers.get(CONTENT_LENGTH)) {
        assert_eq!(said.to_str().unwrap(), length.to_string());
        assert_eq!(length, body.len() as u64);
    }
    (body, head.headers)
}

fn streamed(text: &'static str) -> Body {
    let frames = FrameBody::cut(text.as_bytes(), 5);
    Body::adapted(frames)
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn s2_the_head_of_a_mapped_body_is_true() {
    let lines = [
        JSON,
        ("content-length", "36"),
        ("content-md5", "x"),
        ("content-digest", "x"),
    ];
    let (body, headers) = sent(&lines, Body::full(LINK), "").await;
    assert_eq!(body, THEIRS);
    assert_eq!(headers[CONTENT_LENGTH], THEIRS.len().to_string());
    assert!(!headers.contains_key("content-md5") && !headers.contains_key("content-digest"));

    let lines = [JSON, ("content-length", "2"), ("content-md5", "x")];
    let (body, headers) = sent(&lines, Body::full("{}"), "").await;
    assert_eq!(body, "{}");
    assert_eq!(headers["content-md5"], "x", "nothing has changed");

    let lines = [JSON, ("content-md5", "x")];
    let (body, headers) = sent(&lines, streamed(LINK), "").await;
    assert_eq!(body, THEIRS);
    assert!(!headers.contains_key("content-md5"));
    assert!(!headers.contains_key(CONTENT_LENGTH));
}

#[tokio::test]
async fn s2_what_is_no_text_or_not_wanted_passes() {
    for lines in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "multipart/form-data; boundary=x")],
        &[JSON, ("content-encoding", "gzip")],
        &[JSON, ("x-loopdesk-rewrite", "off")],
    ] {
        let (body, _) = sent(lines, Body::full(LINK), "").await;
        assert_eq!(body, LINK, "{lines:?}");
        let (body, _) = sent(lines, streamed(LINK), "").await;
        assert_eq!(body, LINK, "{lines:?}");
    }
    let (body, _) = sent(&[JSON], Body::full(LINK), "rewrite = []").await;
    assert_eq!(body, LINK);
}

#[tokio::test]
async fn s2_the_cap_is_that_of_replays() {
    for (length, mapped) in [(REQUEST_MAX, true), (REQUEST_MAX + 1, false)] {
        let text = format!("{LINK}{}", " ".repeat(length - LINK.len()));
        let (body, _) = sent(&[JSON], Body::full(text.clone()), "").await;
        assert_eq!(body.starts_with(THEIRS.as_bytes()), mapped, "{length}");
        assert_eq!(body == text, !mapped);
    }
}

#[tokio::test]
async fn s3_a_body_of_unknown_length_streams() {
    let (sender, frames) = FrameBody::channel();
    let config = config();
    let acme = &config.accounts[&"acme".parse().unwrap()];
    let request = Request::builder().header(CONTENT_TYPE, "application/json");
    let mut head = request.body(()).unwrap().into_parts().0;
    let body = WriteBack::new(&config)
        .request(
            &mut head,
            Body::adapted(frames),
            "http://localhost:8484",
            acme,
            CarriedFiles::default(),
            &mut BudgetShare::of(Budget::of(false)),
        )
        .await;
    let mut body = body.unwrap();
    for piece in ["{", "\"a\":\"", "b"] {
        sender.send(data(piece)).unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
}

#[tokio::test]
async fn s2_a_body_that_breaks_off_is_not_sent() {
    let frames = [data("{\"a"), Err("connection lost".into())];
    let whole = body::whole(Body::adapted(FrameBody::of(frames)), 9).await;
    let refusal = ErrorResponse::of_body(&whole.unwrap_err().error);
    assert_eq!(refusal.status(), 400);
    assert!(
        refusal.description().contains("connection lost"),
        "{refusal:?}"
    );
}
