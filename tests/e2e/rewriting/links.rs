//! Links other than a list's next page: header fields, pages within a page, files of articles,
//! recordings.

use std::collections::BTreeSet;

use loopdesk_tests::zendesk::Answer;
use serde_json::Value;

use super::{answers, get, header};
use crate::stage;

/// The addresses in the `Link` lines of a head, with their relations.
fn links(head: &str) -> Vec<(String, String)> {
    let lines = head.lines().filter_map(|line| line.strip_prefix("link: "));
    let links = lines.flat_map(|line| line.split(", <"));
    links
        .filter_map(|link| {
            let (address, rel) = link.trim_start_matches('<').split_once(">; rel=\"")?;
            Some((address.to_owned(), rel.trim_end_matches('"').to_owned()))
        })
        .collect()
}

#[tokio::test]
async fn s2_the_help_center_can_be_paged_by_its_header() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let mut next = Some("/api/v2/help_center/articles.json?page[size]=15".to_owned());
    let mut seen = BTreeSet::new();
    while let Some(path) = next {
        let (head, body) = get(&stage, &path, &[]).await;
        let page: Value = serde_json::from_slice(&body).unwrap();
        let articles = page["articles"].as_array().unwrap().iter();
        seen.extend(articles.filter_map(|article| article["id"].as_u64()));
        let all = links(&head);
        for (address, _) in &all {
            assert!(address.starts_with(&stage.base()), "{head}");
        }
        next = all
            .into_iter()
            .find(|(_, rel)| rel == "next")
            // The head was lowercased, and cursors are case-sensitive.
            .map(|_| page["links"]["next"].as_str().unwrap().to_owned())
            .map(|url| url.strip_prefix(&stage.base()).unwrap().to_owned());
    }
    assert_eq!(seen, stage.zendesk.articles());
}

#[tokio::test]
async fn s2_pages_within_a_page_can_be_followed() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let path = "/api/v2/agent_availabilities.json?page[after]=Y3Vyc29yOjM";
    let (head, body) = get(&stage, path, &[]).await;
    assert_eq!(links(&head).len(), 2, "a line each: {head}");
    let page: Value = serde_json::from_slice(&body).unwrap();
    let next = &page["included"][0]["relationships"]["work_items"]["links"]["next"];
    let next = next.as_str().unwrap();
    assert!(next.starts_with(&stage.base()), "{next}");
    let path = next.strip_prefix(&stage.base()).unwrap();
    let (head, body) = get(&stage, path, &[]).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let items: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(items["data"][0]["type"], "work_items", "{items}");
    let itself = page["data"][0]["links"]["self"].as_str().unwrap();
    assert!(
        itself.starts_with(stage.zendesk.origin()),
        "a record's own address: {itself}"
    );
}

#[tokio::test]
async fn s2_files_of_articles_and_recordings_come_through() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let (_, comments) = stage.get_json("/api/v2/tickets/4/comments.json").await;
    let call = comments["comments"][2]["data"]["recording_url"].clone();
    let article = stage.zendesk.articles().into_iter().next().unwrap();
    let path = format!("/api/v2/help_center/articles/{article}/attachments.json");
    let (_, files) = stage.get_json(&path).await;
    let file = files["article_attachments"][0]["content_url"].clone();
    for (url, expected) in [
        (call, stage.zendesk.recording_of_ticket(4)),
        (file, stage.zendesk.file_of_an_article()),
    ] {
        let url = url.as_str().unwrap();
        let path = url.strip_prefix(&stage.base()).expect("a local address");
        let ca = stage.zendesk.ca_file().display().to_string();
        let (head, body) = get(&stage, path, &["-L", "--cacert", &ca]).await;
        assert!(head.contains("200"), "{head}");
        assert!(body == expected, "{url}: {} bytes", body.len());
    }
}

#[tokio::test]
async fn s2_link_keeps_every_byte_but_the_origins_of_what_is_followed() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let theirs = stage.zendesk.origin().to_owned();
    let first = "<@/api/v2/a?page[after]=x%5b>; rel=\"next\"; title=\"a, <b>\" ,<#/agent/>;rel=x";
    let second = "<https://example.com/api/v2/>; anchor=\"#/api/v2/\", <@/api/v2/b>; rel=prev";
    let spelled = |line: &str, origin: &str| line.replace('@', origin).replace('#', &theirs);
    let answer = Answer::new(200)
        .header("link", &spelled(first, &theirs))
        .header("link", &spelled(second, &theirs))
        .header("location", &format!("{theirs}/hc/en-us/articles/1"));
    answers(&stage, "/api/v2/x", answer);
    for arguments in [&[][..], &["-H", "X-Loopdesk-Rewrite: off"]] {
        let (head, _) = get(&stage, "/api/v2/x", arguments).await;
        let lines: Vec<_> = head
            .lines()
            .filter_map(|line| line.strip_prefix("link: "))
            .collect();
        let expected = [first, second].map(|line| spelled(line, &stage.base()));
        assert_eq!(lines, expected);
        let location = header(&head, "location").unwrap();
        assert!(
            location.starts_with(&theirs),
            "a page for people: {location}"
        );
    }
}
