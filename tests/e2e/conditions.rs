//! What `status` says while something is wrong, and that it stops when that is over.

use loopdesk_protocol::status::State;
use loopdesk_tests::Stage;
use loopdesk_tests::zendesk::{Certificate, Protocols, Zendesk};
use serde_json::Value;

use super::{binary, stage};

const ME: &str = "/api/v2/users/me.json";

/// What is wrong, from a failing request until one succeeds.
struct Case {
    code: &'static str,
    /// What the script's 502 says, and `status` too.
    words: &'static str,
    /// What its first hint says.
    fix: &'static str,
}

/// One request fails by what is wrong; all that is said of it, everywhere, until one succeeds.
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
    assert_eq!(status.accounts[0].state, State::Active, "{code}");
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
    // A refresh of the daemon's own is a request, too.
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
