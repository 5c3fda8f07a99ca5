//! Zendesk refuses: how each cause is named, who must act, and what scripts see (R4, O3).

use jiff::{SignedDuration, Timestamp};
use loopdesk_protocol::status::{AccountStatus, State};
use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::{Answer, Fault, Record, users};
use loopdesk_tests::{Daemon, Stage};

use super::{stage, stage_with_ttl};

const ME: &str = "/api/v2/users/me.json";
const PROBE: &str = "/api/v2/oauth/tokens/current";

/// Asserts that a script is refused with this status and these words.
async fn script_sees(stage: &Stage, status: u16, words: &[&str]) {
    let (found, body) = stage.get_json(ME).await;
    assert_eq!(found, status, "{body}");
    let told = body["description"].as_str().unwrap();
    for words in words {
        assert!(told.contains(words), "{words:?} in {told}");
    }
}

/// Asserts what `status` says about the account, as JSON and as text.
async fn status_says(stage: &Stage, state: State, words: &[&str]) -> AccountStatus {
    let account = stage.acme().await;
    assert_eq!(account.state, state, "{account:?}");
    let page = stage.home.loopdesk(["status"]).await.failed(1);
    let page = format!("{}{}", page.stdout, page.stderr);
    for words in words {
        assert!(page.contains(words), "{words:?} in {page}");
    }
    account
}

fn posts(records: &[Record]) -> usize {
    records.iter().filter(|r| r.token_post.is_some()).count()
}

/// Makes the daily probe due now, as if the daemon had last asked days ago.
async fn probe_is_due(stage: &Stage, daemon: Daemon) -> Daemon {
    let note = stage.home.paths().sessions_dir().join("acme.health");
    eventually("the probe is noted", async || note.exists()).await;
    daemon.stop().await;
    let text = std::fs::read_to_string(&note).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let due: Timestamp = json["due"].as_str().unwrap().parse().unwrap();
    let in_a_day = due.duration_since(stage.zendesk.now());
    assert!(in_a_day > SignedDuration::from_hours(23), "{in_a_day:?}");
    json["due"] = (due - SignedDuration::from_hours(72)).to_string().into();
    std::fs::write(&note, json.to_string()).unwrap();
    let daemon = stage.daemon().await;
    stage
        .zendesk_sees(|records| records.iter().any(|r| r.is("GET", PROBE)))
        .await;
    daemon
}

#[tokio::test]
async fn r4_a_deleted_client_blocks_and_names_the_admin() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.delete_client("loopdesk");
    let words = ["OAuth client `loopdesk`", "ask a Zendesk admin"];
    script_sees(&stage, 503, &words).await;
    status_says(&stage, State::Blocked, &words).await;
    let wait = ["wait", "--timeout", "1s"];
    let waited = stage.home.loopdesk(wait).await.failed(8);
    for words in words {
        assert!(waited.stderr.contains(words), "{waited:?}");
    }
    // At most once an hour, however often scripts ask.
    let before = posts(&stage.zendesk.requests());
    for _ in 0..5 {
        script_sees(&stage, 503, &words).await;
    }
    assert_eq!(posts(&stage.zendesk.requests()), before);
    let record = stage.home.paths().sessions_dir().join("acme.session");
    assert!(record.exists());
}

#[tokio::test]
async fn r4_a_revoked_token_ends_the_session_and_names_the_login() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.revoke_tokens();
    let words = ["an admin has revoked it", "loopdesk login"];
    script_sees(&stage, 401, &words).await;
    status_says(&stage, State::Ended, &words).await;
    let before = posts(&stage.zendesk.requests());
    script_sees(&stage, 401, &words).await;
    assert_eq!(posts(&stage.zendesk.requests()), before, "not one more");
    let wait = ["wait", "--timeout", "1s"];
    stage.home.loopdesk(wait).await.failed(4);
    stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn r4_a_suspended_user_is_told_apart_where_zendesk_tells() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.tell_suspension(true);
    stage.zendesk.suspend_user(users::ADMIN);
    assert_eq!(stage.get(ME).await.0, 403, "Zendesk's own, passed on");
    stage.home.loopdesk(["refresh"]).await.failed(5);
    let words = [
        "has suspended the user",
        "lift the suspension",
        "The user of this token is suspended.",
    ];
    let account = status_says(&stage, State::Blocked, &words).await;
    assert_eq!(account.generation, Some(1));
    stage.zendesk.unsuspend_user(users::ADMIN);
    stage.home.loopdesk(["refresh"]).await.ok();
    assert_eq!(stage.acme().await.state, State::Active);
}

#[tokio::test]
async fn r4_a_suspension_that_looks_like_a_revocation_is_named_among_the_causes() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.suspend_user(users::ADMIN);
    let words = ["suspended the user", "an admin can", "loopdesk login"];
    script_sees(&stage, 401, &words).await;
    status_says(&stage, State::Ended, &words).await;
}

#[tokio::test]
async fn r4_a_lower_scope_ceiling_blocks_and_names_the_scopes() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.set_allowed_scopes(&["read"]);
    stage.home.loopdesk(["refresh"]).await.failed(5);
    assert_eq!(stage.get(ME).await.0, 200, "served while the token lives");
    let words = ["`read write`", "allowed scopes", "invalid_scope"];
    status_says(&stage, State::Blocked, &words).await;
    stage.zendesk.expire_access_tokens();
    script_sees(&stage, 503, &words).await;
    stage.zendesk.set_allowed_scopes(&["read", "write"]);
    stage.home.loopdesk(["refresh"]).await.ok();
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn r4_a_refused_network_blocks_and_names_the_vpn() {
    let stage = stage_with_ttl(3).await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.refuse_network(true);
    // Zendesk's own 403 while the token lives, ours once it has expired.
    let is_over = async || stage.get(ME).await.0 == 503;
    eventually("the token has expired", is_over).await;
    script_sees(&stage, 503, &["this machine's network", "VPN"]).await;
    let words = ["VPN", "your IP address is restricted"];
    status_says(&stage, State::Blocked, &words).await;
    stage.zendesk.refuse_network(false);
    stage.home.loopdesk(["refresh"]).await.ok();
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn r4_single_sign_on_blocks_and_names_the_login() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.require_single_sign_on(true);
    stage.zendesk.expire_access_tokens();
    let words = ["single sign-on", "loopdesk login acme"];
    script_sees(&stage, 503, &words).await;
    status_says(&stage, State::Blocked, &words).await;
    stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn r4_the_daily_probe_shows_a_demotion_and_keeps_the_role() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    stage.zendesk.set_role(users::ADMIN, "agent");
    let daemon = probe_is_due(&stage, daemon).await;
    let is_shown = async || stage.acme().await.problem.is_some();
    eventually("the demotion is shown", is_shown).await;
    let words = [
        "is an agent in Zendesk now, and was an admin",
        "ask a Zendesk admin",
    ];
    let account = status_says(&stage, State::Active, &words).await;
    assert_eq!(account.person.unwrap().role.as_deref(), Some("agent"));

    // After a restart it is still known, and Zendesk isn't asked again.
    let asked = stage.zendesk.count(|r| r.is("GET", PROBE));
    daemon.stop().await;
    let _daemon = stage.daemon().await;
    eventually("the demotion is shown", is_shown).await;
    assert_eq!(stage.zendesk.count(|r| r.is("GET", PROBE)), asked);
}

#[tokio::test]
async fn r4_the_daily_probe_finds_a_refusal_before_a_script_does() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    stage.zendesk.tell_suspension(true);
    stage.zendesk.suspend_user(users::ADMIN);
    let _daemon = probe_is_due(&stage, daemon).await;
    let is_blocked = async || stage.acme().await.state == State::Blocked;
    eventually("the suspension is known", is_blocked).await;
    let words = ["has suspended the user", "lift the suspension"];
    status_says(&stage, State::Blocked, &words).await;
}

#[tokio::test]
async fn r4_d6_the_probe_makes_nothing_of_a_portal() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    let portal = Answer::html(403, "<html><title>Welcome to Hotel Wi-Fi</title></html>");
    let fault = Fault::on("GET", PROBE).answer(portal);
    let fault = stage.zendesk.fault(fault);
    let _daemon = probe_is_due(&stage, daemon).await;
    assert!(fault.hits() >= 1);
    assert_eq!(stage.get(ME).await.0, 200);
    let account = stage.acme().await;
    assert_eq!(account.state, State::Active);
    assert!(account.problem.is_none(), "{account:?}");
}

#[tokio::test]
async fn r4_d4_zendesks_words_are_shown_without_what_they_could_do() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let token = stage.zendesk.tokens()[0].refresh.clone().unwrap();
    let words = format!("\u{1b}[2J\u{202e}no {token} {}", "x".repeat(4000));
    let body = serde_json::json!({"error": "invalid_request", "error_description": words});
    let fault = Fault::on("POST", "/oauth/tokens").answer(Answer::json(400, &body));
    stage.zendesk.fault(fault);
    stage.home.loopdesk(["refresh"]).await.failed(5);
    let problem = stage.acme().await.problem.unwrap();
    let told = &problem.message;
    assert!(told.contains("no "), "{told}");
    assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told}");
    assert!(!told.contains(&token[..16]), "{told}");
    assert!(told.chars().count() < 400, "{told}");
}
