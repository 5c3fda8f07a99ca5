//! A daemon and a command of different releases.

use loopdesk_protocol::{PROTOCOL, VERSION};
use loopdesk_tests::Failpoints;
use loopdesk_tests::daemon::terminate;

use super::stage;

const ME: &str = "/api/v2/users/me.json";

#[tokio::test]
async fn o2_a_daemon_of_another_release_is_pointed_out_and_everything_works() {
    let mut stage = stage().await;
    let Some(failpoints) = Failpoints::of(&mut stage.home) else {
        return;
    };
    for release in ["0.0.9", "9.9.9"] {
        failpoints.play_release(release, PROTOCOL);
        let daemon = stage.daemon().await;
        for command in [&["login"][..], &["refresh"], &["wait"]] {
            let said = stage.home.loopdesk(command).await.ok();
            is_told(&said.stderr, "Warning: ", release, daemon.pid());
        }
        let said = stage.home.loopdesk(["version"]).await.ok();
        is_told(&said.stderr, "Warning: ", release, daemon.pid());
        let said = stage.home.loopdesk(["status"]).await.ok();
        is_told(&said.stdout, "Warning: ", release, daemon.pid());
        let way_out = format!("`kill {}`", daemon.pid());
        assert!(said.stdout.contains(&way_out), "{said:?}");
        // Programs don't read warnings.
        let json = stage.home.loopdesk(["refresh", "--json"]).await.ok();
        assert_eq!(json.stderr, "");
        assert_eq!(stage.get(ME).await.0, 200);
        daemon.stop().await;
    }
}

#[tokio::test]
async fn o2_no_command_talks_to_a_daemon_of_another_protocol_and_scripts_go_on() {
    let mut stage = stage().await;
    let Some(failpoints) = Failpoints::of(&mut stage.home) else {
        return;
    };
    stage.logged_in().await.stop().await;
    for (release, protocol, way_out) in [
        ("9.9.9", PROTOCOL + 1, "install loopdesk 9.9.9".to_owned()),
        ("0.0.9", PROTOCOL - 1, "run `kill ".to_owned()),
    ] {
        failpoints.play_release(release, protocol);
        let daemon = stage.daemon().await;
        for command in [
            &["status"][..],
            &["login"],
            &["logout"],
            &["refresh"],
            &["wait"],
            &["env"],
            &["config", "reload"],
        ] {
            let said = stage.home.loopdesk(command).await.failed(6);
            is_told(&said.stderr, "error: ", release, daemon.pid());
            assert!(said.stderr.contains(&way_out), "{said:?}");
            assert_eq!(said.stdout, "");
        }
        let said = stage.home.loopdesk(["version"]).await.ok();
        is_told(&said.stderr, "Warning: ", release, daemon.pid());
        assert!(said.stderr.contains(&way_out), "{said:?}");
        let json = stage.home.loopdesk(["version", "--json"]).await.ok().json();
        assert_eq!(json["daemon"]["protocol"], protocol, "{json}");
        assert_eq!(json["problem"]["kind"], "daemon", "{json}");
        assert_eq!(stage.get(ME).await.0, 200);
        daemon.stop().await;
    }
}

/// Follows the message literally.
#[tokio::test]
async fn o2_the_way_out_of_an_old_daemon_leads_to_this_release() {
    let mut stage = stage().await;
    let Some(failpoints) = Failpoints::of(&mut stage.home) else {
        return;
    };
    failpoints.play_release("0.0.9", PROTOCOL - 1);
    let daemon = stage.daemon().await;
    let said = stage.home.loopdesk(["login"]).await.failed(6).stderr;
    let commands: Vec<_> = said.split('`').skip(1).step_by(2).collect();
    let [kill, wait] = commands[..] else {
        panic!("two commands in {said}");
    };
    // The next one is of the release that is installed now.
    failpoints.play_own_release();
    assert_eq!(kill, format!("kill {}", daemon.pid()));
    stage.home.run("sh", ["-c", kill]).await.ok();
    assert!(daemon.ended().await.unwrap().success());
    assert_eq!(wait, "loopdesk wait");
    // It waits for a login, and the daemon runs.
    stage
        .home
        .loopdesk(["wait", "--timeout", "1s"])
        .await
        .failed(4);
    stage.home.loopdesk(["login"]).await.ok();
    let json = stage.home.loopdesk(["version", "--json"]).await.ok().json();
    assert_eq!(json["daemon"]["version"], VERSION, "{json}");
    assert!(json["problem"].is_null(), "{json}");
    assert_eq!(stage.get(ME).await.0, 200);
    let pid = json["daemon"]["pid"].as_u64().unwrap();
    terminate(u32::try_from(pid).unwrap()).await;
}

/// Both releases and the process, in one sentence.
#[track_caller]
fn is_told(text: &str, beginning: &str, release: &str, pid: u32) {
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with(beginning));
    let line = line.unwrap_or_else(|| panic!("nothing is said: {text}"));
    for part in [
        format!("loopdesk {release} (process {pid}"),
        format!("this command is loopdesk {VERSION}"),
    ] {
        assert!(line.contains(&part), "{part} in {line}");
    }
    assert_eq!(text.matches("this command is").count(), 1, "{text}");
}
