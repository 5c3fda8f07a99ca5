//! The authorization page. ZENDESK.md: Authorization page, Clients and redirect URIs

use loopdesk_tests::zendesk::{Client, Decision, Zendesk, users};

use crate::support::{authorize_url, code, exchange_of, parameter, post_token, refusal};

#[tokio::test]
async fn allow_redirects_with_code_and_state() {
    let zendesk = Zendesk::start().await.unwrap();
    let url = authorize_url(&zendesk, &[]);
    let location = zendesk.consent(&url, Decision::Allow).await.unwrap();
    assert!(location.starts_with("http://127.0.0.1:18484/callback?code="));
    assert_eq!(parameter(&location, "state").unwrap(), "some state&more");
}

#[tokio::test]
async fn deny_redirects_with_access_denied_and_state() {
    let zendesk = Zendesk::start().await.unwrap();
    let url = authorize_url(&zendesk, &[]);
    let location = zendesk.consent(&url, Decision::Deny).await.unwrap();
    assert_eq!(parameter(&location, "error").unwrap(), "access_denied");
    assert!(parameter(&location, "error_description").is_some());
    assert_eq!(parameter(&location, "state").unwrap(), "some state&more");
    assert_eq!(parameter(&location, "code"), None);
}

#[tokio::test]
async fn the_page_is_a_form_with_two_buttons_that_works_once() {
    let zendesk = Zendesk::start().await.unwrap();
    let caller = zendesk.caller().unwrap();
    let page = caller.get(&authorize_url(&zendesk, &[])).await.unwrap();
    assert_eq!(page.status(), 200);
    let page = String::from_utf8(page.body().to_vec()).unwrap();
    assert!(page.contains("<button type=\"submit\" name=\"decision\" value=\"allow\">Allow"));
    assert!(page.contains("<button type=\"submit\" name=\"decision\" value=\"deny\">Deny"));
    let token = page.split("name=\"authenticity_token\" value=\"").nth(1);
    let token = token.unwrap().split('"').next().unwrap();
    let fields = [("authenticity_token", token), ("decision", "allow")];
    let first = caller.post_form("/oauth/authorizations", &fields);
    assert_eq!(first.await.unwrap().status(), 302);
    let second = caller.post_form("/oauth/authorizations", &fields);
    assert_eq!(second.await.unwrap().status(), 400);
}

#[tokio::test]
async fn an_unknown_client_is_a_400_page_and_no_redirect() {
    let zendesk = Zendesk::start().await.unwrap();
    let url = authorize_url(&zendesk, &[("client_id", Some("nobody"))]);
    let page = zendesk.caller().unwrap().get(&url).await.unwrap();
    assert_eq!(page.status(), 400);
    assert!(!page.headers().contains_key("location"));
    let text = String::from_utf8(page.body().to_vec()).unwrap();
    assert!(text.contains("Invalid Authorization Request") && text.contains("No such client"));
    let error = zendesk.consent(&url, Decision::Allow).await.unwrap_err();
    assert!(error.to_string().contains("No such client"), "{error}");
}

#[tokio::test]
async fn redirect_uris_match_byte_for_byte() {
    let zendesk = Zendesk::start().await.unwrap();
    for wrong in [
        "http://127.0.0.1:18484/callback/",
        "http://localhost:18484/callback",
        "http://127.0.0.1:18487/callback",
        "",
    ] {
        let url = authorize_url(&zendesk, &[("redirect_uri", Some(wrong))]);
        let error = zendesk.consent(&url, Decision::Allow).await.unwrap_err();
        assert!(
            error.to_string().contains("redirect URI"),
            "{wrong}: {error}"
        );
    }
}

#[tokio::test]
async fn further_redirect_uris_can_be_registered() {
    let zendesk = Zendesk::start().await.unwrap();
    let other = "http://127.0.0.1:9/other";
    let url = authorize_url(&zendesk, &[("redirect_uri", Some(other))]);
    zendesk.register_redirect_uri(other);
    let location = zendesk.consent(&url, Decision::Allow).await.unwrap();
    assert!(location.starts_with(other));

    let any = "http://127.0.0.1:4711/callback";
    let url = authorize_url(&zendesk, &[("redirect_uri", Some(any))]);
    zendesk.consent(&url, Decision::Allow).await.unwrap_err();
    zendesk.accept_any_loopback_port(true);
    let location = zendesk.consent(&url, Decision::Allow).await.unwrap();
    assert!(location.starts_with(any));
}

#[tokio::test]
async fn a_public_client_must_use_pkce_with_s256() {
    let zendesk = Zendesk::start().await.unwrap();
    for changes in [
        [("code_challenge", None), ("code_challenge_method", None)],
        [("code_challenge_method", Some("plain")), ("x", None)],
        [("code_challenge", Some("short")), ("x", None)],
    ] {
        let url = authorize_url(&zendesk, &changes);
        zendesk.consent(&url, Decision::Allow).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_confidential_client_may_show_its_secret_instead_of_pkce() {
    let client = Client::confidential("server", "s3cret").redirect_uri("https://example.com/cb");
    let zendesk = Zendesk::builder().client(client).start().await.unwrap();
    let url = authorize_url(
        &zendesk,
        &[
            ("client_id", Some("server")),
            ("redirect_uri", Some("https://example.com/cb")),
            ("code_challenge", None),
            ("code_challenge_method", None),
        ],
    );
    let location = zendesk.consent(&url, Decision::Allow).await.unwrap();
    let code = parameter(&location, "code").unwrap();
    let mut body = serde_json::json!({
        "grant_type": "authorization_code", "code": code, "client_id": "server",
        "redirect_uri": "https://example.com/cb",
    });
    let reply = post_token(&zendesk, &body).await;
    assert_eq!(refusal(&reply), (401, "invalid_client".to_owned()));
    body["client_secret"] = serde_json::json!("s3cret");
    assert_eq!(post_token(&zendesk, &body).await.status(), 201);
}

#[tokio::test]
async fn the_consenting_user_is_who_the_token_is_for() {
    let zendesk = Zendesk::start().await.unwrap();
    for user in [users::ADMIN, users::AGENT] {
        zendesk.set_consenting_user(user);
        let code = code(&zendesk).await;
        assert_eq!(
            post_token(&zendesk, &exchange_of(&code)).await.status(),
            201
        );
        assert_eq!(zendesk.tokens().last().unwrap().user, user);
    }
}

#[tokio::test]
async fn a_suspended_user_cannot_consent() {
    let zendesk = Zendesk::start().await.unwrap();
    zendesk.suspend_user(users::ADMIN);
    let url = authorize_url(&zendesk, &[]);
    let error = zendesk.consent(&url, Decision::Allow).await.unwrap_err();
    assert!(error.to_string().contains("suspended"), "{error}");
}
