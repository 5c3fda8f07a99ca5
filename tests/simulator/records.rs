//! What a test can ask about the requests.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use loopdesk_tests::zendesk::{Credential, Host, Standing, Zendesk};
use serde_json::json as object;

use crate::support::{log_in, post_token, refresh_of, signed_in, text};

#[tokio::test]
async fn a_record_has_the_request_as_it_came() {
    let (zendesk, caller) = signed_in().await;
    let mut headers = HeaderMap::new();
    headers.append("x-twice", HeaderValue::from_static("1"));
    headers.append("x-twice", HeaderValue::from_static("2"));
    let target = "/api/v2/search.json?query=a%20b&page[size]=2";
    caller
        .send(Method::POST, target, headers, "body".into())
        .await
        .unwrap();
    let records = zendesk.requests();
    let record = &records[0];
    assert_eq!(record.target(), target);
    assert_eq!(record.parameter("query").unwrap(), "a b");
    assert!(record.is("POST", "/api/v2/search"));
    assert_eq!(record.headers.get_all("x-twice").iter().count(), 2);
    assert_eq!(record.body.as_ref(), b"body");
    assert_eq!(record.host, Host::Account);
    assert_eq!(
        record.authority.as_deref(),
        zendesk.origin().strip_prefix("https://")
    );
    assert_eq!(record.status().unwrap(), 404);
    let generation = Some(1);
    let standing = Standing::Live;
    assert_eq!(
        record.credential,
        Credential::Bearer {
            standing,
            generation
        }
    );
}

#[tokio::test]
async fn token_posts_say_what_the_refresh_token_was_worth() {
    let zendesk = Zendesk::start().await.unwrap();
    let pair = log_in(&zendesk).await;
    let body = refresh_of(text(&pair["refresh_token"]));
    post_token(&zendesk, &body).await;
    post_token(&zendesk, &body).await;
    post_token(&zendesk, &refresh_of("x")).await;
    let posts: Vec<_> = zendesk
        .token_posts()
        .into_iter()
        .map(|record| record.token_post.unwrap())
        .map(|post| (post.grant, post.refresh_token, post.generation, post.error))
        .collect();
    let refresh = || "refresh_token".to_owned();
    let invalid = || Some("invalid_grant".to_owned());
    assert_eq!(
        posts,
        [
            ("authorization_code".to_owned(), None, None, None),
            (refresh(), Some(Standing::Live), Some(1), None),
            (refresh(), Some(Standing::Consumed), Some(1), invalid()),
            (refresh(), Some(Standing::Unknown), None, invalid()),
        ]
    );
}

#[tokio::test]
async fn credentials_are_judged_on_arrival() {
    let (zendesk, caller) = signed_in().await;
    caller.get("/api/v2/users/me").await.unwrap();
    zendesk.expire_access_tokens();
    caller.get("/api/v2/users/me").await.unwrap();
    zendesk.revoke_tokens();
    caller.get("/api/v2/users/me").await.unwrap();
    let count = |wanted: Standing| {
        zendesk.count(|record| {
            matches!(record.credential, Credential::Bearer { standing, .. } if standing == wanted)
        })
    };
    assert_eq!(count(Standing::Live), 1);
    assert_eq!(count(Standing::Expired), 1);
    assert_eq!(count(Standing::Revoked), 1);
}

#[tokio::test]
async fn waiting_ends_with_the_event_or_with_a_list_of_what_was_seen() {
    let (zendesk, caller) = signed_in().await;
    let body = object!({});
    let (waited, replied) = tokio::join!(
        zendesk.wait_for(|records| records.iter().any(|record| record.status().is_some())),
        caller.post("/api/v2/tickets/9", &body),
    );
    waited.unwrap();
    replied.unwrap();
    let never = zendesk
        .wait_for_within(Duration::ZERO, |_| false)
        .await
        .unwrap_err();
    assert!(
        never.to_string().contains("POST /api/v2/tickets/9"),
        "{never}"
    );
    zendesk.clear();
    assert!(zendesk.requests().is_empty());
}
