//! Shared by the tests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use loopdesk_tests::zendesk::{Caller, Decision, Reply, Zendesk, json};
use serde_json::{Value, json as object};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:18484/callback";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A simulation and a caller with an access token for the scopes `read write`.
pub(crate) async fn signed_in() -> (Zendesk, Caller) {
    let zendesk = Zendesk::start().await.unwrap();
    let caller = with_scopes(&zendesk, &["read", "write"]);
    (zendesk, caller)
}

/// A caller with a new access token for these scopes.
pub(crate) fn with_scopes(zendesk: &Zendesk, scopes: &[&str]) -> Caller {
    let tokens = zendesk.issue_tokens(scopes);
    zendesk.caller().unwrap().bearer(&tokens.access)
}

/// An authorize URL as loopdesk builds it, with some parameters changed or (`None`) left out.
pub(crate) fn authorize_url(zendesk: &Zendesk, changes: &[(&str, Option<&str>)]) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", zendesk.client_id()),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "read write"),
        ("state", "some state&more"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        parameters.retain(|(known, _)| known != name);
        parameters.extend(value.map(|value| (*name, value)));
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    format!("{}/oauth/authorizations/new?{query}", zendesk.origin())
}

/// A parameter from the query of a redirect's address.
pub(crate) fn parameter(location: &str, name: &str) -> Option<String> {
    let (_, query) = location.split_once('?')?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// A fresh authorization code.
pub(crate) async fn code(zendesk: &Zendesk) -> String {
    let url = authorize_url(zendesk, &[]);
    let location = zendesk.consent(&url, Decision::Allow).await.unwrap();
    parameter(&location, "code").unwrap()
}

/// The body of a code exchange as loopdesk sends it.
pub(crate) fn exchange_of(code: &str) -> Value {
    object!({
        "grant_type": "authorization_code",
        "code": code,
        "client_id": "loopdesk",
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
        "expires_in": 172_800,
        "refresh_token_expires_in": 7_776_000,
    })
}

/// The body of a refresh as loopdesk sends it.
pub(crate) fn refresh_of(refresh_token: &str) -> Value {
    object!({
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
        "client_id": "loopdesk",
        "expires_in": 172_800,
        "refresh_token_expires_in": 7_776_000,
    })
}

pub(crate) async fn post_token(zendesk: &Zendesk, body: &Value) -> Reply {
    let caller = zendesk.caller().unwrap();
    caller.post("/oauth/tokens", body).await.unwrap()
}

/// A whole login; returns the response with the tokens.
pub(crate) async fn log_in(zendesk: &Zendesk) -> Value {
    let reply = post_token(zendesk, &exchange_of(&code(zendesk).await)).await;
    assert_eq!(reply.status(), 201);
    json(&reply)
}

/// Status and `error` of a response.
pub(crate) fn refusal(reply: &Reply) -> (u16, String) {
    let error = json(reply)["error"].as_str().unwrap_or("").to_owned();
    (reply.status().as_u16(), error)
}

pub(crate) fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    let value = reply.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

/// The state of an access token, found by calling the API.
pub(crate) async fn status_with(zendesk: &Zendesk, access_token: &str) -> u16 {
    let caller = zendesk.caller().unwrap().bearer(access_token);
    let reply = caller.get("/api/v2/tickets.json").await.unwrap();
    reply.status().as_u16()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
