//! Incremental exports. ZENDESK.md: Exports

use loopdesk_tests::zendesk::json;
use serde_json::json as object;

use crate::support::{refusal, signed_in, text};

#[tokio::test]
async fn by_time_the_last_record_of_a_page_comes_again() {
    let (zendesk, caller) = signed_in().await;
    let first = "/api/v2/incremental/tickets.json?start_time=1&per_page=100";
    let first = json(&caller.get(first).await.unwrap());
    assert_eq!(first["count"], 100);
    assert_eq!(first["end_of_stream"], false);
    assert!(text(&first["next_page"]).starts_with(zendesk.origin()));
    let second = json(&caller.get(text(&first["next_page"])).await.unwrap());
    assert_eq!(second["tickets"][0], first["tickets"][99]);
    let third = json(&caller.get(text(&second["next_page"])).await.unwrap());
    assert_eq!(third["end_of_stream"], true);
    assert!(third["next_page"].is_null());
    assert_eq!(
        third["tickets"].as_array().unwrap().last().unwrap()["id"],
        250
    );
}

#[tokio::test]
async fn by_cursor_nothing_comes_twice_and_after_url_always_leads_on() {
    let (zendesk, caller) = signed_in().await;
    for path in ["tickets", "users"] {
        let mut url = format!("/api/v2/incremental/{path}/cursor?start_time=1&per_page=60");
        let mut ids = Vec::new();
        loop {
            let page = json(&caller.get(&url).await.unwrap());
            ids.extend(
                page[path]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item["id"].as_u64()),
            );
            url = text(&page["after_url"]).to_owned();
            assert!(url.starts_with(zendesk.origin()));
            assert!(page["after_cursor"].is_string() && page["before_url"].is_null());
            if page["end_of_stream"] == true {
                break;
            }
        }
        let mut unique = ids.clone();
        unique.dedup();
        assert_eq!(unique.len(), ids.len());
        assert_eq!(ids.len(), if path == "tickets" { 250 } else { 120 });
        let after = json(&caller.get(&url).await.unwrap());
        assert_eq!(after[path], object!([]));
        assert_eq!(after["end_of_stream"], true);
    }
}

#[tokio::test]
async fn what_was_changed_comes_last() {
    let (_zendesk, caller) = signed_in().await;
    let all = "/api/v2/incremental/tickets/cursor?start_time=1";
    let url = json(&caller.get(all).await.unwrap())["after_url"].clone();
    let change = object!({"ticket": {"status": "solved"}});
    caller.put("/api/v2/tickets/7.json", &change).await.unwrap();
    let page = json(&caller.get(text(&url)).await.unwrap());
    assert_eq!(page["tickets"][0]["id"], 7);
    assert_eq!(page["tickets"][0]["status"], "solved");
}

#[tokio::test]
async fn a_start_time_is_needed_and_must_be_past() {
    let (zendesk, caller) = signed_in().await;
    let reply = caller
        .get("/api/v2/incremental/tickets.json")
        .await
        .unwrap();
    assert_eq!(reply.status(), 400);
    let now = zendesk.now().as_second();
    let recent = format!("/api/v2/incremental/tickets.json?start_time={now}");
    let reply = caller.get(&recent).await.unwrap();
    assert_eq!(refusal(&reply), (422, "StartTimeTooRecent".to_owned()));
    let articles = "/api/v2/help_center/incremental/articles?start_time=1";
    let articles = json(&caller.get(articles).await.unwrap());
    assert_eq!(articles["count"], 40);
}

#[tokio::test]
async fn a_start_is_accepted_as_tap_zendesk_writes_it() {
    let (zendesk, caller) = signed_in().await;
    let now = zendesk.now();
    for (list, start, count) in [
        ("organizations", now.to_string(), 0),
        ("organizations", "1577836800.0".to_owned(), 30),
        ("ticket_metric_events", now.as_second().to_string(), 0),
    ] {
        let path = format!("/api/v2/incremental/{list}.json?start_time={start}");
        let page = json(&caller.get(&path).await.unwrap());
        assert_eq!(page[list].as_array().map(Vec::len), Some(count), "{path}");
    }
}
