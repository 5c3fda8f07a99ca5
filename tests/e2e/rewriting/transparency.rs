//! Everything except the URLs that scripts follow is byte-identical.

use loopdesk_tests::Stage;
use loopdesk_tests::zendesk::{Answer, Fault, Zendesk};

use super::corpus::{Document, documents};
use super::{get, gzip, header};
use crate::{binary, stage};

/// Sends a body through and returns what arrived. `piece` is the size of the upstream's writes.
async fn seen(
    stage: &Stage,
    document: &Document,
    body: Vec<u8>,
    packed: bool,
    piece: usize,
    arguments: &[&str],
) -> (String, Vec<u8>) {
    let body = if packed { gzip(&body) } else { body };
    let mut answer = Answer::new(200)
        .header("content-type", document.media_type)
        .body(body);
    if packed {
        answer = answer.header("content-encoding", "gzip");
    }
    stage.zendesk.clear_faults();
    let fault = Fault::on("GET", "/api/v2/corpus").answer(answer);
    stage.zendesk.fault(fault.chunk(piece));
    get(stage, "/api/v2/corpus", arguments).await
}

#[track_caller]
fn same(seen: &[u8], expected: &str, what: &str) {
    if seen != expected.as_bytes() {
        let at = seen.iter().zip(expected.bytes()).position(|(a, b)| *a != b);
        let at = at.unwrap_or(seen.len().min(expected.len()));
        let around = at.saturating_sub(60)..(at + 60).min(seen.len());
        let around = String::from_utf8_lossy(&seen[around]).into_owned();
        panic!("{what}: differs at byte {at}, near {around:?}");
    }
}

#[tokio::test]
async fn s2_a_corpus_differs_in_the_listed_fields_alone() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let (origin, base) = (stage.zendesk.origin().to_owned(), stage.base());
    let (mut followed, mut theirs) = (0, 0);
    for document in documents() {
        let counts = document.counts();
        followed += counts.0;
        theirs += counts.1;
        for (escaped, document) in [(false, &document), (true, &document.with_escaped_slashes())] {
            let spelled = |url: &str| {
                if escaped {
                    url.replace('/', r"\/")
                } else {
                    url.to_owned()
                }
            };
            let (origin, base) = (spelled(&origin), spelled(&base));
            let sent = document.with(&origin, &origin);
            let expected = document.with(&base, &origin);
            for (packed, piece) in [
                (false, 16 << 10),
                (true, 1 << 20),
                (false, sent.len() / 99 + 1),
            ] {
                let what = format!(
                    "{}, escaped: {escaped}, packed: {packed}, in pieces of {piece}",
                    document.name
                );
                let body = sent.clone().into_bytes();
                let (head, seen) = seen(&stage, document, body, packed, piece, &[]).await;
                same(&seen, &expected, &what);
                assert_eq!(header(&head, "content-encoding"), None, "{what}");
            }
        }
    }
    assert!(
        followed > 800 && theirs > 10_000,
        "{followed} and {theirs} URLs"
    );
}

/// Every byte is at a boundary once.
#[tokio::test]
async fn s2_a_small_body_comes_out_the_same_in_pieces_of_every_size() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let (origin, base) = (stage.zendesk.origin().to_owned(), stage.base());
    let document = documents()
        .into_iter()
        .find(|d| d.name == "cursor page")
        .unwrap();
    let sent = document.with(&origin, &origin);
    let expected = document.with(&base, &origin);
    for piece in [1, 2, 3, 5, 7, 11, 13, 17, 64] {
        for packed in [false, true] {
            let body = sent.clone().into_bytes();
            let (_, seen) = seen(&stage, &document, body, packed, piece, &[]).await;
            same(
                &seen,
                &expected,
                &format!("pieces of {piece}, packed: {packed}"),
            );
        }
    }
}

#[tokio::test]
async fn s2_off_gives_every_byte() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    every_byte(&stage, &["-H", "X-Loopdesk-Rewrite: off"]).await;
}

#[tokio::test]
async fn s2_no_class_gives_every_byte() {
    let stage = Stage::with_config(binary(), Zendesk::builder(), "", "rewrite = []").await;
    let _daemon = stage.logged_in().await;
    every_byte(&stage, &[]).await;
}

/// Plain if the script accepts no coding, compressed if it accepts one.
async fn every_byte(stage: &Stage, arguments: &[&str]) {
    let origin = stage.zendesk.origin().to_owned();
    for document in documents() {
        let sent = document.with(&origin, &origin);
        let body = sent.clone().into_bytes();
        let (head, plain) = seen(stage, &document, body.clone(), false, 1 << 20, arguments).await;
        same(&plain, &sent, document.name);
        assert_eq!(header(&head, "vary"), None);
        let asking = [arguments, &["-H", "Accept-Encoding: gzip"]].concat();
        let (head, packed) = seen(stage, &document, body.clone(), true, 1 << 20, &asking).await;
        assert!(packed == gzip(&body), "{}", document.name);
        assert_eq!(header(&head, "content-encoding"), Some("gzip"));
        let (_, unasked) = seen(stage, &document, body, true, 1 << 20, arguments).await;
        same(&unasked, &sent, document.name);
    }
}

#[tokio::test]
async fn s2_records_stay_local_too_if_the_class_is_on() {
    let classes = "rewrite = [\"records\"]";
    let stage = Stage::with_config(binary(), Zendesk::builder(), "", classes).await;
    let _daemon = stage.logged_in().await;
    let origin = stage.zendesk.origin().to_owned();
    let (_, page) = get(&stage, "/api/v2/tickets.json", &[]).await;
    let page: serde_json::Value = serde_json::from_slice(&page).unwrap();
    let url = page["tickets"][0]["url"].as_str().unwrap();
    assert!(url.starts_with(&stage.base()), "{url}");
    stage.home.run("curl", ["-sSf", url]).await.ok();
    let next = page["next_page"].as_str().unwrap();
    assert!(next.starts_with(&origin), "{next}");
}
