//! Machines without `::1`, and proxies that the service must know.

use std::os::unix::fs::PermissionsExt;

use loopdesk_tests::Home;
use loopdesk_tests::user_manager::{Network, UserManager};

use super::{binary, stage, systemctl};

#[tokio::test]
async fn o1_a_machine_without_v6_serves_on_v4() {
    let mut home = Home::new(binary()).unwrap();
    home.configure("vault = \"keyfile\"\n");
    let Some(manager) = UserManager::start(&mut home, 61_205, Network::WithoutV6, None).await
    else {
        return;
    };
    // The defaults: this network belongs to the test.
    let said = home
        .loopdesk(["service", "install", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(
        said["listen"],
        serde_json::json!(["127.0.0.1:8484", "[::1]:8484"])
    );
    let said = home
        .loopdesk(["service", "status", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(said["state"], "running");
    let url = "http://127.0.0.1:8484/api/v2/users/me.json";
    let code = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", url];
    let answered = home.run("curl", code).await.ok().stdout;
    assert!(answered.starts_with('4'), "nobody is logged in: {answered}");
    let is_active = [
        "--user",
        "is-active",
        "loopdesk.socket",
        "loopdesk-v6.socket",
    ];
    let active = home.run("systemctl", is_active).await.stdout;
    assert_eq!(active.lines().next(), Some("active"), "{active}");
    assert_ne!(active.lines().nth(1), Some("active"), "{active}");
    manager.stop().await;
}

#[tokio::test]
async fn o1_the_service_knows_the_proxies_and_no_unit_their_passwords() {
    let Some((mut stage, manager)) = stage(61_206).await else {
        return;
    };
    stage.home.set("NO_PROXY", "127.0.0.1,localhost");
    stage
        .home
        .set("HTTPS_PROXY", "http://ada:hunter2%$@proxy.invalid:3128");
    let said = stage
        .home
        .loopdesk(["service", "install", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(
        said["environment"],
        serde_json::json!([
            "NO_PROXY",
            "XDG_CONFIG_HOME",
            "XDG_STATE_HOME",
            "HTTPS_PROXY"
        ])
    );
    let pid = super::property(&stage, "MainPID").await;
    let environ = manager
        .as_root(&["cat", &format!("/proc/{pid}/environ")])
        .await
        .ok()
        .stdout;
    let has = |variable: &str| environ.split('\0').any(|one| one == variable);
    assert!(
        has("HTTPS_PROXY=http://ada:hunter2%$@proxy.invalid:3128"),
        "{environ}"
    );
    assert!(has("NO_PROXY=127.0.0.1,localhost"), "{environ}");
    let secrets = stage.home.path().join("state/loopdesk/service.env");
    let mode = std::fs::metadata(&secrets).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let shown = systemctl(&stage, ["show", "loopdesk.service"])
        .await
        .ok()
        .stdout;
    let units = systemctl(&stage, ["cat", "loopdesk.service"])
        .await
        .ok()
        .stdout;
    assert!(!shown.contains("hunter2") && !units.contains("hunter2"));
    manager.stop().await;
}
