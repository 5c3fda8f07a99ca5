//! Rotation. ZENDESK.md: Token endpoint, Rotation

use jiff::SignedDuration;
use loopdesk_tests::zendesk::{Client, Malformed, Standing, Zendesk, json, users};
use serde_json::json as object;

use crate::support::{log_in, post_token, refresh_of, refusal, status_with, text};

const INVALID_GRANT: (u16, &str) = (400, "invalid_grant");

#[tokio::test]
async fn a_refresh_deletes_the_old_pair_at_once() {
    let zendesk = Zendesk::start().await.unwrap();
    let old = log_in(&zendesk).await;
    let reply = post_token(&zendesk, &refresh_of(text(&old["refresh_token"]))).await;
    assert_eq!(reply.status(), 201);
    let new = json(&reply);
    assert_ne!(new["access_token"], old["access_token"]);
    assert_ne!(new["refresh_token"], old["refresh_token"]);
    assert_eq!(new["scope"], "read write");
    assert_eq!(status_with(&zendesk, text(&old["access_token"])).await, 401);
    assert_eq!(status_with(&zendesk, text(&new["access_token"])).await, 200);
}

#[tokio::test]
async fn a_replayed_refresh_token_is_refused_and_its_successor_lives() {
    let zendesk = Zendesk::start().await.unwrap();
    let old = log_in(&zendesk).await;
    let body = refresh_of(text(&old["refresh_token"]));
    let new = json(&post_token(&zendesk, &body).await);
    let (status, error) = refusal(&post_token(&zendesk, &body).await);
    assert_eq!((status, error.as_str()), INVALID_GRANT);
    assert_eq!(status_with(&zendesk, text(&new["access_token"])).await, 200);
    let next = post_token(&zendesk, &refresh_of(text(&new["refresh_token"]))).await;
    assert_eq!(next.status(), 201);
}

#[tokio::test]
async fn tokens_know_their_chain_and_generation() {
    let zendesk = Zendesk::start().await.unwrap();
    let first = log_in(&zendesk).await;
    post_token(&zendesk, &refresh_of(text(&first["refresh_token"]))).await;
    log_in(&zendesk).await;
    let tokens = zendesk.tokens();
    let generations: Vec<_> = tokens.iter().map(|pair| pair.generation).collect();
    assert_eq!(generations, [1, 2, 1]);
    assert_eq!(tokens[0].chain, tokens[1].chain);
    assert_ne!(tokens[0].chain, tokens[2].chain);
    assert_eq!(tokens[0].refresh_standing, Standing::Consumed);
    assert_eq!(tokens[1].refresh_standing, Standing::Live);
}

#[tokio::test]
async fn each_refresh_moves_both_ends() {
    let zendesk = Zendesk::start().await.unwrap();
    let old = log_in(&zendesk).await;
    let ends = zendesk.tokens()[0].refresh_expires_at.unwrap();
    zendesk.move_clock(SignedDuration::from_hours(24 * 89));
    let reply = post_token(&zendesk, &refresh_of(text(&old["refresh_token"]))).await;
    assert_eq!(reply.status(), 201);
    assert!(zendesk.tokens()[1].refresh_expires_at.unwrap() > ends);
}

#[tokio::test]
async fn an_expired_refresh_token_is_invalid_grant() {
    let zendesk = Zendesk::start().await.unwrap();
    let old = log_in(&zendesk).await;
    zendesk.move_clock(SignedDuration::from_hours(24 * 90));
    let reply = post_token(&zendesk, &refresh_of(text(&old["refresh_token"]))).await;
    assert_eq!(refusal(&reply).1, INVALID_GRANT.1);
    assert_eq!(zendesk.tokens()[0].refresh_standing, Standing::Expired);
}

#[tokio::test]
async fn an_access_token_may_end_long_before_its_refresh_token() {
    let zendesk = Zendesk::start().await.unwrap();
    let old = log_in(&zendesk).await;
    zendesk.expire_access_tokens();
    assert_eq!(status_with(&zendesk, text(&old["access_token"])).await, 401);
    let reply = post_token(&zendesk, &refresh_of(text(&old["refresh_token"]))).await;
    assert_eq!(reply.status(), 201);
}

#[tokio::test]
async fn an_unknown_refresh_token_is_invalid_grant() {
    let zendesk = Zendesk::start().await.unwrap();
    let (status, error) = refusal(&post_token(&zendesk, &refresh_of("x")).await);
    assert_eq!((status, error.as_str()), INVALID_GRANT);
}

#[tokio::test]
async fn another_client_cannot_refresh() {
    let other = Client::public("other");
    let zendesk = Zendesk::builder().client(other).start().await.unwrap();
    let old = log_in(&zendesk).await;
    let mut body = refresh_of(text(&old["refresh_token"]));
    body["client_id"] = object!("other");
    assert_eq!(
        refusal(&post_token(&zendesk, &body).await).1,
        INVALID_GRANT.1
    );
    assert_eq!(status_with(&zendesk, text(&old["access_token"])).await, 200);
}

#[tokio::test]
async fn a_deleted_client_takes_its_tokens_along() {
    let zendesk = Zendesk::start().await.unwrap();
    let old = log_in(&zendesk).await;
    zendesk.delete_client("loopdesk");
    assert_eq!(status_with(&zendesk, text(&old["access_token"])).await, 401);
    let reply = post_token(&zendesk, &refresh_of(text(&old["refresh_token"]))).await;
    assert_eq!(refusal(&reply), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn a_suspended_users_tokens_are_refused() {
    let zendesk = Zendesk::start().await.unwrap();
    let old = log_in(&zendesk).await;
    zendesk.suspend_user(users::ADMIN);
    assert_eq!(status_with(&zendesk, text(&old["access_token"])).await, 401);
    let body = refresh_of(text(&old["refresh_token"]));
    assert_eq!(
        refusal(&post_token(&zendesk, &body).await).1,
        INVALID_GRANT.1
    );
    zendesk.unsuspend_user(users::ADMIN);
    assert_eq!(post_token(&zendesk, &body).await.status(), 201);
}

#[tokio::test]
async fn a_lowered_ceiling_refuses_the_refresh_and_consumes_nothing() {
    let zendesk = Zendesk::start().await.unwrap();
    let old = log_in(&zendesk).await;
    let body = refresh_of(text(&old["refresh_token"]));
    zendesk.set_allowed_scopes(&["read"]);
    let reply = post_token(&zendesk, &body).await;
    assert_eq!(refusal(&reply), (400, "invalid_scope".to_owned()));
    zendesk.set_allowed_scopes(&["read", "write"]);
    assert_eq!(post_token(&zendesk, &body).await.status(), 201);
}

#[tokio::test]
async fn a_refresh_may_leave_the_refresh_token_out_and_keep_it() {
    let zendesk = Zendesk::start().await.unwrap();
    let old = log_in(&zendesk).await;
    let body = refresh_of(text(&old["refresh_token"]));
    zendesk.set_malformed(Malformed::NoRefreshToken);
    for _ in 0..2 {
        let reply = post_token(&zendesk, &body).await;
        assert_eq!(reply.status(), 201);
        assert_eq!(json(&reply).get("refresh_token"), None);
    }
}
