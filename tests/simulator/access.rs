//! Who may do what, and how others are refused. ZENDESK.md: Scopes, A 401, Errors, Headers

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method};
use loopdesk_tests::zendesk::{Caller, Credential, OTHER_PRODUCTS_CREDENTIAL, Reply, json, users};
use serde_json::json as object;

use crate::support::{refusal, signed_in, with_scopes};

async fn get_with(caller: &Caller, path: &str, headers: &[(&'static str, &str)]) -> Reply {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    caller
        .send(Method::GET, path, map, "".into())
        .await
        .unwrap()
}

#[tokio::test]
async fn users_me_answers_200_anonymous_user_without_credentials() {
    let (zendesk, signed_in) = signed_in().await;
    for path in ["/api/v2/users/me", "/api/v2/users/me.json"] {
        let reply = zendesk.caller().unwrap().get(path).await.unwrap();
        assert_eq!(reply.status(), 200);
        assert_eq!(json(&reply)["user"]["name"], "Anonymous user");
        assert!(json(&reply)["user"]["id"].is_null());
    }
    let reply = signed_in.get("/api/v2/users/me.json").await.unwrap();
    assert_eq!(json(&reply)["user"]["id"], users::ADMIN);
}

#[tokio::test]
async fn everything_else_wants_a_credential() {
    let (zendesk, _) = signed_in().await;
    let reply = zendesk
        .caller()
        .unwrap()
        .get("/api/v2/tickets.json")
        .await
        .unwrap();
    assert_eq!(
        refusal(&reply),
        (401, "Couldn't authenticate you".to_owned())
    );
}

#[tokio::test]
async fn passwords_and_api_tokens_have_ended() {
    let (zendesk, _) = signed_in().await;
    let basic = format!("Basic {}", STANDARD.encode("user1@example.com/token:abc"));
    let caller = zendesk.caller().unwrap();
    let reply = get_with(&caller, "/api/v2/tickets", &[("authorization", &basic)]).await;
    assert_eq!(
        refusal(&reply),
        (401, "Couldn't authenticate you".to_owned())
    );
    assert_eq!(zendesk.requests()[0].credential, Credential::Basic);
}

#[tokio::test]
async fn a_dead_token_is_invalid_token() {
    let (zendesk, _) = signed_in().await;
    let caller = zendesk.caller().unwrap().bearer("x");
    let reply = caller.get("/api/v2/tickets.json").await.unwrap();
    assert_eq!(reply.status(), 401);
    assert_eq!(
        json(&reply),
        object!({
            "error": "invalid_token",
            "error_description": "The access token provided is expired, revoked, malformed or \
                                  invalid for other reasons.",
        })
    );
    assert!(!reply.headers().contains_key("www-authenticate"));
    zendesk.set_www_authenticate(true);
    let reply = caller.get("/api/v2/tickets.json").await.unwrap();
    assert!(
        reply.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .contains("invalid_token")
    );
}

#[tokio::test]
async fn credentials_in_the_url_are_not_looked_at() {
    let (zendesk, _) = signed_in().await;
    let access = zendesk.issue_tokens(&["read"]).access;
    let caller = zendesk.caller().unwrap();
    let path = format!("/api/v2/tickets.json?access_token={access}");
    assert_eq!(caller.get(&path).await.unwrap().status(), 401);
}

#[tokio::test]
async fn two_authorization_headers_are_refused() {
    let (zendesk, _) = signed_in().await;
    let bearer = format!("Bearer {}", zendesk.issue_tokens(&["read"]).access);
    let both = [
        ("authorization", bearer.as_str()),
        ("authorization", "Basic eDp5"),
    ];
    let reply = get_with(&zendesk.caller().unwrap(), "/api/v2/tickets", &both).await;
    assert_eq!(reply.status(), 400);
    assert_eq!(zendesk.requests()[0].credential, Credential::Several);
}

#[tokio::test]
async fn an_unknown_host_is_refused() {
    let (zendesk, caller) = signed_in().await;
    for (host, status) in [
        ("localhost:8484", 421),
        ("127.0.0.1", 421),
        ("acme.zendesk.com", 200),
        ("acme.zendesk.localhost", 200),
        (&format!("localhost:{}", zendesk.port()), 200),
    ] {
        let reply = get_with(&caller, "/api/v2/tickets", &[("host", host)]).await;
        assert_eq!(reply.status(), status, "{host}");
    }
}

#[tokio::test]
async fn read_and_write_are_scopes_of_their_own() {
    let (zendesk, _) = signed_in().await;
    let reader = with_scopes(&zendesk, &["read"]);
    let writer = with_scopes(&zendesk, &["write"]);
    let ticket = object!({"ticket": {"comment": {"body": "x"}}});
    assert_eq!(reader.get("/api/v2/tickets").await.unwrap().status(), 200);
    let reply = reader.post("/api/v2/tickets", &ticket).await.unwrap();
    assert_eq!(reply.status(), 403);
    assert_eq!(
        json(&reply),
        object!({
            "error": "Forbidden",
            "description": "You are missing the following required scopes: write",
        })
    );
    assert_eq!(
        writer
            .post("/api/v2/tickets", &ticket)
            .await
            .unwrap()
            .status(),
        201
    );
    assert_eq!(writer.get("/api/v2/tickets").await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_scope_may_be_one_resources() {
    let (zendesk, _) = signed_in().await;
    let caller = with_scopes(&zendesk, &["tickets:read"]);
    assert_eq!(
        caller.get("/api/v2/tickets/1.json").await.unwrap().status(),
        200
    );
    assert_eq!(
        caller.get("/api/v2/users.json").await.unwrap().status(),
        403
    );
}

#[tokio::test]
async fn a_misspelt_scope_gets_403_on_everything() {
    let (zendesk, _) = signed_in().await;
    let caller = with_scopes(&zendesk, &["tickets:raed"]);
    for path in [
        "/api/v2/tickets",
        "/api/v2/users/me",
        "/api/v2/oauth/tokens/current",
    ] {
        assert_eq!(caller.get(path).await.unwrap().status(), 403, "{path}");
    }
}

#[tokio::test]
async fn roles_limit_what_a_user_may() {
    let (zendesk, _) = signed_in().await;
    zendesk.set_consenting_user(users::AGENT);
    let agent = with_scopes(&zendesk, &["read"]);
    assert_eq!(agent.get("/api/v2/tickets").await.unwrap().status(), 200);
    let export = agent
        .get("/api/v2/incremental/tickets?start_time=1")
        .await
        .unwrap();
    assert_eq!(export.status(), 403);
    assert_eq!(json(&export)["error"]["title"], "Forbidden");
    let status = async |path: &str| agent.get(path).await.unwrap().status();
    assert_eq!(status("/api/v2/agent_availabilities").await, 403);
    let articles = "/api/v2/help_center/incremental/articles?start_time=1";
    assert_eq!(status(articles).await, 200);
    let search = "/api/v2/search/export?query=status:open&filter[type]=ticket";
    assert_eq!(status(search).await, 200);
    zendesk.set_consenting_user(users::END_USER);
    let customer = with_scopes(&zendesk, &["read"]);
    assert_eq!(customer.get("/api/v2/tickets").await.unwrap().status(), 403);
    assert_eq!(customer.get(articles).await.unwrap().status(), 403);
    assert_eq!(
        customer.get("/api/v2/users/me").await.unwrap().status(),
        200
    );
    zendesk.set_role(users::END_USER, "agent");
    assert_eq!(customer.get("/api/v2/tickets").await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_unknown_user_on_behalf_of_whom_is_invalid_token_too() {
    let (zendesk, plain) = signed_in().await;
    let caller = with_scopes(&zendesk, &["read", "impersonate"]);
    let behalf = |who: &'static str| [("x-on-behalf-of", who)];
    let reply = get_with(&caller, "/api/v2/users/me", &behalf("nobody@example.com")).await;
    assert_eq!(refusal(&reply), (401, "invalid_token".to_owned()));
    let reply = get_with(&caller, "/api/v2/users/me", &behalf("user4@example.com")).await;
    assert_eq!(json(&reply)["user"]["id"], users::END_USER);
    let reply = get_with(&plain, "/api/v2/users/me", &behalf("user4@example.com")).await;
    assert_eq!(refusal(&reply), (403, "Forbidden".to_owned()));
    // The token itself is still valid.
    assert_eq!(caller.get("/api/v2/tickets").await.unwrap().status(), 200);
}

#[tokio::test]
async fn other_products_take_credentials_of_their_own() {
    let (zendesk, caller) = signed_in().await;
    for path in ["/api/v2/chat/chats", "/sc/v2/apps"] {
        assert_eq!(caller.get(path).await.unwrap().status(), 401);
        let own = format!("Basic {OTHER_PRODUCTS_CREDENTIAL}");
        let reply = get_with(&zendesk.caller().unwrap(), path, &[("authorization", &own)]).await;
        assert_eq!(reply.status(), 200);
    }
}
