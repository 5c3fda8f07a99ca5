//! The token endpoint's answers, good, odd and foreign, and what each one means (R4).

use std::time::Duration;

use ::http::StatusCode;

use super::*;

/// What [`TokenEndpoint::refresh`] makes of this answer.
fn answer(status: u16, body: &str) -> TokenOutcome {
    let mut response = Response::new(body.to_owned().into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response::read(&response, &account(), Timestamp::UNIX_EPOCH)
}

fn account() -> Account {
    crate::session::testing::account("acme", "https://acme.zendesk.com")
}

#[test]
fn tokens_are_granted_in_any_plausible_types() {
    let cases = [
        (
            201,
            r#"{"access_token":"a","refresh_token":"b","token_type":"bearer","expires_in":60,"refresh_token_expires_in":90,"scope":"read write"}"#,
        ),
        (
            200,
            r#"{"access_token":"a","refresh_token":"b","token_type":"Bearer","expires_in":"60","refresh_token_expires_in":"90","scope":["read","write"]}"#,
        ),
        (
            200,
            r#"{"access_token":"a","refresh_token":"b","expires_in":60.0,"refresh_token_expires_in":90,"scope":"read write","user":{"id":1}}"#,
        ),
    ];
    for (status, body) in cases {
        let TokenOutcome::Granted(grant) = answer(status, body) else {
            panic!("{body}");
        };
        assert_eq!(grant.access.expose_secret(), "a");
        assert_eq!(grant.refresh.unwrap().expose_secret(), "b");
        assert_eq!(grant.expires_in, Some(Duration::from_secs(60)));
        assert_eq!(grant.refresh_expires_in, Some(Duration::from_secs(90)));
        assert_eq!(grant.scopes.unwrap(), ["read", "write"]);
    }
}

#[test]
fn an_implausible_lifetime_is_ignored() {
    for odd in ["0", "-5", "1e12", "null", "\"soon\"", "[1]", "0.2"] {
        let body = format!(r#"{{"access_token":"a","refresh_token":"b","expires_in":{odd}}}"#);
        let TokenOutcome::Granted(grant) = answer(200, &body) else {
            panic!("{odd}: an answer with both tokens is never dropped");
        };
        assert_eq!(grant.expires_in, None, "{odd}");
    }
}

#[test]
fn r4_only_invalid_grant_ends_a_session() {
    let body = r#"{"error":"invalid_grant","error_description":"Token has been revoked."}"#;
    assert!(matches!(answer(400, body), TokenOutcome::InvalidGrant(_)));
    assert!(matches!(answer(401, body), TokenOutcome::InvalidGrant(_)));
    for status in [200, 302, 403, 404, 407, 408, 429, 500, 502, 503] {
        let found = answer(status, body);
        assert!(
            !matches!(found, TokenOutcome::InvalidGrant(_)),
            "{status}: {found:?}"
        );
    }
}

#[test]
fn r4_definite_refusals_block() {
    let cases = [
        (400, r#"{"error":"invalid_client"}"#, "invalid_client"),
        (401, r#"{"error":"invalid_client"}"#, "invalid_client"),
        (
            400,
            r#"{"error":"unauthorized_client"}"#,
            "unauthorized_client",
        ),
        (400, r#"{"error":"invalid_scope"}"#, "invalid_scope"),
        (403, r#"{"error":"Forbidden"}"#, "403"),
        (
            400,
            r#"{"error":{"title":"No such thing","message":"m"}}"#,
            "No such thing",
        ),
        (422, r#"{"message":"no"}"#, "422"),
    ];
    for (status, body, named) in cases {
        let TokenOutcome::Refused(rejection) = answer(status, body) else {
            panic!("{status} {body}");
        };
        assert!(
            rejection.why.contains(named) && !rejection.fix.is_empty(),
            "{rejection:?}"
        );
    }
}

#[test]
fn r4_portals_proxies_and_outages_are_inconclusive() {
    let html = "<html><title>Welcome to Hotel Wi-Fi</title></html>";
    let cases = [
        (200, html),
        (200, ""),
        (200, "{}"),
        (200, r#"{"access_token":"","refresh_token":"b"}"#),
        (302, html),
        (403, html),
        (400, html),
        (404, html),
        (407, "{}"),
        (407, r#"{"error":"invalid_client"}"#),
        (408, ""),
        (429, r#"{"error":"TooManyRequests"}"#),
        (500, r#"{"error":"invalid_client"}"#),
        (502, html),
        (503, ""),
    ];
    for (status, body) in cases {
        let found = answer(status, body);
        assert!(
            matches!(found, TokenOutcome::Transient { .. }),
            "{status} {body}: {found:?}"
        );
    }
}

#[test]
fn d4_a_token_that_would_split_a_header_is_an_error_without_the_token() {
    let body = r#"{"access_token":"s3cret\r\nX-Evil: 1","refresh_token":"b"}"#;
    let found = answer(200, body);
    assert!(matches!(found, TokenOutcome::Transient { .. }), "{found:?}");
    assert!(!format!("{found:?}").contains("s3cret"));
}

#[test]
fn the_authorize_url_has_what_zendesk_requires() {
    let login = Authorization::new(&account(), "http://127.0.0.1:18484/callback").unwrap();
    let (base, query) = login.url.split_once('?').unwrap();
    assert_eq!(base, "https://acme.zendesk.com/oauth/authorizations/new");
    let query: std::collections::BTreeMap<_, _> =
        url::form_urlencoded::parse(query.as_bytes()).collect();
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["client_id"], "loopdesk");
    assert_eq!(query["redirect_uri"], "http://127.0.0.1:18484/callback");
    assert_eq!(query["scope"], "read write");
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["code_challenge"].len(), 43);
    assert_eq!(query["state"], login.state.expose_secret());
    let again = Authorization::new(&account(), "http://127.0.0.1:18484/callback").unwrap();
    assert_ne!(again.state.expose_secret(), login.state.expose_secret());
    assert!(!format!("{login:?}").contains(login.state.expose_secret()));
}
