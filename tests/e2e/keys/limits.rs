//! The limits that the machine's administrator sets for keys, and the read-only token pair.

use loopdesk_protocol::key::{self, Create, Created, KeyState, RightsText};
use loopdesk_tests::zendesk::{Answer, Fault};
use loopdesk_tests::{Failpoints, Stage};

use super::{ME, Scene, TICKETS, bearer};

/// A test environment whose machine-wide configuration contains `limits`.
async fn limited(limits: &str) -> Option<(Stage, Failpoints)> {
    let mut stage = super::super::stage().await;
    let points = Failpoints::of(&mut stage.home)?;
    points.set_clock(0);
    let folder = stage.home.path().join("failpoints/etc");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), limits).unwrap();
    Some((stage, points))
}

fn asked(name: &str, scopes: &[&str], expires_in: Option<u64>) -> Create {
    Create {
        name: name.to_owned(),
        rights: RightsText {
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            ..RightsText::default()
        },
        expires_in,
        ..Create::default()
    }
}

#[tokio::test]
async fn d2_the_machine_limits_what_keys_may_do_and_for_how_long() {
    let limits = "max-key-scope = [\"read\"]\nmax-key-age = \"10d\"\n";
    let Some((stage, points)) = limited(limits).await else {
        return;
    };
    let scene = Scene::on(stage).await;
    for (asked, word) in [
        (asked("writer", &["read", "write"], None), "`max-key-scope`"),
        (
            asked("tickets", &["tickets:write"], None),
            "`max-key-scope`",
        ),
        (asked("old", &["read"], Some(11 * 86_400)), "`max-key-age`"),
    ] {
        let refused: Result<Created, _> = scene.stage.control().post(key::CREATE, &asked).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
    }
    // A narrower scope is within the limit; without an age, the key lives as long as allowed.
    let made = scene.made(&asked("reader", &["tickets:read"], None)).await;
    assert!(made.key.expires_at.is_some(), "{made:?}");
    let key = made.secret.expose();
    scene.gets(TICKETS, key).await.is(200, "");
    points.set_clock(11 * 86_400_000);
    scene.gets(TICKETS, key).await.is(401, "key-expired");
}

#[tokio::test]
async fn d2_a_limit_holds_for_keys_that_were_there_before_it() {
    let Some((stage, points)) = limited("").await else {
        return;
    };
    let scene = Scene::on(stage).await;
    let made = scene.made(&asked("writer", &["read", "write"], None)).await;
    let key = made.secret.expose();
    let post = "{\"ticket\":{\"subject\":\"s\",\"comment\":{\"body\":\"b\"}}}";
    let json = format!("{}Content-Type: application/json\r\n", bearer(key));
    let answer = scene.asks(&format!("POST {TICKETS}"), &json, post).await;
    answer.is(201, "");
    let file = scene.stage.home.path().join("failpoints/etc/config.toml");
    std::fs::write(&file, "max-key-scope = [\"read\"]\n").unwrap();
    scene.stage.home.loopdesk(["config", "reload"]).await.ok();
    scene.seen();
    let answer = scene.asks(&format!("POST {TICKETS}"), &json, post).await;
    answer.is(403, "key-denied");
    assert_eq!(scene.seen(), Vec::<String>::new());
    scene.gets(ME, key).await.is(200, "");
    assert_eq!(scene.shown("writer").await.state, KeyState::Limited);

    points.set_clock(11 * 86_400_000);
    scene.gets(ME, key).await.is(200, "");
    std::fs::write(&file, "max-key-age = \"10d\"\n").unwrap();
    scene.stage.home.loopdesk(["config", "reload"]).await.ok();
    scene.gets(ME, key).await.is(401, "key-expired");
}

#[tokio::test]
async fn d3_a_key_that_only_reads_uses_the_pair_that_can_not_write() {
    let scene = Scene::configured("", "read-only-grant = true").await;
    let reader = scene.key("reader", &["read"]).await;
    let writer = scene.key("writer", &["read", "write"]).await;
    let scopes = async |key: &str| {
        scene.stage.zendesk.clear();
        scene.gets(ME, key).await.is(200, "");
        let sent = scene.stage.zendesk.requests().remove(0);
        let sent = sent.header("authorization").unwrap().replace("Bearer ", "");
        let tokens = scene.stage.zendesk.tokens();
        let pair = tokens.iter().find(|pair| pair.access == sent).unwrap();
        pair.scopes.clone()
    };
    assert_eq!(scopes(&reader).await, ["read"]);
    assert_eq!(scopes(&writer).await, ["read", "write"]);
}

#[tokio::test]
async fn d3_a_key_that_only_reads_waits_for_the_pair_that_can_not_write() {
    let scene = Scene::set().await;
    let reader = scene.key("reader", &["read"]).await;
    let writer = scene.key("writer", &["read", "write"]).await;
    scene.gets(ME, &reader).await.is(200, "");
    let home = &scene.stage.home;
    let set = ["account", "set", "acme", "read-only-grant", "true"];
    home.loopdesk(set).await.ok();
    drop(scene.seen());
    let answer = scene.gets(ME, &reader).await;
    answer.is(503, "session-unavailable");
    let said = answer.description();
    assert!(said.contains("`loopdesk login acme`"), "{said}");
    assert_eq!(scene.seen(), Vec::<String>::new());
    scene.gets(ME, &writer).await.is(200, "");
    let unset = ["account", "set", "acme", "read-only-grant", "false"];
    home.loopdesk(unset).await.ok();
    scene.gets(ME, &reader).await.is(200, "");
}

#[tokio::test]
async fn d2_what_a_rule_denies_is_found_in_no_other_way_and_that_is_said() {
    let scene = Scene::set().await;
    let create = [
        "key",
        "create",
        "reader",
        "--scope",
        "read",
        "--deny",
        "GET /api/v2/users/**",
    ];
    let made = scene.stage.home.loopdesk(create).await.ok();
    let key = made.stdout.trim().to_owned();
    scene.stage.home.is_secret("a local key", &key);
    assert!(
        made.stderr.contains("GET /api/v2/deleted_users"),
        "{}",
        made.stderr
    );
    drop(scene.seen());
    for path in [
        "/api/v2/users.json",
        "/api/v2/Users.json",
        "/api/v1/users.json",
        "/api/v2/unheard_of",
        "/api/v2/search.json?query=type:user",
        "/api/v2/incremental/users/cursor.json?start_time=1",
        "/api/v2/tickets.json?include=users",
    ] {
        scene.gets(path, &key).await.is(403, "key-denied");
    }
    assert_eq!(scene.seen(), Vec::<String>::new());
    scene.gets(TICKETS, &key).await.is(200, "");
    let status = scene.stage.home.loopdesk(["status"]).await.ok().stdout;
    assert!(
        !status.contains("`deny` rule"),
        "it was said when the key was made: {status}"
    );
}

#[tokio::test]
async fn o3_status_names_once_the_keys_of_earlier_releases_whose_rules_deny_more() {
    let Some((stage, points)) = limited("").await else {
        return;
    };
    let scene = Scene::on(stage).await;
    let deny = ["GET /api/v2/users/**"];
    let release: jiff::Timestamp = "2026-11-29T00:00:00Z".parse().unwrap();
    let ago = loopdeskd::clock::Clock::system().now().as_millisecond() - release.as_millisecond();
    points.set_clock(-ago);
    for (name, deny) in [("old", &deny[..]), ("older", &deny), ("plain", &[])] {
        drop(scene.create(name, &["tickets:read"], &[], deny).await);
    }
    points.set_clock(0);
    drop(scene.create("new", &["tickets:read"], &[], &deny).await);
    let status = scene.stage.home.loopdesk(["status"]).await.stdout;
    assert_eq!(status.matches("`old`, `older`").count(), 1, "{status}");
    assert!(!status.contains("`new`"), "{status}");
    let revoke = ["key", "revoke", "old", "older"];
    scene.stage.home.loopdesk(revoke).await.ok();
    let status = scene.stage.home.loopdesk(["status"]).await.stdout;
    assert!(!status.contains("`deny` rule"), "{status}");
}

#[tokio::test]
async fn d2_no_side_load_comes_in_by_a_body() {
    let scene = Scene::set().await;
    let key = scene.key("tickets", &["tickets:read"]).await;
    let preview = "POST /api/v2/views/preview.json";
    for (kind, body) in [
        ("application/json", "{\"include\":\"users\"}"),
        ("application/x-www-form-urlencoded", "include=users"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"include\"\r\n\r\nusers\r\n--b--\r\n",
        ),
    ] {
        let headers = format!("{}Content-Type: {kind}\r\n", bearer(&key));
        scene
            .asks(preview, &headers, body)
            .await
            .is(403, "key-denied");
    }
    assert_eq!(scene.seen(), Vec::<String>::new());
    let headers = format!("{}Content-Type: application/json\r\n", bearer(&key));
    let answer = scene
        .asks(preview, &headers, "{\"include\":\"comment_count\"}")
        .await;
    assert_eq!(answer.code, "", "{answer:?}");
    drop(scene.seen());
}

#[tokio::test]
async fn d3_zendesks_own_refusal_reaches_the_script_as_it_is() {
    let scene = Scene::set().await;
    let key = scene.key("reader", &["read"]).await;
    let forbidden = Answer::json(403, &serde_json::json!({"error": "Forbidden"}));
    let fault = scene
        .stage
        .zendesk
        .fault(Fault::on("GET", TICKETS).answer(forbidden));
    let answer = scene.gets(TICKETS, &key).await;
    answer.is(403, "");
    assert!(answer.challenges.is_empty(), "{answer:?}");
    fault.remove();
}
