//! The code exchange at the token endpoint. ZENDESK.md: Token endpoint, Lifetimes

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use jiff::SignedDuration;
use loopdesk_tests::zendesk::{Malformed, TokenFormat, Zendesk, json};
use serde_json::json as object;

use crate::support::{
    REDIRECT_URI, VERIFIER, code, exchange_of, log_in, post_token, refusal, status_with, text,
};

#[tokio::test]
async fn an_exchange_answers_201_with_all_documented_fields() {
    let zendesk = Zendesk::start().await.unwrap();
    let answer = log_in(&zendesk).await;
    assert_eq!(answer["token_type"], "bearer");
    assert_eq!(answer["scope"], "read write");
    assert_eq!(answer["expires_in"], 172_800);
    assert_eq!(answer["refresh_token_expires_in"], 7_776_000);
    assert!(answer["refresh_token"].is_string());
    assert_eq!(
        status_with(&zendesk, text(&answer["access_token"])).await,
        200
    );
}

#[tokio::test]
async fn an_exchange_answers_200_on_request() {
    let zendesk = Zendesk::start().await.unwrap();
    zendesk.set_token_status(StatusCode::OK);
    let reply = post_token(&zendesk, &exchange_of(&code(&zendesk).await)).await;
    assert_eq!(reply.status(), 200);
}

#[tokio::test]
async fn forms_work_as_json_does() {
    let zendesk = Zendesk::start().await.unwrap();
    let code = code(&zendesk).await;
    let caller = zendesk.caller().unwrap();
    let reply = caller
        .post_form(
            "/oauth/tokens",
            &[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("client_id", "loopdesk"),
                ("redirect_uri", REDIRECT_URI),
                ("code_verifier", VERIFIER),
                ("expires_in", "300"),
            ],
        )
        .await
        .unwrap();
    assert_eq!(reply.status(), 201);
    assert_eq!(json(&reply)["expires_in"], 300);
}

#[tokio::test]
async fn other_encodings_and_methods_are_refused() {
    let zendesk = Zendesk::start().await.unwrap();
    let caller = zendesk.caller().unwrap();
    let body = exchange_of("x").to_string();
    let reply = caller.send(Method::POST, "/oauth/tokens", HeaderMap::new(), body.into());
    assert_eq!(
        refusal(&reply.await.unwrap()),
        (400, "invalid_request".to_owned())
    );
    for method in [Method::OPTIONS, Method::GET] {
        let reply = caller.send(method, "/oauth/tokens", HeaderMap::new(), "".into());
        let reply = reply.await.unwrap();
        assert_eq!(reply.status(), 405);
        assert!(!reply.headers().contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn lifetimes_are_left_out_of_the_answer_unless_they_were_asked_for() {
    let zendesk = Zendesk::start().await.unwrap();
    let mut body = exchange_of(&code(&zendesk).await);
    body.as_object_mut().unwrap().remove("expires_in");
    body.as_object_mut()
        .unwrap()
        .remove("refresh_token_expires_in");
    let answer = json(&post_token(&zendesk, &body).await);
    assert_eq!(answer.get("expires_in"), None);
    assert_eq!(answer.get("refresh_token_expires_in"), None);
    // The token still dies after half an hour.
    zendesk.move_clock(SignedDuration::from_mins(29));
    assert_eq!(
        status_with(&zendesk, text(&answer["access_token"])).await,
        200
    );
    zendesk.move_clock(SignedDuration::from_mins(1));
    assert_eq!(
        status_with(&zendesk, text(&answer["access_token"])).await,
        401
    );
}

#[tokio::test]
async fn lifetimes_have_bounds() {
    let zendesk = Zendesk::start().await.unwrap();
    let code = code(&zendesk).await;
    for (name, wrong) in [
        ("expires_in", object!(299)),
        ("expires_in", object!(172_801)),
        ("expires_in", object!(-1)),
        ("expires_in", object!("1800")),
        ("refresh_token_expires_in", object!(604_799)),
        ("refresh_token_expires_in", object!(7_776_001)),
    ] {
        let mut body = exchange_of(&code);
        body[name] = wrong.clone();
        let reply = post_token(&zendesk, &body).await;
        assert_eq!(
            refusal(&reply),
            (400, "invalid_request".to_owned()),
            "{name} {wrong}"
        );
    }
    let mut body = exchange_of(&code);
    body["expires_in"] = object!(300);
    body["refresh_token_expires_in"] = object!(604_800);
    assert_eq!(post_token(&zendesk, &body).await.status(), 201);
}

#[tokio::test]
async fn a_test_can_grant_shorter_lifetimes() {
    let zendesk = Zendesk::builder()
        .granted_access_ttl(Duration::from_secs(3))
        .granted_refresh_ttl(Duration::from_secs(60))
        .start()
        .await
        .unwrap();
    let answer = log_in(&zendesk).await;
    assert_eq!(answer["expires_in"], 3);
    assert_eq!(answer["refresh_token_expires_in"], 60);
    zendesk.move_clock(SignedDuration::from_secs(3));
    assert_eq!(
        status_with(&zendesk, text(&answer["access_token"])).await,
        401
    );
}

#[tokio::test]
async fn a_code_is_good_once() {
    let zendesk = Zendesk::start().await.unwrap();
    let body = exchange_of(&code(&zendesk).await);
    let first = json(&post_token(&zendesk, &body).await);
    let reply = post_token(&zendesk, &body).await;
    assert_eq!(refusal(&reply), (400, "invalid_grant".to_owned()));
    let description = json(&reply)["error_description"].clone();
    assert!(text(&description).starts_with("The provided access grant is invalid, expired"));
    assert_eq!(
        status_with(&zendesk, text(&first["access_token"])).await,
        200
    );
}

#[tokio::test]
async fn a_code_is_good_for_120_seconds() {
    let zendesk = Zendesk::start().await.unwrap();
    let (in_time, too_late) = (code(&zendesk).await, code(&zendesk).await);
    zendesk.move_clock(SignedDuration::from_secs(115));
    assert_eq!(
        post_token(&zendesk, &exchange_of(&in_time)).await.status(),
        201
    );
    zendesk.move_clock(SignedDuration::from_secs(10));
    let reply = post_token(&zendesk, &exchange_of(&too_late)).await;
    assert_eq!(refusal(&reply), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn verifier_redirect_uri_and_client_must_be_those_of_the_code() {
    let zendesk = Zendesk::start().await.unwrap();
    let code = code(&zendesk).await;
    for (name, wrong, error) in [
        (
            "code_verifier",
            object!("x".repeat(43)),
            (400, "invalid_grant"),
        ),
        ("code_verifier", object!(null), (400, "invalid_grant")),
        (
            "redirect_uri",
            object!("http://127.0.0.1:18485/callback"),
            (400, "invalid_grant"),
        ),
        ("redirect_uri", object!(null), (400, "invalid_grant")),
        ("code", object!("x"), (400, "invalid_grant")),
        ("client_id", object!("nobody"), (401, "invalid_client")),
        (
            "grant_type",
            object!("password"),
            (400, "unsupported_grant_type"),
        ),
        ("grant_type", object!(null), (400, "invalid_request")),
    ] {
        let mut body = exchange_of(&code);
        body[name] = wrong.clone();
        let reply = post_token(&zendesk, &body).await;
        assert_eq!(
            refusal(&reply),
            (error.0, error.1.to_owned()),
            "{name} {wrong}"
        );
    }
    assert_eq!(
        post_token(&zendesk, &exchange_of(&code)).await.status(),
        201
    );
}

#[tokio::test]
async fn a_scope_above_the_clients_ceiling_is_invalid_scope() {
    let zendesk = Zendesk::start().await.unwrap();
    let code = code(&zendesk).await;
    zendesk.set_allowed_scopes(&["read"]);
    let reply = post_token(&zendesk, &exchange_of(&code)).await;
    assert_eq!(refusal(&reply), (400, "invalid_scope".to_owned()));
    assert!(zendesk.tokens().is_empty());
}

#[tokio::test]
async fn access_tokens_are_jwts_or_opaque() {
    let zendesk = Zendesk::start().await.unwrap();
    assert_eq!(zendesk.issue_tokens(&["read"]).access.split('.').count(), 3);
    let zendesk = Zendesk::builder().token_format(TokenFormat::Opaque);
    let zendesk = zendesk.start().await.unwrap();
    assert_eq!(zendesk.issue_tokens(&["read"]).access.len(), 64);
}

#[tokio::test]
async fn odd_answers_can_be_had() {
    let zendesk = Zendesk::start().await.unwrap();
    zendesk.set_malformed(Malformed::ExpiresInAsText);
    assert_eq!(log_in(&zendesk).await["expires_in"], "172800");
    zendesk.set_malformed(Malformed::NoExpiresIn);
    assert_eq!(log_in(&zendesk).await.get("expires_in"), None);
    zendesk.set_malformed(Malformed::ExpiresInAlways);
    let mut body = exchange_of(&code(&zendesk).await);
    body.as_object_mut().unwrap().remove("expires_in");
    assert_eq!(json(&post_token(&zendesk, &body).await)["expires_in"], 1800);
    zendesk.set_malformed(Malformed::NoScope);
    assert_eq!(log_in(&zendesk).await.get("scope"), None);
    zendesk.set_malformed(Malformed::edited(|answer| {
        answer.insert("token_type".to_owned(), object!("mac"));
    }));
    assert_eq!(log_in(&zendesk).await["token_type"], "mac");
    zendesk.set_malformed(Malformed::Padding(100_000));
    let reply = post_token(&zendesk, &exchange_of(&code(&zendesk).await)).await;
    assert!(reply.body().len() > 100_000 && json(&reply)["access_token"].is_string());
    zendesk.set_malformed(Malformed::ContentType("text/html".to_owned()));
    let reply = post_token(&zendesk, &exchange_of(&code(&zendesk).await)).await;
    assert_eq!(reply.headers()["content-type"], "text/html");
    zendesk.set_malformed(None);
    assert_eq!(log_in(&zendesk).await["expires_in"], 172_800);
}
