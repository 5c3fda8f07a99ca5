//! `/api/v2/oauth/tokens`. ZENDESK.md: Ending a token, Asking about a token

use loopdesk_tests::zendesk::{Standing, Zendesk, json};

use crate::support::{log_in, post_token, refresh_of, refusal, signed_in, text, with_scopes};

#[tokio::test]
async fn a_token_may_ask_about_itself_with_and_without_json() {
    let zendesk = Zendesk::start().await.unwrap();
    let tokens = zendesk.issue_tokens(&["read"]);
    let caller = zendesk.caller().unwrap().bearer(&tokens.access);
    for path in [
        "/api/v2/oauth/tokens/current",
        "/api/v2/oauth/tokens/current.json",
    ] {
        let token = json(&caller.get(path).await.unwrap())["token"].clone();
        assert_eq!(token["user_id"], tokens.user);
        assert_eq!(token["scopes"][0], "read");
        assert_eq!(token["token"], tokens.access[..10]);
        assert_eq!(token["expires_at"], tokens.access_expires_at.to_string());
        assert!(token["refresh_token_expires_at"].is_string());
    }
}

#[tokio::test]
async fn a_dead_token_and_no_token_are_refused() {
    let (zendesk, caller) = signed_in().await;
    zendesk.expire_access_tokens();
    let reply = caller
        .get("/api/v2/oauth/tokens/current.json")
        .await
        .unwrap();
    assert_eq!(refusal(&reply), (401, "invalid_token".to_owned()));
    let nobody = zendesk.caller().unwrap();
    let reply = nobody
        .get("/api/v2/oauth/tokens/current.json")
        .await
        .unwrap();
    assert_eq!(refusal(&reply).0, 401);
}

#[tokio::test]
async fn revoking_the_access_token_kills_the_refresh_token() {
    let zendesk = Zendesk::start().await.unwrap();
    for path in [
        "/api/v2/oauth/tokens/current",
        "/api/v2/oauth/tokens/current.json",
    ] {
        let pair = log_in(&zendesk).await;
        let caller = zendesk
            .caller()
            .unwrap()
            .bearer(text(&pair["access_token"]));
        let reply = caller.delete(path).await.unwrap();
        assert_eq!((reply.status().as_u16(), reply.body().len()), (204, 0));
        assert_eq!(caller.get(path).await.unwrap().status(), 401);
        let reply = post_token(&zendesk, &refresh_of(text(&pair["refresh_token"]))).await;
        assert_eq!(refusal(&reply), (400, "invalid_grant".to_owned()));
    }
}

#[tokio::test]
async fn one_token_may_revoke_another_of_the_same_user() {
    let zendesk = Zendesk::start().await.unwrap();
    let (keep, other) = (
        zendesk.issue_tokens(&["read"]),
        zendesk.issue_tokens(&["read"]),
    );
    let caller = zendesk.caller().unwrap().bearer(&keep.access);
    let list = json(&caller.get("/api/v2/oauth/tokens.json").await.unwrap());
    let id = list["tokens"][1]["id"].clone();
    let reply = caller
        .delete(&format!("/api/v2/oauth/tokens/{id}"))
        .await
        .unwrap();
    assert_eq!(reply.status(), 204);
    let standing = |access: &str| {
        let tokens = zendesk.tokens();
        let found = tokens.iter().find(|pair| pair.access == access);
        found.unwrap().access_standing
    };
    assert_eq!(standing(&keep.access), Standing::Live);
    assert_eq!(standing(&other.access), Standing::Revoked);
}

#[tokio::test]
async fn an_admin_can_revoke_everything() {
    let (zendesk, caller) = signed_in().await;
    with_scopes(&zendesk, &["read"]);
    assert_eq!(zendesk.revoke_tokens(), 2);
    assert_eq!(caller.get("/api/v2/tickets").await.unwrap().status(), 401);
    assert!(
        zendesk
            .tokens()
            .iter()
            .all(|pair| pair.refresh_standing == Standing::Revoked)
    );
}
