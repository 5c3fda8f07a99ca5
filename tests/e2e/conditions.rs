//! What `status` reports while something is wrong, and that it stops once that is over.

use loopdesk_protocol::conditions::Severity;
use loopdesk_protocol::status::State;
use loopdesk_tests::Stage;
use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::{Certificate, Protocols, Zendesk, users};
use serde_json::Value;

use super::{binary, is_in_order, stage};

const ME: &str = "/api/v2/users/me.json";

/// An agent's script that first exports as admins do, and then as agents may.
#[tokio::test]
async fn o3_an_export_for_admins_only_is_pointed_out_with_the_way_out() {
    let zendesk = Zendesk::builder().consenting_user(users::AGENT);
    let stage = Stage::set(binary(), zendesk).await;
    let _daemon = stage.logged_in().await;
    let script = stage.home.path().join("report.py");
    let code = "import sys, time, urllib.request, urllib.error\n\
                try:\n    print(urllib.request.urlopen(sys.argv[1]).status)\n\
                except urllib.error.HTTPError as error:\n    print(error.code, error.read())\n";
    std::fs::write(&script, code).unwrap();
    let export = async |path: &str| {
        let url = format!("{}{path}", stage.base());
        let script = script.to_str().unwrap();
        stage.home.run("python3", [script, &url]).await.ok().stdout
    };
    let incremental = "/api/v2/incremental/tickets/cursor.json?start_time=1";
    let told = export(incremental).await;
    assert!(told.starts_with("403"), "{told}");
    assert!(
        told.contains("contact the account owner"),
        "as it is: {told}"
    );
    eventually("the condition shows", async || {
        !stage.status().await.conditions.is_empty()
    })
    .await;
    let found = stage.status().await.conditions.remove(0);
    assert_eq!(found.code(), "export-needs-admin");
    assert_eq!(found.severity, Severity::Warning);
    assert_eq!(found.account.as_deref(), Some("acme"));
    let text = &found.problem.message;
    let route = "`/api/v2/incremental/tickets/cursor.json`";
    assert!(
        text.contains(route) && !text.contains("start_time"),
        "{text}"
    );
    assert!(
        text.contains("report.py") || text.starts_with("a program"),
        "{text}"
    );
    assert!(found.problem.hints[0].contains("/api/v2/search/export"));
    let shown = stage.home.loopdesk(["status"]).await;
    assert!(shown.stdout.contains("search/export"), "{shown:?}");

    // No reminders for people who have already switched, and none for admins.
    let search = "/api/v2/search/export.json?query=*&filter[type]=ticket";
    assert_eq!(export(search).await.trim(), "200");
    assert!(stage.status().await.conditions.is_empty());
    export(incremental).await;
    stage.zendesk.set_role(users::AGENT, "admin");
    assert_eq!(export(incremental).await.trim(), "200");
    eventually("the condition clears", async || {
        stage.status().await.conditions.is_empty()
    })
    .await;
}

/// What is wrong, from a failing request until one succeeds.
struct Case {
    code: &'static str,
    /// What the script's 502 says, and `status` too.
    words: &'static str,
    /// What its first hint says.
    fix: &'static str,
}

/// One request fails because of what is wrong; checks every report of it, everywhere, until one
/// succeeds.
async fn is_told(stage: &Stage, case: &Case) {
    let Case { code, words, fix } = case;
    let (status, body) = stage.get(ME).await;
    assert_eq!(status, 502, "{code}: {body}");
    assert!(body.contains(words), "{code}: {body}");
    for _ in 0..2 {
        assert_eq!(stage.acme().await.state, State::Unreachable, "{code}");
        let said = stage.home.loopdesk(["status"]).await.failed(1).stdout;
        assert!(
            said.contains("acme (default): logged in, but Zendesk"),
            "{said}"
        );
        assert!(said.contains(words) && said.contains(fix), "{code}: {said}");
    }
    let said = stage.home.loopdesk(["status", "--json"]).await.failed(1);
    let json: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(json["accounts"][0]["state"], "unreachable", "{code}");
    let told = &json["conditions"][0];
    assert_eq!(told["code"], *code, "{json:#}");
    assert_eq!(told["account"], "acme", "{json:#}");
    assert_eq!(told["severity"], "error", "{json:#}");
    assert!(
        told["since"].is_string() && told["who"].is_string(),
        "{json:#}"
    );
    assert!(told["hints"][0].as_str().unwrap().contains(fix), "{json:#}");
}

async fn is_over(stage: &Stage, code: &str) {
    let (status, body) = stage.get(ME).await;
    assert_eq!(status, 200, "{code}: {body}");
    let status = stage.status().await;
    assert!(status.conditions.is_empty(), "{code}: {status:#?}");
    let state = status.accounts[0].state;
    assert!(is_in_order(state), "{code}: {state:?}");
}

#[tokio::test]
async fn o3_while_every_request_is_a_502_status_says_why_and_not_active() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    is_over(&stage, "the login").await;
    let certificates = [
        (
            Certificate::Expired,
            Case {
                code: "certificate-expired",
                words: "and this machine's clock says",
                fix: "set the clock",
            },
        ),
        (
            Certificate::NotYetValid,
            Case {
                code: "certificate-not-yet-valid",
                words: "and this machine's clock says",
                fix: "set the clock",
            },
        ),
        (
            Certificate::OtherName,
            Case {
                code: "certificate-wrong-name",
                words: "no trusted connection",
                fix: "log in with a browser",
            },
        ),
    ];
    for (certificate, case) in certificates {
        stage.zendesk.show_certificate(certificate);
        stage.zendesk.reset_connections();
        stage.zendesk.connections_closed().await;
        is_told(&stage, &case).await;
        stage.zendesk.show_certificate(Certificate::Good);
        is_over(&stage, case.code).await;
    }

    stage.zendesk.set_reachable(false).await;
    let refused = Case {
        code: "connection-refused",
        words: "Connection refused",
        fix: "firewall",
    };
    is_told(&stage, &refused).await;
    // A refresh by the daemon itself is a request, too.
    stage.home.loopdesk(["refresh"]).await.failed(5);
    let condition = stage.status().await.conditions.remove(0);
    assert_eq!(condition.code(), "connection-refused");
    stage.zendesk.set_reachable(true).await;
    stage.home.loopdesk(["refresh"]).await.ok();
    is_over(&stage, "a refresh that succeeds").await;

    stage.zendesk.change_authority();
    stage.zendesk.reset_connections();
    stage.zendesk.connections_closed().await;
    let unknown = Case {
        code: "certificate-unknown-issuer",
        words: "no trusted connection",
        fix: "extra-ca-file",
    };
    is_told(&stage, &unknown).await;
}

#[tokio::test]
async fn o3_a_server_that_hangs_up_has_a_code_of_its_own() {
    let builder = Zendesk::builder().protocols(Protocols::Http1);
    let stage = Stage::set(binary(), builder).await;
    let _daemon = stage.logged_in().await;
    let broken = Case {
        code: "connection-broken",
        words: "the connection broke before an answer",
        fix: "check the network",
    };
    stage.zendesk.reset_connections();
    stage.zendesk.connections_closed().await;
    // A GET is sent twice.
    let hung_up = [
        stage.zendesk.take_connection(),
        stage.zendesk.take_connection(),
    ];
    let hang_up = tokio::spawn(async move {
        for taken in hung_up {
            drop(taken.await);
        }
    });
    let (status, body) = stage.get(ME).await;
    hang_up.await.unwrap();
    assert_eq!(status, 502, "{body}");
    assert!(
        body.contains(broken.words) && body.contains(broken.fix),
        "{body}"
    );
    let told = stage.status().await.conditions.remove(0);
    assert_eq!(told.code(), broken.code, "{told:?}");
    is_over(&stage, broken.code).await;
}
