//! P4: a `Content-Length` together with a `Transfer-Encoding`, wherever the bytes are split.

use loopdesk_tests::Raw;
use loopdesk_tests::zendesk::Record;

use super::{Heard, ME, Scene};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const BODY: &str = "2\r\n{}\r\n0\r\n\r\n";

#[tokio::test]
async fn d1_p4_a_length_beside_a_coding_is_refused_and_ends_the_connection() {
    let scene = Scene::set().await;
    let next = scene.request("GET /smuggled", "");
    for headers in [
        format!("Content-Length: 4\r\n{CHUNKED}"),
        format!("{CHUNKED}Content-Length: 4\r\n"),
        format!("Content-Length: 0\r\n{CHUNKED}"),
        format!("{CHUNKED}content-length:{}\r\n", BODY.len()),
        format!("{CHUNKED}CONTENT-LENGTH: 1000\r\n"),
        format!("{CHUNKED}Content-Length: 4\r\nContent-Length: 4\r\n"),
        // An invalid length: once it knows the coding, hyper doesn't look at it.
        format!("{CHUNKED}Content-Length:\r\n"),
        format!("{CHUNKED}Content-Length: x\r\n"),
        format!("{CHUNKED}Content-Length: 4, 5\r\n"),
        format!("Content-Length: 4\r\n{CHUNKED}Content-Length: 5\r\n"),
        format!("X: 1\r\n{CHUNKED}X: Content\r\nContent-Length: 4\r\nX: 2\r\n"),
    ] {
        for line_end in ["\r\n", "\n"] {
            let post = scene.request("POST /api/v2/tickets.json", &headers);
            let attack = post.replace("\r\n", line_end) + BODY + &next;
            let heard = scene.hears(attack).await;
            scene.refused(&heard, 400, "bad-request", &headers);
            assert!(heard.0.contains("both a `Content-Length`"), "{heard:?}");
            assert!(heard.0.contains("connection: close"), "{heard:?}");
        }
    }
    // Folded, or with a blank before its colon, no parser takes it for a header.
    for odd in [
        "Content-Length :",
        " Content-Length:",
        "X:\r\n Content-Length:",
    ] {
        let heard = scene
            .hears(scene.post(&format!("{CHUNKED}{odd} 4\r\n"), BODY))
            .await;
        assert_eq!(heard.statuses(), [400], "{odd:?}: {heard:?}");
    }
    scene.nothing_arrived().await;
}

/// Each split of an attack that follows valid requests on its connection.
#[tokio::test]
async fn d1_p4_no_cut_and_no_request_before_it_hides_a_length_beside_a_coding() {
    let scene = Scene::set().await;
    let body = "{}\r\n\r\nContent-Length: 4\r\n\n\n";
    let known = scene.post(&format!("Content-Length: {}\r\n", body.len()), body);
    let coded = scene.post(
        CHUNKED,
        "12\r\n{}\r\n\r\n\r\nabcdefghij\r\n0\r\nX: y\r\n\r\n",
    );
    let attacks = [
        scene.post(&format!("{CHUNKED}Content-Length: 4\r\n"), BODY),
        scene.post(&format!("Content-Length: 4\r\n{CHUNKED}"), BODY),
    ];
    for before in [&scene.request(&format!("GET {ME}"), ""), &known, &coded] {
        for attack in &attacks {
            // Both at once, then each split.
            let whole = [before.as_str(), attack].concat();
            let mut cuts: Vec<_> = (before.len()..whole.len()).collect();
            cuts.push(0);
            for cut in cuts {
                let (first, second) = whole.split_at(cut);
                let mut attacker = Raw::connect(scene.port()).await;
                attacker.send(first).await;
                if cut > 0 {
                    let honest = attacker.answer().await;
                    assert_eq!(honest.head.get("x-loopdesk-error"), None, "{honest:?}");
                }
                // It may be refused before its last byte.
                drop(attacker.try_send(second).await);
                drop(attacker.try_shut_down().await);
                let heard = Heard(String::from_utf8_lossy(&attacker.all().await).into_owned());
                let what = format!("{cut} of {whole:?}");
                let refused = "x-loopdesk-error: bad-request";
                assert_eq!(heard.0.matches(refused).count(), 1, "{what}: {heard:?}");
                assert_eq!(heard.statuses().last(), Some(&400), "{what}: {heard:?}");
                scene.one_clean(&what);
            }
        }
    }
    scene.nothing_arrived().await;
}

/// Lookalikes: names that begin or end alike, and bodies that contain such lines.
#[tokio::test]
async fn s1_p4_bodies_and_headers_that_speak_of_a_length_are_no_attack() {
    let scene = Scene::set().await;
    let mail = "From: a\r\nContent-Length: 4\r\n\r\nabcd\n\nContent-Length: 4\n\r\n";
    let chunk = format!("{:x}\r\n{mail}\r\n", mail.len());
    let body = format!("{chunk}{chunk}0\r\n\r\n");
    let headers = format!("X-Content-Length: 4\r\nContent-Lengths: 4\r\n{CHUNKED}");
    let coded = scene.post(&headers, &body);
    let known = scene.post(&format!("Content-Length: {}\r\n", mail.len()), mail);
    let last = scene.request(&format!("GET {ME}"), "Connection: close\r\n");
    let pipeline = [&coded, &known, &coded, &coded, &known, &last].map(String::as_str);
    let whole = pipeline.concat();
    for size in [whole.len(), 1000, 100, 17, 1] {
        let mut script = Raw::connect(scene.port()).await;
        for piece in whole.as_bytes().chunks(size) {
            script.send(piece).await;
        }
        let heard = Heard(String::from_utf8_lossy(&script.all().await).into_owned());
        assert_eq!(heard.statuses().len(), pipeline.len(), "{size}: {heard:?}");
        let seen = scene.stage.zendesk.requests();
        let bodies: Vec<_> = seen.iter().map(|record| &record.body[..]).collect();
        let (once, twice) = (mail.as_bytes(), mail.repeat(2));
        let twice = twice.as_bytes();
        assert_eq!(bodies, [twice, once, twice, twice, once, b""], "{size}");
        let targets: Vec<_> = seen.iter().map(Record::target).collect();
        assert_eq!(targets.last().map(String::as_str), Some(ME), "{size}");
        scene.stage.zendesk.clear();
    }
}
