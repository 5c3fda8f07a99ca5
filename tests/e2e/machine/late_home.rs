//! A daemon that runs before its home is mounted, as with lingering and an encrypted home.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use loopdesk_protocol::status::State;
use loopdesk_tests::wait::eventually;
use loopdesk_tests::{Failpoints, Stage};

use super::super::stage;
use super::ME;

#[tokio::test]
async fn o1_a_session_that_comes_late_is_found_by_itself_and_at_once_by_a_reload() {
    for asks in [true, false] {
        let mut stage = stage().await;
        let Some(failpoints) = Failpoints::of(&mut stage.home) else {
            return;
        };
        failpoints.set_clock(0);
        stage.logged_in().await.stop().await;
        let home = Away::from(&stage);
        let daemon = stage.daemon().await;
        let acme = stage.acme_loaded().await;
        assert_eq!(acme.state, State::SignedOut);
        home.comes();
        if asks {
            // Its clock follows ours, so half a minute hasn't passed.
            stage.home.loopdesk(["config", "reload"]).await.ok();
        } else {
            failpoints.set_clock(40_000);
        }
        let begin = Instant::now();
        eventually("the session is found", async || {
            stage.get(ME).await.0 == 200
        })
        .await;
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "by itself, and late"
        );
        assert_eq!(stage.acme().await.state, State::Active);
        // It is the same session as before: it can be renewed, and is stored where it came from.
        stage.home.loopdesk(["refresh"]).await.ok();
        daemon.stop().await;
        let _daemon = stage.daemon().await;
        assert_eq!(stage.get(ME).await.0, 200);
    }
}

#[tokio::test]
async fn r3_a_home_that_is_mounted_over_the_first_one_is_this_daemons_too() {
    let stage = stage().await;
    stage.logged_in().await.stop().await;
    let state = stage.home.paths().state_dir().to_owned();
    let real = state.with_extension("real");
    fs::rename(&state, &real).unwrap();
    // What a daemon creates before the mount, and the mount hides.
    let daemon = stage.daemon().await;
    assert_eq!(stage.acme_loaded().await.state, State::SignedOut);
    fs::rename(&state, state.with_extension("hidden")).unwrap();
    fs::rename(&real, &state).unwrap();
    stage.home.loopdesk(["config", "reload"]).await.ok();
    eventually("the session is found", async || {
        stage.get(ME).await.0 == 200
    })
    .await;
    // Two daemons with one session would end it. The pid is written once the lock is held; asking for
    // the lock before that could take it away from the daemon.
    let lock = stage.home.paths().lock_file().display().to_string();
    let pid = daemon.pid().to_string();
    let names_it = async || fs::read_to_string(&lock).is_ok_and(|text| text.trim() == pid);
    eventually("the new folder's lock names the daemon", names_it).await;
    let taken = stage.home.run("flock", ["-n", &lock, "true"]).await;
    assert_eq!(taken.code, Some(1));
    stage.home.run("loopdeskd", [""; 0]).await.failed(75);
}

/// The contents of a home while the home is missing.
struct Away(Vec<(PathBuf, PathBuf)>);

impl Away {
    fn from(stage: &Stage) -> Self {
        let state = stage.home.paths().state_dir().to_owned();
        let away = stage.home.path().join("away");
        fs::create_dir(&away).unwrap();
        let mut moved = Vec::new();
        for entry in fs::read_dir(&state).unwrap() {
            let from = entry.unwrap().path();
            let to = away.join(from.file_name().unwrap());
            fs::rename(&from, &to).unwrap();
            moved.push((from, to));
        }
        Self(moved)
    }

    fn comes(self) {
        for (from, to) in self.0 {
            // The records' folder last, as with a mount: everything at once.
            let is_made_anew = from.exists() && from.is_dir();
            if is_made_anew {
                fs::remove_dir_all(&from).unwrap();
            }
            // The lock belongs to the running daemon.
            if !from.ends_with("lock") {
                fs::rename(to, from).unwrap();
            }
        }
    }
}
