//! A disk that is full when the session's newest state has to be stored on it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use loopdesk_protocol::{Condition, Kind};
use loopdesk_tests::{Failpoints, Stage};

use super::stage;

const ME: &str = "/api/v2/users/me.json";
const HOUR: i64 = 3_600_000;

/// A file system of its own, small enough to fill.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one over the folder, if this user may mount.
    fn over(folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs"])
            .arg(folder)
            .status();
        if !mounted.is_ok_and(|mounted| mounted.success()) {
            loopdesk_tests::demo::say("left out: this user may not mount a small disk");
            return None;
        }
        Some(Self(folder.to_owned()))
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("fill")).unwrap();
        while file.write_all(&[b'x'; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("fill")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        unmounted.unwrap();
    }
}

async fn conditions(stage: &Stage) -> Vec<Condition> {
    let mut status = stage.status().await;
    status.gather();
    status.conditions
}

#[tokio::test]
async fn r3_a_full_disk_is_named_with_its_folder_and_shows_while_it_lasts() {
    let mut stage = stage().await;
    let Some(failpoints) = Failpoints::of(&mut stage.home) else {
        return;
    };
    failpoints.set_clock(0);
    let folder = stage.home.paths().sessions_dir();
    let Some(disk) = SmallDisk::over(&folder) else {
        return;
    };
    let daemon = stage.logged_in().await;
    assert_eq!(conditions(&stage).await, []);
    stage.zendesk.clear();
    disk.fill();

    let fix = format!("make room on the disk that holds `{}`", folder.display());
    let tells = |what: &str, said: &str| {
        assert!(said.contains(&fix), "{what}: {said}");
        assert!(!said.contains("check the network"), "{what}: {said}");
    };
    tells(
        "refresh",
        &stage.home.loopdesk(["refresh"]).await.failed(7).stderr,
    );
    assert!(
        stage.zendesk.token_posts().is_empty(),
        "nothing that could be lost is asked for"
    );
    assert_eq!(stage.get(ME).await.0, 200, "the token serves");
    tells(
        "status",
        &stage.home.loopdesk(["status"]).await.failed(1).stdout,
    );
    let told = conditions(&stage).await.remove(0);
    assert_eq!(
        (told.code(), told.problem.kind),
        ("session-not-storable", Kind::Vault)
    );
    assert_eq!(told.account.as_deref(), Some("acme"));
    tells(
        "login",
        &stage.home.loopdesk(["login"]).await.failed(7).stderr,
    );

    failpoints.set_clock(72 * HOUR);
    let (status, body) = stage.get(ME).await;
    assert_eq!(status, 503, "{body}");
    tells("an expired token", &body);
    tells(
        "status",
        &stage.home.loopdesk(["status"]).await.failed(1).stdout,
    );

    disk.free();
    stage.home.loopdesk(["refresh"]).await.ok();
    assert_eq!(conditions(&stage).await, []);
    assert_eq!(stage.get(ME).await.0, 200);
    daemon.stop().await;
}
