//! Offset and cursor paging, search. ZENDESK.md: URLs in answers, Errors

use loopdesk_tests::zendesk::{Zendesk, json};
use serde_json::Value;

use crate::support::{header, refusal, signed_in, text, with_scopes};

#[tokio::test]
async fn offset_pages_lead_through_a_whole_list() {
    let (zendesk, caller) = signed_in().await;
    let mut next = format!("{}/api/v2/tickets.json?per_page=60", zendesk.origin());
    let mut ids = Vec::new();
    loop {
        assert!(next.starts_with(zendesk.origin()));
        let page = json(&caller.get(&next).await.unwrap());
        assert_eq!(page["count"], 250);
        ids.extend(
            page["tickets"]
                .as_array()
                .unwrap()
                .iter()
                .map(|ticket| ticket["id"].clone()),
        );
        if page["next_page"].is_null() {
            assert!(text(&page["previous_page"]).contains("page=4"));
            break;
        }
        next = text(&page["next_page"]).to_owned();
    }
    assert_eq!(ids, (1..=250).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn cursor_pages_lead_through_a_whole_list_and_back() {
    let (zendesk, caller) = signed_in().await;
    let mut next = format!("{}/api/v2/users.json?page[size]=50", zendesk.origin());
    let mut ids = Vec::new();
    let last = loop {
        let page = json(&caller.get(&next).await.unwrap());
        ids.extend(
            page["users"]
                .as_array()
                .unwrap()
                .iter()
                .map(|user| user["id"].clone()),
        );
        if page["meta"]["has_more"] == false {
            assert!(page["links"]["next"].is_null());
            break page;
        }
        next = text(&page["links"]["next"]).to_owned();
        assert!(next.starts_with(zendesk.origin()) && next.contains("page%5Bafter%5D="));
    };
    assert_eq!(ids.len(), 120);
    let back = json(&caller.get(text(&last["links"]["prev"])).await.unwrap());
    assert_eq!(back["users"][0]["id"], ids[50]);
}

#[tokio::test]
async fn every_list_can_be_paged_both_ways() {
    let (_zendesk, caller) = signed_in().await;
    for (path, key) in [
        ("/api/v2/tickets", "tickets"),
        ("/api/v2/users", "users"),
        ("/api/v2/organizations", "organizations"),
        ("/api/v2/tickets/1/comments", "comments"),
        ("/api/v2/help_center/articles", "articles"),
        ("/api/v2/help_center/en-us/articles.json", "articles"),
    ] {
        let offset = json(
            &caller
                .get(&format!("{path}?per_page=1&page=2"))
                .await
                .unwrap(),
        );
        let first = json(&caller.get(&format!("{path}?page[size]=1")).await.unwrap());
        let second = caller.get(text(&first["links"]["next"])).await.unwrap();
        assert_eq!(offset[key], json(&second)[key], "{path}");
        assert_eq!(offset[key].as_array().unwrap().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn the_help_center_and_agent_availability_say_it_in_a_header_too() {
    let (_zendesk, caller) = signed_in().await;
    let page = caller
        .get("/api/v2/help_center/articles?page[size]=9")
        .await;
    let page = page.unwrap();
    let links = json(&page)["links"].clone();
    let expected = format!("<{}>; rel=\"next\"", text(&links["next"]));
    assert_eq!(header(&page, "link"), expected);

    let first = caller.get("/api/v2/agent_availabilities").await.unwrap();
    let second = json(&first)["links"]["next"].clone();
    let second = caller.get(text(&second)).await.unwrap();
    let lines: Vec<_> = second.headers().get_all("link").iter().collect();
    assert_eq!(lines.len(), 2, "back and forth: {lines:?}");
    let channel = json(&second)["included"][0].clone();
    let work = &channel["relationships"]["work_items"];
    let more = caller.get(text(&work["links"]["next"])).await.unwrap();
    assert_eq!(work["data"].as_array().unwrap().len(), 2);
    assert_eq!(json(&more)["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn links_use_the_public_origin() {
    let zendesk = Zendesk::builder().public_origin("https://acme.zendesk.com");
    let zendesk = zendesk.start().await.unwrap();
    let caller = with_scopes(&zendesk, &["read"]);
    let page = json(&caller.get("/api/v2/tickets?per_page=1").await.unwrap());
    assert_eq!(
        page["next_page"],
        "https://acme.zendesk.com/api/v2/tickets.json?per_page=1&page=2"
    );
    assert_eq!(
        page["tickets"][0]["url"],
        "https://acme.zendesk.com/api/v2/tickets/1.json"
    );
    // The caller uses that name for the simulation, as with a matching entry in DNS.
    let next = caller.get(text(&page["next_page"])).await.unwrap();
    assert_eq!(json(&next)["tickets"][0]["id"], 2);
}

#[tokio::test]
async fn a_page_has_a_hundred_items_at_most() {
    let (_zendesk, caller) = signed_in().await;
    for query in ["", "?per_page=1000", "?page[size]=1000"] {
        let page = json(
            &caller
                .get(&format!("/api/v2/tickets{query}"))
                .await
                .unwrap(),
        );
        assert_eq!(page["tickets"].as_array().unwrap().len(), 100);
    }
    let reply = caller.get("/api/v2/tickets?page=0").await.unwrap();
    assert_eq!(reply.status(), 400);
    let reply = caller
        .get("/api/v2/tickets?page[after]=nonsense")
        .await
        .unwrap();
    assert_eq!(reply.status(), 400);
}

#[tokio::test]
async fn offset_paging_ends_at_ten_thousand_records() {
    let zendesk = Zendesk::builder().tickets(10_200).start().await.unwrap();
    let caller = with_scopes(&zendesk, &["read"]);
    assert_eq!(
        caller
            .get("/api/v2/tickets?page=100")
            .await
            .unwrap()
            .status(),
        200
    );
    let reply = caller.get("/api/v2/tickets?page=101").await.unwrap();
    assert_eq!(reply.status(), 400);
    assert_eq!(json(&reply)["errors"][0]["code"], "InvalidPaginationDepth");
}

#[tokio::test]
async fn search_finds_by_type_field_and_word() {
    let (_zendesk, caller) = signed_in().await;
    let found = json(
        &caller
            .get("/api/v2/search.json?query=type:ticket+status:open")
            .await
            .unwrap(),
    );
    assert!(
        found["results"]
            .as_array()
            .unwrap()
            .iter()
            .all(|found| { found["result_type"] == "ticket" && found["status"] == "open" })
    );
    assert!(found["count"].as_u64().unwrap() > 10);
    let found = json(
        &caller
            .get("/api/v2/search?query=type:user+Ada")
            .await
            .unwrap(),
    );
    assert_eq!(found["count"], 1);
    let none = caller.get("/api/v2/search.json").await.unwrap();
    assert_eq!(none.status(), 422);
}

#[tokio::test]
async fn search_ends_at_a_thousand_results() {
    let zendesk = Zendesk::builder().tickets(1100).start().await.unwrap();
    let caller = with_scopes(&zendesk, &["read"]);
    let page = json(
        &caller
            .get("/api/v2/search?query=type:ticket&page=10")
            .await
            .unwrap(),
    );
    let next = caller.get(text(&page["next_page"])).await.unwrap();
    assert_eq!(refusal(&next).0, 422);
    let export = "/api/v2/search/export?query=*&filter[type]=ticket&page[size]=1000";
    let export = json(&caller.get(export).await.unwrap());
    assert_eq!(export["results"].as_array().unwrap().len(), 1000);
    assert_eq!(export["meta"]["has_more"], true);
}
