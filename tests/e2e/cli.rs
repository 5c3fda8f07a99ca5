//! The command line, as a person or a script uses it.

use super::{binary, stage};
use loopdesk_tests::Home;
use serde_json::Value;

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
    // Two accounts and no default: the common port can't tell which is meant.
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
    // The state is where the home folder alone leads; only a login would know the sockets' folder.
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

#[tokio::test]
async fn o3_usage_errors_as_json_hold_all_that_the_parser_says() {
    let home = Home::new(binary()).unwrap();
    let error = async |arguments: &[&str]| {
        let ran = home.loopdesk(arguments).await.failed(2);
        assert_eq!(ran.stdout, "");
        let json: Value = serde_json::from_str(&ran.stderr).unwrap();
        let hints: Vec<_> = json["error"]["hints"].as_array().unwrap().to_vec();
        let hints = hints.iter().map(|hint| hint.as_str().unwrap().to_owned());
        let message = json["error"]["message"].as_str().unwrap().to_owned();
        (message, hints.collect::<Vec<_>>())
    };
    let (message, hints) = error(&["explain", "--json"]).await;
    assert!(
        message.contains("<METHOD>") && message.contains("<PATH>"),
        "{message}"
    );
    assert!(hints[0].starts_with("Usage: loopdesk explain"), "{hints:?}");
    assert_eq!(hints.last().unwrap(), "run `loopdesk help`");
    let (message, hints) = error(&["stauts", "--json"]).await;
    assert!(message.contains("'stauts'"), "{message}");
    assert!(hints[0].contains("'status'"), "{hints:?}");
}

#[tokio::test]
async fn o3_a_full_disk_at_standard_output_is_no_bug_of_ours() {
    let home = Home::new(binary()).unwrap();
    for command in [
        "loopdesk version",
        "loopdesk --help",
        "loopdesk version --json",
    ] {
        let line = format!("{command} > /dev/full");
        let ran = home.run("sh", ["-c", line.as_str()]).await.failed(1);
        assert!(ran.stderr.contains("standard output"), "{command}: {ran:?}");
        assert!(
            ran.stderr.contains("free some space where the output goes"),
            "{command}: {ran:?}"
        );
        assert!(!ran.stderr.contains("bug"), "{command}: {ran:?}");
    }
}

#[tokio::test]
async fn o3_wait_says_how_long_it_has_really_waited() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let key = stage.home.paths().key_file();
    let aside = key.with_extension("aside");
    std::fs::rename(&key, &aside).unwrap();
    let pid = stage.status().await.daemon.pid;
    loopdesk_tests::daemon::terminate(pid).await;
    let _daemon = stage.daemon().await;
    let since = std::time::Instant::now();
    let ran = stage
        .home
        .loopdesk(["wait", "--timeout", "1500ms"])
        .await
        .failed(8);
    let took = since.elapsed().as_secs_f64();
    let said = ran.stderr.split("waited ").nth(1).unwrap();
    let waited: f64 = said.split(" s: ").next().unwrap().parse().unwrap();
    assert!(
        (1.4..=took).contains(&waited),
        "{waited} of {took}: {ran:?}"
    );
}

#[tokio::test]
async fn r9_a_key_file_that_is_deleted_under_the_daemon_shows_before_a_restart_needs_it() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    let key = stage.home.paths().key_file();
    let text = std::fs::read(&key).unwrap();
    for what in ["deleted", "replaced", "opened"] {
        match what {
            "deleted" => std::fs::remove_file(&key).unwrap(),
            "replaced" => std::fs::write(&key, "nonsense").unwrap(),
            _ => {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
                std::fs::set_permissions(&key, mode).unwrap();
            }
        }
        let said = stage.home.loopdesk(["status"]).await.failed(1).stdout;
        assert!(said.contains(&key.display().to_string()), "{what}: {said}");
        assert!(
            said.contains("needs a new login after a restart"),
            "{what}: {said}"
        );
        let json = stage
            .home
            .loopdesk(["status", "--json"])
            .await
            .failed(1)
            .stdout;
        assert!(
            json.contains("\"code\":\"key-file-lost\""),
            "{what}: {json}"
        );
        assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200, "{what}");
        if what == "deleted" {
            assert!(said.contains("run `loopdesk unlock`"), "{said}");
            stage.home.loopdesk(["unlock"]).await.ok();
        } else {
            std::fs::remove_file(&key).unwrap();
            stage.home.loopdesk(["unlock"]).await.ok();
        }
        assert_eq!(std::fs::read(&key).unwrap(), text, "{what}");
        stage.home.loopdesk(["status"]).await.ok();
    }
    daemon.stop().await;
    let _daemon = stage.daemon().await;
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
}
