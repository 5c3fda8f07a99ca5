//! SIGKILL at every step in which a spare pair goes, or takes the place of one that was lost.

use loopdesk_tests::wait::eventually;
use loopdesk_tests::{Daemon, Failpoints, Stage};
use loopdeskd::failpoint::{RETIREMENT, TAKE_OVER};

use super::old_state::{files, is_as_ever, lives, own_and_expired_spare, spare_serves};
use super::{ME, one_is_left, stage};

/// A stage whose daemons have failpoints.
async fn prepared() -> Option<(Stage, Failpoints)> {
    let mut stage = stage().await;
    let failpoints = Failpoints::of(&mut stage.home)?;
    Some((stage, failpoints))
}

/// Starts a daemon that is killed at this step, before it is ready or after that.
async fn dies_at(stage: &Stage, failpoints: &Failpoints, step: &str) {
    failpoints.clear();
    failpoints.kill_at(step);
    if let Ok(daemon) = Daemon::start(&stage.home).await {
        let ended = daemon.ended().await.unwrap();
        assert_eq!(ended.code(), None, "killed: {ended}");
    }
    assert_eq!(
        failpoints.count(step),
        1,
        "{step}: {}",
        Daemon::log(&stage.home)
    );
    failpoints.spare_at(step);
}

/// Asserts that the steps that were passed are these, each once or more.
fn these_are_all(failpoints: &Failpoints, expected: &[&str]) {
    let mut steps = failpoints.trace();
    steps.retain(|step| step != "connection-accepted");
    steps.sort();
    steps.dedup();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(steps, expected, "these are all the steps");
}

#[tokio::test]
async fn r8_killed_at_any_step_of_its_retirement_the_spare_is_revoked_by_the_next_start() {
    let Some((stage, failpoints)) = prepared().await else {
        return;
    };
    own_and_expired_spare(&stage).await;
    failpoints.clear();
    let daemon = stage.daemon().await;
    one_is_left(&stage, "without a kill").await;
    these_are_all(&failpoints, &RETIREMENT);
    daemon.stop().await;

    for step in RETIREMENT {
        // Each round begins with nobody logged in.
        stage.zendesk.revoke_tokens();
        std::fs::remove_file(stage.home.paths().sessions_dir().join("acme.session")).unwrap();
        let [own, spare] = own_and_expired_spare(&stage).await;
        dies_at(&stage, &failpoints, step).await;
        assert!(lives(&stage, own), "{step}");
        let daemon = stage.daemon().await;
        if step == "answer-head-read" {
            // Nobody knows the pair that Zendesk has made: an admin's list is all that shows it.
            eventually("nothing is left", async || is_as_ever(&stage)).await;
            assert!(lives(&stage, spare));
            assert_eq!(stage.get(ME).await.0, 200);
        } else {
            one_is_left(&stage, step).await;
        }
        assert!(lives(&stage, own), "{step}");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn r8_killed_at_any_step_of_taking_over_the_spare_serves() {
    let Some((stage, failpoints)) = prepared().await else {
        return;
    };
    spare_serves(&stage).await;
    failpoints.clear();
    let daemon = stage.daemon().await;
    assert_eq!(stage.get(ME).await.0, 200);
    these_are_all(&failpoints, &TAKE_OVER);
    daemon.stop().await;

    for step in TAKE_OVER {
        stage.zendesk.revoke_tokens();
        std::fs::remove_file(stage.home.paths().sessions_dir().join("acme.session")).unwrap();
        let spare = spare_serves(&stage).await;
        dies_at(&stage, &failpoints, step).await;
        let daemon = stage.daemon().await;
        let (status, body) = stage.get(ME).await;
        assert_eq!(status, 200, "{step}: {body}");
        assert!(lives(&stage, spare), "{step}");
        assert!(is_as_ever(&stage), "{step}: {:?}", files(&stage));
        daemon.stop().await;
    }
}
