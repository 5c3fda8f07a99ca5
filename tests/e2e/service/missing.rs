//! Machines without a user manager.

use loopdesk_tests::Home;
use loopdesk_tests::needs::needs;

use super::binary;

#[tokio::test]
async fn o3_without_a_user_manager_it_says_what_is_missing() {
    if !needs(&["systemctl"]) {
        return;
    }
    let home = Home::new(binary()).unwrap();
    home.configure("vault = \"keyfile\"\n");
    for command in ["install", "start", "status", "uninstall"] {
        let failed = home.loopdesk(["service", command]).await.failed(6);
        assert!(failed.stderr.contains("user manager"), "{failed:?}");
        assert!(failed.stderr.contains("Hint: "), "{failed:?}");
    }
    // On machines without a user's folder in /run/user, either.
    let mut home = Home::new(binary()).unwrap();
    home.set("XDG_RUNTIME_DIR", "");
    home.set("PATH", "/nowhere");
    let failed = home.loopdesk(["service", "install"]).await.failed(6);
    assert!(failed.stderr.contains("no `systemctl`"), "{failed:?}");
    assert!(!home.path().join("config/systemd").exists());
}
