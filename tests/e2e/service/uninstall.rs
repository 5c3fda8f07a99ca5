//! What is left after the service is uninstalled: nothing.

use std::path::{Path, PathBuf};

use loopdesk_tests::user_manager::UserManager;

use super::{installed, stage, systemctl};

#[tokio::test]
async fn o1_uninstall_leaves_no_file_and_no_link() {
    let Some((stage, manager)) = stage(61_190).await else {
        return;
    };
    stage.home.loopdesk(["login"]).await.ok();
    // Every desktop user has this folder.
    stage
        .home
        .run(
            "mkdir",
            ["-p", &format!("{}/.config", stage.home.path().display())],
        )
        .await
        .ok();
    let before = persistent(&manager, stage.home.path()).await;
    stage.home.loopdesk(["service", "install"]).await.ok();
    let with = persistent(&manager, stage.home.path()).await;
    let link = ".config/systemd/user/sockets.target.wants/loopdesk.socket";
    assert!(with.contains(&stage.home.path().join(link)), "{with:?}");

    let said = stage
        .home
        .loopdesk(["service", "uninstall", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(said["logged_out"], serde_json::json!([]));
    assert_eq!(persistent(&manager, stage.home.path()).await, before);
    let run = manager.files(Path::new("/run/user/61190")).await;
    let of_ours = |path: &&PathBuf| path.to_string_lossy().contains("loopdesk");
    assert_eq!(run.iter().filter(of_ours).count(), 0, "{run:?}");
    let units = systemctl(&stage, ["list-units", "--all", "--no-legend", "loopdesk*"])
        .await
        .ok();
    assert_eq!(units.stdout, "");
    // A person who was logged in still is.
    stage.home.loopdesk(["wait"]).await.ok();
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    manager.stop().await;
}

#[tokio::test]
async fn o1_purge_revokes_every_session_and_removes_records_and_keys() {
    let Some((stage, manager)) = installed(61_191).await else {
        return;
    };
    assert_eq!(stage.live_pairs(), 1);
    let asked = stage
        .home
        .loopdesk(["service", "uninstall", "--purge"])
        .await
        .failed(2);
    assert!(asked.stderr.contains("--yes"), "{asked:?}");
    assert_eq!(stage.live_pairs(), 1);

    let purge = ["service", "uninstall", "--purge", "--yes", "--json"];
    let said = stage.home.loopdesk(purge).await.ok().json();
    assert_eq!(said["logged_out"][0]["revoked"], true, "{said}");
    assert_eq!(stage.live_pairs(), 0);
    assert!(!stage.home.path().join("state/loopdesk").exists());
    assert!(
        stage.home.paths().config_file().exists(),
        "the configuration stays"
    );
    let run = manager.files(Path::new("/run/user/61191")).await;
    assert!(
        !run.iter().any(|path| path.ends_with("loopdesk")),
        "{run:?}"
    );
    manager.stop().await;
}

/// The home's files, except those that exist only while a daemon runs and those that the test adds.
async fn persistent(manager: &UserManager, home: &Path) -> Vec<PathBuf> {
    let mut files = manager.files(home).await;
    let passing = ["state/loopdesk/runtime", "manager.log"].map(|name| home.join(name));
    files.retain(|path| !passing.contains(path));
    files
}
