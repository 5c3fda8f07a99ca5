//! SIGKILL at every step of a rotation, a login and a logout, and at any moment under load (R3); and
//! of a change to the local keys.
//!
//! The rule for the former: after a restart, the newest pair that had reached the daemon is in use.
//! A new login is excusable only if the daemon had not read the last byte of the response, which
//! its trace shows; the state then says what happened.

mod keys;
mod under_load;

use loopdesk_protocol::status::State;
use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::{Credential, Fault, Gate};
use loopdesk_tests::{Daemon, Failpoints, Stage};
use loopdeskd::failpoint::{ANSWER_READ, LOGIN, LOGOUT, ROTATION};

use super::stage;

const ME: &str = "/api/v2/users/me.json";

/// A test environment whose daemons have failpoints.
async fn prepared() -> Option<(Stage, Failpoints)> {
    let mut stage = stage().await;
    let failpoints = Failpoints::of(&mut stage.home)?;
    Some((stage, failpoints))
}

/// Runs `loopdesk` until `daemon` has been killed at the failpoint.
async fn dies_of(stage: &Stage, daemon: Daemon, arguments: &[&str]) {
    let mut command = stage
        .home
        .command("loopdesk")
        .args(arguments)
        .spawn()
        .unwrap();
    let ended = daemon.ended().await.unwrap();
    assert_eq!(ended.code(), None, "killed: {ended}");
    command.kill().await.unwrap();
}

/// Asserts that requests carry the newest pair that Zendesk has made.
async fn newest_is_in_use(stage: &Stage, what: &str) {
    // A daemon that can't know whether it had asked asks again.
    let is_active = async || stage.acme().await.state == State::Active;
    eventually(&format!("active after {what}"), is_active).await;
    stage.zendesk.clear();
    let (status, body) = stage.get(ME).await;
    let log = || Daemon::log(&stage.home);
    assert_eq!(status, 200, "{what}: {body}\n{}", log());
    let newest = stage.zendesk.tokens().last().unwrap().generation;
    let records = stage.zendesk.requests();
    let last = records
        .iter()
        .rfind(|r| r.is("GET", ME.trim_end_matches(".json")))
        .unwrap();
    let Credential::Bearer { generation, .. } = last.credential else {
        panic!("{what}: {last}");
    };
    assert_eq!(generation, Some(newest), "{what}: the newest pair is used");
    assert_eq!(stage.live_pairs(), 1, "{what}");
}

/// Asserts that the session is over and that everyone learns why; then logs in again.
async fn loss_is_told(stage: &Stage, what: &str) {
    let (status, body) = stage.get(ME).await;
    assert_eq!(status, 401, "{what}: {body}");
    let told = "the answer to a refresh was lost (loopdesk was stopped while it waited";
    assert!(body.contains(told), "{what}: {body}");
    let acme = stage.acme().await;
    assert_eq!(acme.state, State::Ended, "{what}");
    let problem = acme.problem.unwrap();
    assert!(problem.message.contains(told), "{what}: {problem:?}");
    assert_eq!(problem.hints, ["run `loopdesk login acme`"]);
    // The pair that Zendesk has made is lost.
    stage.zendesk.revoke_tokens();
    stage.home.loopdesk(["login"]).await.ok();
}

#[tokio::test]
async fn r3_killed_at_any_step_of_a_rotation_the_newest_pair_is_in_use() {
    let Some((stage, failpoints)) = prepared().await else {
        return;
    };
    let mut daemon = stage.logged_in().await;
    failpoints.clear();
    stage.home.loopdesk(["refresh"]).await.ok();
    assert_eq!(failpoints.trace(), ROTATION, "these are all the steps");

    let mut lost = Vec::new();
    for step in ROTATION {
        failpoints.clear();
        failpoints.kill_at(step);
        let made = stage.zendesk.tokens().len();
        dies_of(&stage, daemon, &["refresh"]).await;
        failpoints.spare_at(step);
        let is_made = stage.zendesk.tokens().len() > made;
        let has_reached_us = failpoints.count(ANSWER_READ) > 0;
        daemon = stage.daemon().await;
        if is_made && !has_reached_us {
            loss_is_told(&stage, step).await;
            lost.push(step);
        } else {
            newest_is_in_use(&stage, step).await;
        }
    }
    assert_eq!(lost, ["answer-head-read"], "nothing else is excused");
}

#[tokio::test]
async fn r5_killed_while_the_request_is_on_its_way_the_session_lives_or_says_what_happened() {
    let Some((stage, failpoints)) = prepared().await else {
        return;
    };
    let daemon = stage.logged_in().await;
    let gate = Gate::closed();
    let post = || Fault::on("POST", "/oauth/tokens").once();
    stage.zendesk.fault(post().hold(&gate));
    let refresh = stage
        .home
        .command("loopdesk")
        .arg("refresh")
        .spawn()
        .unwrap();
    gate.reached(1).await;
    daemon.kill().await;
    drop(refresh);
    // Zendesk has never acted: after the restart the daemon asks again, and that is all.
    let daemon = stage.daemon().await;
    newest_is_in_use(&stage, "sent, not acted upon").await;

    let gate = Gate::closed();
    stage.zendesk.fault(post().hold_answer(&gate));
    let refresh = stage
        .home
        .command("loopdesk")
        .arg("refresh")
        .spawn()
        .unwrap();
    gate.reached(1).await;
    failpoints.clear();
    daemon.kill().await;
    drop(refresh);
    assert_eq!(failpoints.count(ANSWER_READ), 0);
    let _daemon = stage.daemon().await;
    loss_is_told(&stage, "acted upon, not answered").await;
    newest_is_in_use(&stage, "after the login").await;
}

#[tokio::test]
async fn r8_killed_at_any_step_of_a_login_one_pair_lives_and_is_in_use() {
    let Some((stage, failpoints)) = prepared().await else {
        return;
    };
    let mut daemon = stage.logged_in().await;
    failpoints.clear();
    stage.home.loopdesk(["login"]).await.ok();
    eventually("the last step", async || {
        failpoints.count(LOGIN[LOGIN.len() - 1]) > 0
    })
    .await;
    let mut steps = failpoints.trace();
    steps.sort();
    steps.dedup();
    let mut expected: Vec<_> = LOGIN.to_vec();
    expected.sort_unstable();
    assert_eq!(steps, expected, "these are all the steps");

    for step in LOGIN {
        failpoints.clear();
        failpoints.kill_at(step);
        dies_of(&stage, daemon, &["login"]).await;
        failpoints.spare_at(step);
        let has_reached_us = failpoints.count(ANSWER_READ) > 0;
        daemon = stage.daemon().await;
        let (status, body) = stage.get(ME).await;
        assert_eq!(status, 200, "{step}: {body}\n{}", Daemon::log(&stage.home));
        if step == "answer-head-read" {
            // The pair that Zendesk has made is lost: only an admin's list shows it.
            assert!(!has_reached_us && stage.live_pairs() == 2);
            stage.home.loopdesk(["logout"]).await.ok();
            stage.zendesk.revoke_tokens();
            stage.home.loopdesk(["login"]).await.ok();
        }
        let one = async || stage.live_pairs() == 1;
        eventually(&format!("one pair lives after {step}"), one).await;
        let folder = stage.home.paths().sessions_dir();
        let is_left = |name: &str| {
            let ends = [".leftover", ".new", ".journal"];
            ends.iter().any(|end| name.ends_with(end))
        };
        let clean = async || {
            let entries = std::fs::read_dir(&folder).unwrap();
            let mut names = entries.map(|entry| entry.unwrap().file_name());
            !names.any(|name| is_left(&name.to_string_lossy()))
        };
        eventually(&format!("nothing is left over after {step}"), clean).await;
    }
}

#[tokio::test]
async fn r8_killed_at_any_step_of_a_logout_no_pair_outlives_the_next_one() {
    let Some((stage, failpoints)) = prepared().await else {
        return;
    };
    let mut daemon = stage.logged_in().await;
    failpoints.clear();
    stage.home.loopdesk(["logout"]).await.ok();
    let steps: Vec<_> = failpoints.trace();
    assert_eq!(steps, LOGOUT, "these are all the steps");

    for step in LOGOUT {
        stage.home.loopdesk(["login"]).await.ok();
        failpoints.kill_at(step);
        dies_of(&stage, daemon, &["logout"]).await;
        failpoints.spare_at(step);
        daemon = stage.daemon().await;
        // Still logged in, or signed out, or told that the token was revoked: never anything else.
        let (status, body) = stage.get(ME).await;
        let state = stage.acme().await.state;
        let is_live = stage.live_pairs() == 1;
        match state {
            State::Active => assert!(status == 200 && is_live, "{step}: {status} {body}"),
            State::SignedOut | State::Ended => {
                assert!(status == 401 && !is_live, "{step}: {status} {body}");
            }
            State::Rotating
            | State::Doubtful
            | State::Unsaved
            | State::Unreachable
            | State::Blocked
            | State::KeyMissing => panic!("{step}: {state:?}"),
        }
        stage.home.loopdesk(["logout"]).await.ok();
        assert_eq!(stage.live_pairs(), 0, "{step}");
    }
}
