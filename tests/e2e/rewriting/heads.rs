//! Heads: what they say about a body remains true, and the addresses in them are local.

use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::Answer;

use super::{answers, get, header};
use crate::stage;

#[tokio::test]
async fn s3_head_says_what_get_says() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    for arguments in [
        &[][..],
        &["--compressed"],
        &["-H", "X-Loopdesk-Rewrite: off"],
    ] {
        let path = "/api/v2/tickets.json?per_page=2";
        let (get_head, _) = get(&stage, path, arguments).await;
        let (head, body) = get(&stage, path, &[&["-I"][..], arguments].concat()).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        // With -I, curl writes the head in place of the body.
        assert!(
            body.is_empty() || body.starts_with(b"HTTP"),
            "{arguments:?}"
        );
        for name in ["etag", "content-type", "vary", "content-encoding"] {
            assert_eq!(
                header(&head, name),
                header(&get_head, name),
                "{name} {arguments:?}"
            );
        }
        if arguments != ["-H", "X-Loopdesk-Rewrite: off"] {
            assert_eq!(
                header(&head, "content-length"),
                None,
                "the local one differs"
            );
        }
    }
}

#[tokio::test]
async fn s3_a_tag_that_was_handed_out_is_known_again() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let path = "/api/v2/tickets.json?per_page=2";
    let (head, _) = get(&stage, path, &[]).await;
    let tag = header(&head, "etag").unwrap().replace("w/", "W/");
    let condition = format!("If-None-Match: {tag}");
    let (head, body) = get(&stage, path, &["-H", &condition]).await;
    assert!(head.starts_with("http/1.1 304"), "{head}");
    assert!(body.is_empty());
    assert_eq!(header(&head, "etag").unwrap(), tag.to_ascii_lowercase());
    assert_eq!(header(&head, "content-length"), None);
}

#[tokio::test]
async fn s3_strong_tags_and_digests_go_where_bytes_change_and_stay_where_not() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let told = [
        "content-digest",
        "repr-digest",
        "digest",
        "content-md5",
        "accept-ranges",
    ];
    let page = format!("{{\"next_page\":\"{}/api/v2/x\"}}", stage.zendesk.origin());
    let mut answer = Answer::new(200)
        .header("content-type", "application/json")
        .header("etag", "\"strong\"")
        .body(page.clone());
    for name in told {
        answer = answer.header(name, "bytes");
    }
    answers(&stage, "/api/v2/x", answer);

    let (head, body) = get(&stage, "/api/v2/x", &[]).await;
    assert!(
        told.iter().all(|name| header(&head, name).is_none()),
        "{head}"
    );
    assert_eq!(header(&head, "etag"), Some("w/\"strong\""));
    let length = body.len().to_string();
    assert!(header(&head, "content-length").is_none_or(|stated| stated == length));
    // An answer that has arrived whole before its head is sent has the length of the changed body. Not
    // every one has on a busy machine.
    eventually("an answer has a length", async || {
        let (head, _) = get(&stage, "/api/v2/x", &[]).await;
        header(&head, "content-length") == Some(length.as_str())
    })
    .await;
    assert_eq!(
        body,
        page.replace(stage.zendesk.origin(), &stage.base())
            .as_bytes()
    );

    for untouched in [&["-H", "X-Loopdesk-Rewrite: off"][..], &["-r", "0-"]] {
        let (head, body) = get(&stage, "/api/v2/x", untouched).await;
        assert!(
            told.iter().all(|name| header(&head, name) == Some("bytes")),
            "{head}"
        );
        assert_eq!(header(&head, "etag"), Some("\"strong\""));
        assert_eq!(
            header(&head, "content-length"),
            Some(page.len().to_string().as_str())
        );
        assert_eq!(body, page.as_bytes());
    }
}

#[tokio::test]
async fn s3_parts_and_empty_answers_are_never_touched() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let part = format!("next_page\":\"{}/api/v2/x\"}}", stage.zendesk.origin());
    let range = format!("bytes 2-{}/99", part.len() + 1);
    let answer = Answer::new(206)
        .header("content-type", "application/json")
        .header("content-range", &range)
        .header("etag", "\"strong\"")
        .body(part.clone());
    answers(&stage, "/api/v2/x", answer);
    for arguments in [&["-r", "2-"][..], &[]] {
        let (head, body) = get(&stage, "/api/v2/x", arguments).await;
        assert!(head.starts_with("http/1.1 206"), "{head}");
        assert_eq!(header(&head, "content-range"), Some(range.as_str()));
        assert_eq!(header(&head, "etag"), Some("\"strong\""));
        assert_eq!(
            header(&head, "content-length"),
            Some(part.len().to_string().as_str())
        );
        assert_eq!(body, part.as_bytes());
    }
    answers(
        &stage,
        "/api/v2/x",
        Answer::new(204).header("etag", "\"strong\""),
    );
    let (head, body) = get(&stage, "/api/v2/x", &[]).await;
    assert!(head.starts_with("http/1.1 204"), "{head}");
    assert_eq!(header(&head, "etag"), Some("\"strong\""));
    assert_eq!(header(&head, "content-length"), None);
    assert_eq!(header(&head, "transfer-encoding"), None);
    assert!(body.is_empty());

    let empty = Answer::new(200).header("content-type", "application/json");
    answers(&stage, "/api/v2/x", empty);
    let (head, body) = get(&stage, "/api/v2/x", &[]).await;
    assert_eq!(header(&head, "content-length"), Some("0"), "{head}");
    assert!(body.is_empty());
}

#[tokio::test]
async fn s2_locations_stay_local() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let origin = stage.zendesk.origin().to_owned();
    let base = stage.base();
    for (theirs, ours) in [
        (
            format!("{origin}/api/v2/x/1.json?a=%5B"),
            format!("{base}/api/v2/x/1.json?a=%5b"),
        ),
        (
            origin.replace("https:", "") + "/api/v2/x",
            format!("{base}/api/v2/x"),
        ),
        (
            "/api/v2/users/1.json".to_owned(),
            "/api/v2/users/1.json".to_owned(),
        ),
        ("1.json".to_owned(), "1.json".to_owned()),
        (
            "https://p27.zdusercontent.com/a".to_owned(),
            "https://p27.zdusercontent.com/a".to_owned(),
        ),
    ] {
        for (status, arguments) in [(201, &[][..]), (302, &["-H", "X-Loopdesk-Rewrite: off"])] {
            let answer = Answer::new(status)
                .header("location", &theirs)
                .header("content-location", &theirs);
            answers(&stage, "/api/v2/x", answer);
            let (head, _) = get(&stage, "/api/v2/x", arguments).await;
            assert_eq!(header(&head, "location"), Some(ours.as_str()), "{head}");
            assert_eq!(
                header(&head, "content-location"),
                Some(ours.as_str()),
                "{head}"
            );
        }
    }
}
