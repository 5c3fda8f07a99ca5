//! Rolled out by an administrator: units for all users, and nothing for a user to install.

use std::path::Path;

use loopdesk_tests::Stage;
use loopdesk_tests::user_manager::{Network, UserManager};
use loopdesk_tests::zendesk::Zendesk;

use super::binary;

#[tokio::test]
async fn o1_rolled_out_to_two_fresh_users_each_has_to_log_in_and_nothing_else() {
    for user in [61_220, 61_221] {
        let mut stage = Stage::set(binary(), Zendesk::builder()).await;
        let etc = tempfile::Builder::new().prefix("lde").tempdir().unwrap();
        let layer = etc.path().join("etc");
        std::fs::create_dir_all(layer.join("systemd/user")).unwrap();
        lay_out(&mut stage, &layer);
        let Some(manager) =
            UserManager::start(&mut stage.home, user, Network::Shared, Some(&layer)).await
        else {
            return;
        };
        // The administrator's step, and what the user's next login does by itself.
        let enable = ["systemctl", "--global", "enable", "loopdesk.socket"];
        manager.as_root(&enable).await.ok();
        let start = ["--user", "start", "sockets.target", "default.target"];
        stage
            .home
            .run("systemctl", ["--user", "daemon-reload"])
            .await
            .ok();
        stage.home.run("systemctl", start).await.ok();
        let said = stage
            .home
            .loopdesk(["service", "status", "--json"])
            .await
            .json();
        assert_eq!(said["installed_for"], "machine", "{said}");

        stage.home.loopdesk(["login"]).await.ok();
        assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
        let said = stage
            .home
            .loopdesk(["service", "status", "--json"])
            .await
            .ok()
            .json();
        assert_eq!(said["state"], "running", "{said}");
        assert_eq!(said["starts_at_login"], true, "{said}");
        let printed = stage.home.loopdesk(["env", "--for", "curl"]).await.ok();
        assert!(
            printed.stdout.contains(&format!(":{}", stage.port)),
            "{printed:?}"
        );
        // A user can't remove it.
        let refused = stage
            .home
            .loopdesk(["service", "uninstall"])
            .await
            .failed(2);
        assert!(
            refused.stderr.contains("all users of this machine"),
            "{refused:?}"
        );
        manager.stop().await;
    }
}

/// Puts the units and the configuration into the machine-wide folders, with the port that this test
/// may use. The user's own folders remain empty.
fn lay_out(stage: &mut Stage, etc: &Path) {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd");
    let program = stage.home.bin().join("loopdeskd").display().to_string();
    for name in ["loopdesk.socket", "loopdesk-v6.socket", "loopdesk.service"] {
        let unit = std::fs::read_to_string(packaging.join(name)).unwrap();
        let unit = unit
            .replace("/usr/bin/loopdeskd", &program)
            .replace(":8484", &format!(":{}", stage.port));
        std::fs::write(etc.join("systemd/user").join(name), unit).unwrap();
    }
    std::fs::create_dir(etc.join("loopdesk")).unwrap();
    let own = stage.home.paths().config_file();
    std::fs::rename(&own, etc.join("loopdesk/config.toml")).unwrap();
    // A desktop login has no such variables: systemd's and the shell's folders are the same.
    let home = stage.home.path().display().to_string();
    stage.home.set("XDG_CONFIG_HOME", format!("{home}/.config"));
    stage
        .home
        .set("XDG_STATE_HOME", format!("{home}/.local/state"));
}
