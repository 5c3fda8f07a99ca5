//! Tokens rotate under scripts that don't know about it.

use loopdesk_tests::Stage;
use loopdesk_tests::zendesk::{Fault, Gate, Host, Record, Standing, Zendesk};
use serde_json::json;

use super::{binary, stage, stage_with_ttl};

fn refreshes(records: &[Record]) -> usize {
    let is_refresh = |r: &&Record| {
        let post = r.token_post.as_ref();
        post.is_some_and(|post| post.grant == "refresh_token")
    };
    records.iter().filter(is_refresh).count()
}

#[tokio::test]
async fn s1_an_unmodified_script_works_whatever_it_sends_as_credentials() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let credentials: [&[&str]; 4] = [
        &[],
        &["-u", "agent@example.com/token:dummy"],
        &["-H", "Authorization: Bearer dummy"],
        &[
            "-H",
            "authorization: Basic ZHVtbXk=",
            "-H",
            "Cookie: _zendesk=1",
        ],
    ];
    for credential in credentials {
        let output = stage.curl("/api/v2/users/me.json", credential).await.ok();
        assert!(output.json()["user"]["id"].is_u64(), "{output:?}");
    }
    let output = stage
        .curl("/api/v2/users/me.json?access_token=x", &[])
        .await
        .ok();
    assert!(output.json()["user"]["id"].is_u64(), "{output:?}");
}

#[tokio::test]
async fn r1_requests_go_on_while_tokens_rotate() {
    let stage = stage_with_ttl(2).await;
    let _daemon = stage.logged_in().await;
    // One request after the other until three rotations have happened in between.
    while refreshes(&stage.zendesk.requests()) < 3 {
        let (status, body) = stage.get("/api/v2/tickets/1.json").await;
        assert_eq!(status, 200, "{body}");
    }
    for record in stage.zendesk.requests() {
        let refresh = record.token_post.as_ref().and_then(|p| p.refresh_token);
        assert!(matches!(refresh, None | Some(Standing::Live)), "{record}");
    }
}

#[tokio::test]
async fn r2_one_refresh_for_many_callers() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    // The access token dies at Zendesk without notice: every caller meets a 401 at once.
    stage.zendesk.expire_access_tokens();
    let before = refreshes(&stage.zendesk.requests());
    let output = stage
        .curl(
            "/api/v2/tickets/[1-16].json",
            &[
                "--parallel",
                "--parallel-immediate",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code} ",
            ],
        )
        .await
        .ok();
    assert_eq!(output.stdout.trim(), ["200"; 16].join(" "));
    assert_eq!(refreshes(&stage.zendesk.requests()) - before, 1);
}

#[tokio::test]
async fn r2_a_script_that_hangs_up_mid_refresh_loses_nothing() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let gate = Gate::closed();
    stage
        .zendesk
        .fault(Fault::on("POST", "/oauth/tokens").hold_answer(&gate));
    stage.zendesk.expire_access_tokens();
    let url = format!("{}/api/v2/tickets/1.json", stage.base());
    let mut script = stage
        .home
        .command("curl")
        .args(["-sS", &url])
        .spawn()
        .unwrap();
    gate.reached(1).await;
    script.kill().await.unwrap();
    gate.open();

    let (status, body) = stage.get("/api/v2/tickets/2.json").await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(refreshes(&stage.zendesk.requests()), 1);
    assert_eq!(stage.acme().await.generation, Some(2));
}

#[tokio::test]
async fn r2_a_401_that_is_not_the_tokens_fault_is_passed_on() {
    let scopes = "scopes = [\"read\", \"write\", \"impersonate\"]";
    let stage = Stage::with_config(binary(), Zendesk::builder(), "", scopes).await;
    stage
        .zendesk
        .set_allowed_scopes(&["read", "write", "impersonate"]);
    let _daemon = stage.logged_in().await;
    let output = stage
        .curl(
            "/api/v2/tickets.json",
            &[
                "-H",
                "X-On-Behalf-Of: nobody@example.com",
                "-w",
                "\n%{http_code}",
            ],
        )
        .await
        .ok();
    assert!(output.stdout.ends_with("\n401"), "{output:?}");
    assert!(output.stdout.contains("invalid_token"), "{output:?}");
    assert_eq!(refreshes(&stage.zendesk.requests()), 0);
}

#[tokio::test]
async fn s7_a_post_meets_a_dead_token_and_acts_once() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.expire_access_tokens();
    let ticket = json!({"ticket": {"subject": "Once", "comment": {"body": "only"}}});
    let output = stage
        .curl(
            "/api/v2/tickets.json",
            &[
                "-d",
                &ticket.to_string(),
                "-H",
                "Content-Type: application/json",
            ],
        )
        .await
        .ok();
    assert_eq!(output.json()["ticket"]["subject"], "Once");
    let created =
        |r: &Record| r.is("POST", "/api/v2/tickets") && r.status().is_some_and(|s| s == 201);
    assert_eq!(stage.zendesk.count(created), 1);
}

#[tokio::test]
async fn s5_zendesk_sees_the_sessions_token_and_nothing_of_the_scripts() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let arguments = [
        "-H",
        "Authorization: Bearer secret-of-the-script",
        "-H",
        "Connection: keep-alive, X-Private, Authorization",
        "-H",
        "X-Private: 1",
        "-H",
        "Keep-Alive: timeout=5",
        "-H",
        "Proxy-Authorization: Basic secret-of-the-script",
        "-H",
        "TE: gzip",
        "-H",
        "Cookie: session=secret-of-the-script",
        "-H",
        "X-Forwarded-Host: evil.example",
        "-H",
        "X-Loopdesk-Key: secret-of-the-script",
        "-H",
        "Expect: 100-continue",
        "-d",
        "{\"ticket\":{\"subject\":\"s\",\"comment\":{\"body\":\"b\"}}}",
        "-H",
        "Content-Type: application/json",
    ];
    stage
        .curl(
            "/api/v2/tickets.json?access_token=secret-of-the-script&x=1",
            &arguments,
        )
        .await
        .ok();
    // An attachment is on another host: the script follows, the token must not.
    let upload = stage
        .curl(
            "/api/v2/uploads.json?filename=a.txt",
            &["--data-binary", "hello", "-H", "Content-Type: text/plain"],
        )
        .await
        .ok();
    let url = upload.json()["upload"]["attachment"]["content_url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(url.starts_with(&stage.base()), "{url}");
    let ca = stage.zendesk.ca_file().display().to_string();
    let file = stage
        .home
        .run("curl", ["-sSL", "--cacert", &ca, &url])
        .await
        .ok();
    assert_eq!(file.stdout, "hello");

    let hop_by_hop = [
        "connection",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "x-private",
        "cookie",
        "x-forwarded-host",
        "x-loopdesk-key",
    ];
    let records = stage.zendesk.requests();
    for record in records.iter().filter(|r| r.path.starts_with("/api/")) {
        let sent = record.headers.get_all("authorization").iter().count();
        assert_eq!(sent, 1, "{record}");
        assert!(
            !format!("{:?}", record.headers).contains("secret-of"),
            "{record}"
        );
        assert!(!record.target().contains("secret-of"), "{record}");
        for name in hop_by_hop {
            // An upload of unknown length is chunked only on HTTP/1.1, by the protocol itself.
            assert!(!record.headers.contains_key(name), "{name} in {record}");
        }
    }
    let at_files: Vec<_> = records.iter().filter(|r| r.host == Host::Files).collect();
    assert!(!at_files.is_empty());
    for record in at_files {
        assert!(!record.headers.contains_key("authorization"), "{record}");
        assert!(!record.headers.contains_key("cookie"), "{record}");
    }
}
