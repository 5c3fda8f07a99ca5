//! Requests that should carry no credentials: `X-Loopdesk-Auth: off`.

use loopdesk_tests::Raw;
use loopdesk_tests::zendesk::{Credential, Record};

use super::{ME, Scene, TICKETS, basic, bearer, told};

const OFF: &str = "X-Loopdesk-Auth: off\r\n";

fn is_anonymous(record: &Record) -> bool {
    let told = record.headers.keys().map(http::HeaderName::as_str);
    let told: Vec<_> = told
        .filter(|name| name.contains("loopdesk") || name.contains("cookie"))
        .collect();
    record.credential == Credential::None
        && told.is_empty()
        && !record.target().contains("access_token")
}

#[tokio::test]
async fn s1_a_request_that_wants_no_credential_has_none() {
    let scene = Scene::set().await;
    let me = format!("GET {ME}?access_token=of-the-script");
    let own = [
        "",
        "Authorization: Bearer of-the-script\r\n",
        "Authorization: Basic bWVAZXhhbXBsZS5jb20vdG9rZW46eA==\r\nCookie: session=1\r\n",
    ];
    for headers in own {
        let answer = scene.asks(&me, &format!("{headers}{OFF}"), "").await;
        answer.is(200, "");
        assert!(answer.body.contains("\"Anonymous user\""), "{answer:?}");
    }
    // Products with credentials of their own are no exception.
    let chat = format!("{}{OFF}", own[1]);
    let answer = scene.asks("GET /api/v2/chat/agents", &chat, "").await;
    answer.is(401, "");
    // Zendesk's refusal of an anonymous visitor says nothing about the session.
    scene
        .asks(&format!("GET {TICKETS}"), OFF, "")
        .await
        .is(401, "");
    let form = "{\"request\":{\"subject\":\"s\",\"comment\":{\"body\":\"b\"}}}";
    let line = "POST /api/v2/requests.json";
    let kind = format!("Content-Type: application/json\r\n{OFF}");
    assert_ne!(scene.asks(line, &kind, form).await.status, 0);
    let records = scene.stage.zendesk.requests();
    assert_eq!(records.len(), 6, "{records:?}");
    assert!(records.iter().all(is_anonymous), "{records:?}");

    // On the same connection, the next request is the person's again.
    let mut raw = Raw::connect(scene.stage.port).await;
    for (headers, name) in [
        (OFF, "Anonymous user"),
        ("", "Ada Admin"),
        (OFF, "Anonymous"),
    ] {
        let line = format!("GET {ME}");
        let answer = told(&mut raw, scene.stage.port, &line, headers, "").await;
        assert!(answer.body.contains(name), "{answer:?}");
    }
}

#[tokio::test]
async fn s1_no_other_word_is_taken_for_off() {
    let scene = Scene::set().await;
    for value in ["on", "", "of", "off, on", "none"] {
        let header = format!("X-Loopdesk-Auth: {value}\r\n");
        let answer = scene.asks(&format!("GET {ME}"), &header, "").await;
        answer.is(400, "bad-request");
        assert!(answer.description().contains("`off`"), "{answer:?}");
    }
    assert!(scene.stage.zendesk.requests().is_empty());
}

#[tokio::test]
async fn d2_a_keys_rights_hold_for_what_it_sends_anonymously() {
    let scene = Scene::locked().await;
    let line = format!("GET {ME}");
    scene.asks(&line, OFF, "").await.is(401, "key-needed");
    let key = scene.key("reader", &["users:read"]).await;
    for credential in [bearer(&key), basic("me@example.com/token", &key)] {
        let headers = format!("{credential}{OFF}");
        let answer = scene.asks(&line, &headers, "").await;
        answer.is(200, "");
        assert!(answer.body.contains("Anonymous user"), "{answer:?}");
        for refused in [
            format!("GET {TICKETS}"),
            "POST /api/v2/requests.json".to_owned(),
        ] {
            let answer = scene.asks(&refused, &headers, "").await;
            assert_eq!(answer.status, 403, "{answer:?}");
        }
    }
    let records = scene.stage.zendesk.requests();
    assert_eq!(records.len(), 2, "{records:?}");
    assert!(records.iter().all(is_anonymous), "{records:?}");
}

#[tokio::test]
async fn s1_an_anonymous_request_needs_no_session() {
    let stage = crate::stage().await;
    let _daemon = stage.daemon().await;
    let curl = ["-H", "X-Loopdesk-Auth: off"];
    let me = stage.curl(ME, &curl).await.ok().json();
    assert_eq!(me["user"]["name"], "Anonymous user");
    assert_eq!(stage.get(ME).await.0, 401, "nobody is logged in");
}
