//! The grant of confidential clients. ZENDESK.md: Token endpoint

use loopdesk_tests::zendesk::{Client, Zendesk, json, users};
use serde_json::{Value, json as object};

use crate::support::{post_token, refusal, status_with, text};

async fn with_server() -> Zendesk {
    let client = Client::confidential("server", "s3cret").user(users::AGENT);
    Zendesk::builder().client(client).start().await.unwrap()
}

fn body(id: &str, secret: &str, scope: &str) -> Value {
    object!({
        "grant_type": "client_credentials", "client_id": id, "client_secret": secret,
        "scope": scope, "expires_in": 3600,
    })
}

#[tokio::test]
async fn it_gives_an_access_token_alone_for_the_clients_user() {
    let zendesk = with_server().await;
    let reply = post_token(&zendesk, &body("server", "s3cret", "read")).await;
    assert_eq!(reply.status(), 201);
    let answer = json(&reply);
    assert_eq!(answer.get("refresh_token"), None);
    assert_eq!(answer["expires_in"], 3600);
    assert_eq!(zendesk.tokens()[0].user, users::AGENT);
    assert_eq!(
        status_with(&zendesk, text(&answer["access_token"])).await,
        200
    );
}

#[tokio::test]
async fn it_needs_the_secret_and_a_confidential_client() {
    let zendesk = with_server().await;
    let reply = post_token(&zendesk, &body("server", "wrong", "read")).await;
    assert_eq!(refusal(&reply), (401, "invalid_client".to_owned()));
    let reply = post_token(&zendesk, &body("loopdesk", "s3cret", "read")).await;
    assert_eq!(refusal(&reply), (400, "unauthorized_client".to_owned()));
}

#[tokio::test]
async fn a_scope_above_the_ceiling_is_refused_and_a_misspelt_one_is_not() {
    let zendesk = with_server().await;
    let reply = post_token(&zendesk, &body("server", "s3cret", "impersonate")).await;
    assert_eq!(refusal(&reply), (400, "invalid_scope".to_owned()));
    let reply = post_token(&zendesk, &body("server", "s3cret", "raed")).await;
    assert_eq!(reply.status(), 201);
    let access = json(&reply)["access_token"].clone();
    assert_eq!(status_with(&zendesk, text(&access)).await, 403);
}
