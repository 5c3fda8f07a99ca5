//! The command line, as a person or a script calls it.

use super::{binary, stage};
use loopdesk_tests::Home;

#[tokio::test]
async fn from_nothing_every_error_names_the_next_command() {
    let home = Home::new(binary()).unwrap();
    let login = home.loopdesk(["login"]).await;
    assert!(login.stderr.contains("loopdesk account add"), "{login:?}");
    let status = home.loopdesk(["status", "--json"]).await;
    assert_ne!(status.code, Some(0), "{status:?}");
    home.loopdesk(["config", "check"]).await.ok();
    let wrong = home
        .loopdesk([
            "account",
            "add",
            "Acme",
            "--subdomain",
            "acme",
            "--client-id",
            "c",
        ])
        .await;
    assert!(matches!(wrong.code, Some(2 | 3)), "{wrong:?}");
    assert!(wrong.stderr.contains("lower-case"), "{wrong:?}");
    home.loopdesk([
        "account",
        "add",
        "acme",
        "--subdomain",
        "acme",
        "--client-id",
        "c",
    ])
    .await
    .ok();
    let list = home.loopdesk(["account", "list", "--json"]).await.ok();
    assert!(list.stdout.contains("https://acme.zendesk.com"), "{list:?}");
    home.loopdesk(["account", "remove", "acme"]).await.ok();
    if let Ok(pid) = std::fs::read_to_string(home.paths().lock_file()) {
        loopdesk_tests::daemon::terminate(pid.trim().parse().unwrap()).await;
    }
}

#[tokio::test]
async fn o3_status_says_everything_and_its_exit_code_says_whether_all_is_well() {
    let stage = stage().await;
    let _daemon = stage.daemon().await;
    let signed_out = stage.home.loopdesk(["status"]).await.failed(1);
    assert!(
        format!("{signed_out:?}").contains("loopdesk login acme"),
        "{signed_out:?}"
    );
    stage.home.loopdesk(["login"]).await.ok();
    let well = stage.home.loopdesk(["status"]).await.ok();
    let person = stage.acme().await.person.unwrap();
    for part in ["acme", &person.name, &stage.port.to_string()] {
        assert!(well.stdout.contains(part), "{part} in {well:?}");
    }
    let json = stage.home.loopdesk(["status", "--json"]).await.ok().json();
    assert_eq!(json["accounts"][0]["state"], "active");
}

#[tokio::test]
async fn wait_returns_as_soon_as_a_login_is_done() {
    let stage = stage().await;
    let _daemon = stage.daemon().await;
    stage
        .home
        .loopdesk(["wait", "--timeout", "1s"])
        .await
        .failed(4);
    stage.home.loopdesk(["login"]).await.ok();
    stage.home.loopdesk(["wait", "--timeout", "10s"]).await.ok();
}

#[tokio::test]
async fn a_live_configuration_gains_and_loses_accounts() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let port = loopdesk_tests::ports::free().to_string();
    stage
        .home
        .loopdesk([
            "account",
            "add",
            "other",
            "--subdomain",
            "other",
            "--client-id",
            "c",
            "--port",
            &port,
        ])
        .await
        .ok();
    let url = format!("http://127.0.0.1:{port}/api/v2/tickets.json");
    let said = stage.home.run("curl", ["-sS", &url]).await.ok();
    assert!(said.stdout.contains("loopdesk login other"), "{said:?}");
    // Two accounts and no default: the common port can't know which is meant.
    let (status, body) = stage.get("/api/v2/users/me.json").await;
    assert_eq!(status, 404, "{body}");
    assert!(body.contains("acme") && body.contains("other"), "{body}");
    stage
        .home
        .loopdesk(["config", "set", "default-account", "acme"])
        .await
        .ok();
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    stage
        .home
        .loopdesk(["account", "remove", "other"])
        .await
        .ok();
    let gone = stage.home.run("curl", ["-sS", &url]).await;
    assert_ne!(gone.code, Some(0), "{gone:?}");
}

#[tokio::test]
async fn o3_cron_finds_the_daemon_without_an_environment() {
    let mut stage = stage().await;
    // The state is where a home folder alone leads; the sockets are where only a login would know.
    let home = stage.home.path().display().to_string();
    stage
        .home
        .set("XDG_STATE_HOME", format!("{home}/.local/state"));
    stage.home.set("XDG_CONFIG_HOME", format!("{home}/.config"));
    std::fs::rename(
        stage.home.path().join("config"),
        stage.home.path().join(".config"),
    )
    .unwrap();
    let _daemon = stage.logged_in().await;
    let program = stage.home.bin().join("loopdesk").display().to_string();
    let variable = format!("HOME={home}");
    let output = stage
        .home
        .run("env", ["-i", &variable, &program, "status"])
        .await
        .ok();
    assert!(output.stdout.contains("Ada Admin"), "{output:?}");
}

#[tokio::test]
async fn env_prints_what_a_shell_can_evaluate() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let script = "eval \"$(loopdesk env)\" && curl -sSf \"$ZENDESK_BASE_URL/api/v2/users/me.json\"";
    let output = stage.home.run("sh", ["-c", script]).await.ok();
    assert!(output.json()["user"]["id"].is_u64(), "{output:?}");
}
