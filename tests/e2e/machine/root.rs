//! Root in its own home is an ordinary user; root in another person's home is most likely `sudo`.

use std::os::unix::fs::chown;

use super::super::stage;
use super::ME;

#[tokio::test]
async fn o3_root_in_another_persons_home_is_told_to_go_without_sudo_and_at_home_is_served() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    assert_eq!(stage.get(ME).await.0, 200, "root is a user like any other");
    daemon.stop().await;
    let paths = stage.home.paths();
    let give_to = |uid| {
        for dir in [paths.state_dir(), paths.config_dir()] {
            chown(dir, Some(uid), Some(uid)).unwrap();
        }
    };
    // A user that exists on every system.
    let before = std::fs::read_dir(paths.state_dir()).unwrap().count();
    give_to(DAEMON);
    for command in ["status", "wait", "login", "doctor", "account list"] {
        let words = command.split(' ');
        let said = stage.home.loopdesk(words).await;
        if said.stderr.contains("unrecognized") {
            continue;
        }
        assert_eq!(said.code, Some(2), "{command}: {said:#?}");
        assert!(said.stderr.contains("as root"), "{command}: {said:#?}");
        assert!(
            said.stderr.contains("without `sudo`"),
            "{command}: {said:#?}"
        );
    }
    let said = stage.home.run("loopdeskd", [""; 0]).await.failed(2);
    assert!(said.stderr.contains("without `sudo`"), "{said:#?}");
    let after = std::fs::read_dir(paths.state_dir()).unwrap().count();
    assert_eq!(before, after, "nothing was written there");
    // Commands that don't touch anyone's files work for root, too.
    stage.home.loopdesk(["completions", "bash"]).await.ok();
    give_to(0);
    let _daemon = stage.daemon().await;
    assert_eq!(stage.get(ME).await.0, 200);
}

const DAEMON: u32 = 1;
