//! Vaults that the hardened service must reach.

use std::process::Stdio;

use loopdesk_tests::Stage;
use loopdesk_tests::needs::needs;
use loopdesk_tests::wait::eventually;
use tokio::io::AsyncWriteExt;

use super::{property, stage};

#[tokio::test]
async fn o1_the_hardened_service_reaches_the_keyring_and_purge_empties_it() {
    if !needs(&["gnome-keyring-daemon"]) {
        return;
    }
    let Some((stage, manager)) = stage(61_209).await else {
        return;
    };
    use_vault(&stage, "keyring");
    // What a desktop login does.
    let mut keyring = stage.home.command("gnome-keyring-daemon");
    keyring.args(["--unlock", "--components=secrets"]);
    keyring.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/61209/bus");
    let mut keyring = keyring.stdin(Stdio::piped()).spawn().unwrap();
    let mut password = keyring.stdin.take().unwrap();
    password.write_all(b"a password").await.unwrap();
    drop(password);
    assert!(keyring.wait().await.unwrap().success());
    // It continues in the background, and takes its name on the bus a moment later. A request
    // before that would make the bus start another one, which no password has opened.
    eventually("the keyring has its name", async || {
        // On a busy machine, the bus starts at the first call and may drop that one.
        let owner = stage.home.run("busctl", HAS_OWNER).await;
        owner.code == Some(0) && owner.stdout.trim() == "b true"
    })
    .await;

    stage.home.loopdesk(["service", "install"]).await.ok();
    stage.home.loopdesk(["login"]).await.ok();
    let status = stage.home.loopdesk(["status", "--json"]).await.ok().json();
    assert_eq!(status["vault"]["kind"], "keyring", "{status}");
    assert_eq!(status["vault"]["state"], "available", "{status}");
    assert!(!stage.home.path().join("state/loopdesk/key").exists());
    stage.home.loopdesk(["service", "restart"]).await.ok();
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    assert_eq!(property(&stage, "NRestarts").await, "0");
    stage
        .home
        .loopdesk(["service", "uninstall", "--purge", "--yes"])
        .await
        .ok();
    assert_eq!(stage.live_pairs(), 0);
    manager.stop().await;
}

#[tokio::test]
async fn o1_the_service_gets_the_credential_that_opens_the_vault() {
    let Some((stage, manager)) = stage(61_208).await else {
        return;
    };
    use_vault(&stage, "credential");
    let key = stage.home.path().join("config/loopdesk/key of mine");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
    stage.home.loopdesk(["service", "install"]).await.failed(2);
    let file = key.display().to_string();
    stage
        .home
        .loopdesk(["service", "install", "--credential", &file])
        .await
        .ok();
    stage.home.loopdesk(["login"]).await.ok();
    assert!(
        stage
            .home
            .path()
            .join("state/loopdesk/key.credential")
            .exists()
    );
    stage.home.loopdesk(["service", "restart"]).await.ok();
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    manager.stop().await;
}

fn use_vault(stage: &Stage, vault: &str) {
    let config = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replace("\"keyfile\"", &format!("\"{vault}\"")),
    )
    .unwrap();
}

const HAS_OWNER: [&str; 8] = [
    "--user",
    "call",
    "org.freedesktop.DBus",
    "/org/freedesktop/DBus",
    "org.freedesktop.DBus",
    "NameHasOwner",
    "s",
    "org.freedesktop.secrets",
];
