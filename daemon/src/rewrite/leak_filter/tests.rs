use std::convert::Infallible;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use proptest::prelude::*;

use super::mask::MaskFilter;
use super::secrets::{BEGUN, MASK};
use super::*;

const TOKEN: &str = "eyJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOjF9/a+b.c2lnbmF0dXJl-_x9Qz";

fn secrets() -> TokenPatterns {
    TokenPatterns::new([TOKEN, "0123456789abcdef0123456789abcdef"])
}

/// Not a crate's stream, since the tests need no more than this.
struct Pieces(std::collections::VecDeque<Frame<Bytes>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

fn pieces(text: &[u8], size: usize) -> Pieces {
    let chunks = text.chunks(size).map(Bytes::copy_from_slice);
    Pieces(chunks.map(Frame::data).collect())
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

async fn passed(body: Pieces, coding: &'static str) -> Result<Vec<u8>, String> {
    let mut answer = Response::new(Body::adapted(body));
    let coding = HeaderValue::from_static(coding);
    answer.headers_mut().insert(CONTENT_ENCODING, coding);
    answer.extensions_mut().insert(secrets());
    let mut body = response(answer).into_body();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => whole.extend_from_slice(&frame.into_data().unwrap()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(whole)
}

/// Every form in which the token could still be used.
fn forms() -> Vec<String> {
    let mut forms = vec![
        TOKEN.to_owned(),
        TOKEN.replace('/', "\\/"),
        url::form_urlencoded::byte_serialize(TOKEN.as_bytes()).collect(),
    ];
    for before in ["", "a", "me:"] {
        forms.push(STANDARD.encode(format!("{before}{TOKEN}")));
        forms.push(URL_SAFE_NO_PAD.encode(format!("{before}{TOKEN}?")));
    }
    forms
}

#[tokio::test]
async fn d4_p13_no_form_of_a_token_is_in_a_body_whatever_the_borders_of_its_frames() {
    for form in forms() {
        let text = format!("{{\"headers\":\"Bearer {form}\"}} and {form}!");
        for size in [1, 2, 7, 16, 61, 10_000] {
            let shown = passed(pieces(text.as_bytes(), size), "identity").await;
            let shown = String::from_utf8(shown.unwrap()).unwrap();
            assert_eq!(shown.len(), text.len(), "Content-Length stays true");
            assert!(
                shown.contains("********") && shown.ends_with('!'),
                "{shown}"
            );
            // The characters at either end of base64 may also encode bits of their neighbours.
            let inner = &form[4..form.len() - 4];
            assert!(!shown.contains(inner), "{size}: {shown}");
        }
    }
}

#[tokio::test]
async fn d4_p13_a_compressed_body_is_cut_before_the_token_is_whole() {
    let filler = "x".repeat(100_000);
    for form in forms() {
        let text = format!("{filler}{form}{filler}");
        for size in [1, 100, 100_000] {
            let cut = passed(pieces(&gzip(text.as_bytes()), size), "gzip").await;
            assert_eq!(
                cut.unwrap_err(),
                "the answer repeats a live token",
                "{form}"
            );
        }
    }
    let harmless = gzip(filler.as_bytes());
    let passed = passed(pieces(&harmless, 100), "gzip").await.unwrap();
    assert_eq!(passed, harmless);
}

#[tokio::test]
async fn s4_the_trailers_behind_what_waited_of_a_compressed_body_are_passed_on() {
    // The body ends like the beginning of a token: the last frames wait for more until the trailers
    // come.
    let text = format!("{}{}", "x".repeat(1000), &TOKEN[..BEGUN + 2]);
    let encoded = gzip(text.as_bytes());
    for size in [1, 7, 10_000] {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("abc"));
        trailers.insert("x-echo", HeaderValue::from_static(TOKEN));
        let mut body = pieces(&encoded, size);
        body.0.push_back(Frame::trailers(trailers));
        let mut answer = Response::new(Body::adapted(body));
        let coding = HeaderValue::from_static("gzip");
        answer.headers_mut().insert(CONTENT_ENCODING, coding);
        answer.extensions_mut().insert(secrets());
        let mut body = response(answer).into_body();
        let (mut data, mut last) = (Vec::new(), None);
        // As hyper reads: not beyond the point where a body reports its end.
        while !body.is_end_stream() {
            match body.frame().await.map(|frame| frame.unwrap().into_data()) {
                Some(Ok(piece)) => data.extend_from_slice(&piece),
                Some(Err(frame)) => last = frame.into_trailers().ok(),
                None => break,
            }
        }
        assert_eq!(data, encoded, "{size}");
        let last = last.unwrap_or_else(|| panic!("{size}: no trailers"));
        assert_eq!(last["x-checksum"], "abc");
        assert_eq!(last["x-echo"], "*".repeat(TOKEN.len()));
    }
}

#[tokio::test]
async fn s3_a_compressed_body_that_nobody_can_read_passes_as_it_is() {
    let text = b"\x1f\x8bnot gzip at all, and not longer";
    assert_eq!(passed(pieces(text, 5), "gzip").await.unwrap(), text);
}

#[tokio::test]
async fn d4_p13_header_values_reason_and_trailers_are_masked() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-echo", HeaderValue::from_static(TOKEN));
    let mut body = pieces(b"body", 2);
    body.0.push_back(Frame::trailers(trailers));
    let mut answer = Response::new(Body::adapted(body));
    let value = HeaderValue::from_str(&format!("https://x.example/?token={TOKEN}&a=1")).unwrap();
    answer.headers_mut().insert("location", value);
    answer
        .headers_mut()
        .insert("etag", HeaderValue::from_static("\"kept\""));
    let phrase = ReasonPhrase::try_from(TOKEN.as_bytes()).unwrap();
    answer.extensions_mut().insert(phrase);
    answer.extensions_mut().insert(secrets());
    let (head, body) = response(answer).into_parts();
    let masked = format!("https://x.example/?token={}&a=1", "*".repeat(TOKEN.len()));
    assert_eq!(head.headers["location"], masked);
    assert_eq!(head.headers["etag"], "\"kept\"");
    assert!(head.extensions.get::<ReasonPhrase>().is_none());
    let whole = body.collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["x-echo"], "*".repeat(TOKEN.len()));
    assert_eq!(whole.to_bytes(), "body");
}

#[test]
fn s3_only_what_a_token_has_begun_with_waits() {
    let mut masker = MaskFilter::new(secrets());
    let mut push = |text: &str| masker.push(Bytes::copy_from_slice(text.as_bytes()));
    assert_eq!(push("nothing here!"), "nothing here!");
    assert_eq!(push("x eyJ0"), "x eyJ0", "too little of one");
    assert_eq!(push("eXA"), "eXA");
    assert_eq!(push("iO"), "", "enough");
    assert_eq!(push("no"), "iOno");
    // What has been passed on already can't be masked, but the rest of the token is.
    let rest = format!("{} after", &TOKEN[1..]);
    assert_eq!(push("x e"), "x e");
    let mask = "*".repeat(TOKEN.len() - 1);
    assert_eq!(push(&rest), format!("{mask} after"));
    assert_eq!(push("0123"), "0123");
    assert_eq!(push("45678"), "");
    assert_eq!(masker.finish(), "45678");
}

#[test]
fn s2_what_is_too_short_for_a_token_is_not_looked_for() {
    assert!(TokenPatterns::new(["acme", "fifteen letters"]).is_empty());
    assert!(TokenPatterns::new([]).is_empty());
    let both = TokenPatterns::new([TOKEN]).and(&TokenPatterns::new(["sixteen letters!"]));
    assert!(both.are_in(TOKEN.as_bytes()) && both.are_in(b"(sixteen letters!)"));
    assert_eq!(format!("{both:?}"), "TokenPatterns(..)");
}

proptest! {
    #[test]
    fn d4_p13_any_text_in_any_pieces_differs_by_its_masks_only(
        parts in prop::collection::vec(
            prop_oneof!["[ -~]{0,20}", "[a-f0-9]{0,31}", Just(TOKEN.to_owned()),
                (0..TOKEN.len()).prop_map(|n| TOKEN[..n].to_owned()),
                (0..TOKEN.len()).prop_map(|n| TOKEN[n..].to_owned())], 0..8),
        sizes in prop::collection::vec(1..40_usize, 1..40),
    ) {
        let text = parts.concat();
        let mut masker = MaskFilter::new(secrets());
        let mut shown = Vec::new();
        let mut rest = text.as_bytes();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            shown.extend_from_slice(&masker.push(Bytes::copy_from_slice(piece)));
            rest = after;
        }
        shown.extend_from_slice(&masker.finish());
        prop_assert_eq!(shown.len(), text.len());
        prop_assert!(!secrets().are_in(&shown));
        let mut expected = text.clone().into_bytes();
        for place in secrets().find(text.as_bytes()) {
            // The first few may be sent before it is known what they begin.
            let certain = place.start + BEGUN - 1;
            prop_assert!(shown[certain..place.end].iter().all(|b| *b == MASK));
            expected[place.clone()].copy_from_slice(&shown[place]);
        }
        prop_assert_eq!(shown, expected);
    }
}
