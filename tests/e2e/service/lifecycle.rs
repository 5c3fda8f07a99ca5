//! Installed, started by a request, reloaded, restarted, recovered.

use std::time::Duration;

use loopdesk_tests::wait::eventually;

use super::{drop_in, installed, property, stage, status, systemctl};

#[tokio::test]
async fn o1_one_command_installs_what_runs_from_then_on() {
    let Some((stage, manager)) = stage(61_184).await else {
        return;
    };
    // A daemon that a command has started makes way, and no new login is needed.
    stage.home.loopdesk(["login"]).await.ok();
    let installed = stage
        .home
        .loopdesk(["service", "install", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(installed["manager"], "systemd");
    assert!(installed["stopped_daemon"].is_u64(), "{installed}");
    assert_eq!(installed["listen"][0], format!("127.0.0.1:{}", stage.port));
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);

    let said = status(&stage).await;
    assert_eq!(said["state"], "running", "{said}");
    assert_eq!(said["installed_for"], "user");
    assert_eq!(said["starts_at_login"], true);
    assert_eq!(said["problems"], serde_json::json!([]));
    assert_eq!(said["daemon"]["pid"], installed["daemon"]["pid"]);

    // Only this user may use the sockets.
    let dir = "/run/user/61184/loopdesk";
    let modes = manager
        .as_root(&[
            "stat",
            "-c",
            "%a %u",
            dir,
            &format!("{dir}/control.sock"),
            &format!("{dir}/proxy.sock"),
        ])
        .await
        .ok();
    assert_eq!(modes.stdout, "700 61184\n600 61184\n600 61184\n");

    // A second time changes nothing, and the same daemon continues.
    let again = stage
        .home
        .loopdesk(["service", "install", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(again["changed"], false, "{again}");
    assert_eq!(again["daemon"]["pid"], installed["daemon"]["pid"]);
    manager.stop().await;
}

#[tokio::test]
async fn o1_the_first_request_starts_the_daemon() {
    let Some((stage, manager)) = installed(61_185).await else {
        return;
    };
    for by_tcp in [true, false] {
        systemctl(&stage, ["stop", "loopdesk.service"]).await.ok();
        assert_eq!(status(&stage).await["state"], "waiting");
        assert_eq!(property(&stage, "MainPID").await, "0");
        if by_tcp {
            assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
        } else {
            stage.home.loopdesk(["wait"]).await.ok();
        }
        // It serves before systemd has received its readiness message.
        eventually("the service is active", async || {
            property(&stage, "ActiveState").await == "active"
        })
        .await;
    }
    manager.stop().await;
}

#[tokio::test]
async fn o1_a_unit_without_sockets_is_taken_over_with_its_port() {
    let Some((stage, manager)) = stage(61_189).await else {
        return;
    };
    // As people copied it before `service install` existed.
    let dir = stage.home.path().join(".config/systemd/user");
    std::fs::create_dir_all(&dir).unwrap();
    let home = stage.home.path().display().to_string();
    let unit = format!(
        "[Service]\nType=notify\nExecStart={home}/bin/loopdeskd\n\
         Environment=XDG_CONFIG_HOME={home}/config XDG_STATE_HOME={home}/state\n\
         [Install]\nWantedBy=default.target\n"
    );
    std::fs::write(dir.join("loopdesk.service"), unit).unwrap();
    manager
        .as_root(&["chown", "-R", "61189", &format!("{home}/.config")])
        .await
        .ok();
    systemctl(&stage, ["daemon-reload"]).await.ok();
    systemctl(&stage, ["enable", "--now", "loopdesk.service"])
        .await
        .ok();
    stage.home.loopdesk(["login"]).await.ok();

    let said = stage
        .home
        .loopdesk(["service", "install", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(said["moved_ports"], serde_json::json!([]), "{said}");
    assert!(
        property(&stage, "TriggeredBy")
            .await
            .contains("loopdesk.socket")
    );
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    manager.stop().await;
}

#[tokio::test]
async fn o1_reload_takes_the_changed_configuration_and_ports_change_by_install() {
    let Some((stage, manager)) = installed(61_186).await else {
        return;
    };
    let pid = property(&stage, "MainPID").await;
    let port = loopdesk_tests::ports::free();
    let config = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replace("client-id", &format!("port = {port}\nclient-id")),
    )
    .unwrap();
    systemctl(&stage, ["reload", "loopdesk.service"]).await.ok();
    assert_eq!(property(&stage, "MainPID").await, pid);
    assert_eq!(property(&stage, "ActiveState").await, "active");

    // systemd holds the sockets: the daemon reports that the new port is missing, and how to get
    // it.
    let said = status(&stage).await;
    let problem = said["problems"].to_string();
    assert!(problem.contains(&port.to_string()), "{said}");
    assert!(problem.contains("loopdesk service install"), "{said}");
    let again = stage
        .home
        .loopdesk(["service", "install", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(again["changed"], true);
    assert_eq!(status(&stage).await["problems"], serde_json::json!([]));
    let url = format!("http://127.0.0.1:{port}/api/v2/users/me.json");
    let code = [
        "-sS",
        "--max-time",
        "30",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        &url,
    ];
    assert_eq!(stage.home.run("curl", code).await.ok().stdout, "200");
    manager.stop().await;
}

#[tokio::test]
async fn o1_a_daemon_that_hangs_is_killed_and_the_request_that_waited_is_served() {
    let Some((stage, manager)) = installed(61_187).await else {
        return;
    };
    drop_in(&stage, "[Service]\nWatchdogSec=2\n").await;
    stage.home.loopdesk(["service", "restart"]).await.ok();
    let pid = property(&stage, "MainPID").await;
    stage.home.run("kill", ["-STOP", &pid]).await.ok();
    // Each thread stops by itself, and one that still runs would take the request with it.
    stage
        .home
        .run("sh", ["-c", UNTIL_IT_STANDS, &pid])
        .await
        .ok();
    let (status, _) = stage.get("/api/v2/users/me.json").await;
    assert_eq!(status, 200);
    assert_eq!(property(&stage, "NRestarts").await, "1");
    assert_ne!(property(&stage, "MainPID").await, pid);
    manager.stop().await;
}

#[tokio::test]
async fn o1_a_crash_is_recovered_from_and_one_after_another_is_explained() {
    let Some((stage, manager)) = installed(61_188).await else {
        return;
    };
    let pid = property(&stage, "MainPID").await;
    stage.home.run("kill", ["-KILL", &pid]).await.ok();
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);

    drop_in(
        &stage,
        "[Service]\nExecStart=\nExecStart=/bin/false\nRestartSec=0\n",
    )
    .await;
    let failed = stage.home.loopdesk(["service", "restart"]).await.failed(6);
    assert!(failed.stderr.contains("journalctl"), "{failed:?}");
    let mut said = status(&stage).await;
    for _ in 0..100 {
        if said["state"] == "failed" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        said = status(&stage).await;
    }
    assert_eq!(said["state"], "failed", "{said}");
    assert!(
        said["problems"]
            .to_string()
            .contains("loopdesk service start"),
        "{said}"
    );

    drop_in(&stage, "").await;
    stage.home.loopdesk(["service", "start"]).await.ok();
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    let stopped = stage
        .home
        .loopdesk(["service", "stop", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(stopped["state"], "stopped");
    assert_eq!(status(&stage).await["state"], "stopped");
    manager.stop().await;
}

/// Returns once every thread of a process has stopped.
const UNTIL_IT_STANDS: &str =
    "while grep -h ^State: /proc/$0/task/*/status | grep -qv 'T ('; do :; done";
