//! The refresher on real files, against a scripted Zendesk: lost answers, crashes, clocks, outages.

use std::fs;
use std::path::Path;

use jiff::SignedDuration;
use loopdesk_protocol::status::{Role, State as Shown};

use super::gate::Replayability;
use super::*;
use crate::config::VaultKind;
use crate::session::model::rejection::RefreshRejection;
use crate::session::report::snapshot::Ready;
use crate::session::report::token_policy::TokenChoice;
use crate::session::testing::{Bench, Step, context, join_all, session_tokens, transient};

#[tokio::test(start_paused = true)]
async fn r2_a_refresh_survives_its_caller() {
    let bench = Bench::logged_in(3600).await;
    let turn = bench.zendesk.turn.acquire().await.unwrap();
    let session = bench.session.clone();
    let caller = tokio::spawn(async move { session.refresh().await });
    bench.zendesk.until("refresh", 1).await;
    caller.abort();
    drop(turn);
    bench.until_generation(2).await;
    assert_eq!(bench.durable(), Some(2));
    assert_eq!(bench.zendesk.count("refresh"), 1);
}

#[tokio::test(start_paused = true)]
async fn r2_one_question_and_one_refresh_for_many_callers() {
    let bench = Bench::logged_in(3600).await;
    bench.zendesk.expire_newest();
    let callers = (0..32).map(|_| bench.rejected(1));
    for verdict in join_all(callers).await {
        assert_eq!(verdict, Verdict::Replay);
    }
    assert_eq!(bench.zendesk.count("check"), 1);
    assert_eq!(bench.zendesk.count("refresh"), 1);
    assert_eq!(
        bench.rejected(1).await,
        Verdict::Replay,
        "and none for those who come late"
    );
    assert_eq!(bench.zendesk.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn r2_a_401_to_a_living_token_is_the_scripts() {
    let bench = Bench::logged_in(3600).await;
    for verdict in join_all((0..10).map(|_| bench.rejected(1))).await {
        assert_eq!(verdict, Verdict::PassOn);
    }
    assert_eq!(bench.rejected(1).await, Verdict::PassOn);
    assert_eq!(bench.zendesk.calls(), ["check access-1"]);
}

#[tokio::test(start_paused = true)]
async fn r2_a_token_that_was_good_a_moment_ago_is_asked_about_when_it_meets_a_401() {
    let bench = Bench::signed_out(3600).await;
    let mut tokens = session_tokens(1, bench.deps.clock.now(), 3600);
    // The token endpoint left the expiry out, so `tokens/current` is asked at once.
    tokens.pair.refresh_expires_at = None;
    bench.write(tokens, "m4ch1ne").await;
    bench.zendesk.set_issued(1);
    let bench = bench.restarted().await;
    bench.zendesk.until("check", 1).await;
    bench.zendesk.expire_newest();
    assert_eq!(bench.rejected(1).await, Verdict::Replay);
    assert_eq!(bench.zendesk.count("refresh"), 1);
}

#[tokio::test(start_paused = true)]
async fn r2_a_401_during_a_rotation_waits_for_the_new_pair() {
    let bench = Bench::logged_in(3600).await;
    let turn = bench.zendesk.turn.acquire().await.unwrap();
    let session = bench.session.clone();
    let refresh = tokio::spawn(async move { session.refresh().await });
    bench.zendesk.until("refresh", 1).await;
    let (verdict, ()) = tokio::join!(bench.rejected(1), async {
        tokio::task::yield_now().await;
        drop(turn);
    });
    assert_eq!(verdict, Verdict::Replay);
    assert_eq!(bench.zendesk.count("check"), 0);
    assert_eq!(refresh.await.unwrap().unwrap().generation, 2);
}

#[tokio::test(start_paused = true)]
async fn r1_a_planned_refresh_waits_for_uploads_and_a_forced_one_does_not() {
    let bench = Bench::logged_in(3600).await;
    let gate = bench.session.gate(Role::Primary).clone();
    let upload = gate.enter(Replayability::Unreplayable).await;
    bench.mover.jump(SignedDuration::from_secs(3200));
    bench.until_state(Shown::Rotating).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(bench.zendesk.count("refresh"), 0);
    drop(gate.enter(Replayability::Replayable).await);
    assert!(bench.is_ready(), "no request waits");
    // A request meets a dead token, which forces the refresh.
    bench.zendesk.expire_newest();
    assert_eq!(bench.rejected(1).await, Verdict::Replay);
    assert_eq!(bench.zendesk.count("refresh"), 1);
    drop(upload);
}

#[tokio::test(start_paused = true)]
async fn r1_r6_a_token_that_expires_while_uploads_are_waited_for_is_refreshed_at_once() {
    let bench = Bench::logged_in(3600).await;
    let _upload = bench
        .session
        .gate(Role::Primary)
        .enter(Replayability::Unreplayable)
        .await;
    bench.mover.jump(SignedDuration::from_secs(3200));
    bench.until_state(Shown::Rotating).await;
    // Asleep with the upload in flight.
    bench.mover.jump(SignedDuration::from_hours(8));
    let woken = Instant::now();
    bench.until_generation(2).await;
    assert!(woken.elapsed() <= Duration::from_secs(31));
}

#[tokio::test(start_paused = true)]
async fn r3_a_new_pair_is_on_disk_before_it_is_used() {
    let bench = Bench::logged_in(3600).await;
    let session = bench.session.clone();
    let mut changes = session.changes();
    let refresh = tokio::spawn(async move { session.refresh().await });
    loop {
        changes.changed().await.unwrap();
        if changes.borrow().view.generation == Some(2) {
            break;
        }
    }
    assert_eq!(bench.durable(), Some(2));
    assert_eq!(
        bench.store.noted(&bench.name()),
        None,
        "answered and stored"
    );
    refresh.await.unwrap().unwrap();
}

/// Puts something in the record's place that can't be overwritten.
fn obstruct(record: &Path) {
    fs::remove_file(record).unwrap();
    fs::create_dir_all(record.join("in the way")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn r3_a_pair_that_can_t_be_stored_is_served_unsaved_and_stored_later() {
    let bench = Bench::logged_in(3600).await;
    let record = bench.store.path(&bench.name());
    bench.zendesk.script([Step::Then(obstruct, record.clone())]);
    let session = bench.session.clone();
    let asked = Instant::now();
    let refreshed = session.refresh().await.unwrap();
    assert_eq!(refreshed.generation, 2);
    assert!(
        asked.elapsed() >= Duration::from_secs(2),
        "tried for two seconds"
    );
    let view = bench.session.view();
    assert_eq!(view.state, Shown::Unsaved);
    assert!(bench.is_ready());
    let problem = view.problem.unwrap();
    assert!(problem.message.contains("acme.session"), "{problem}");
    assert_eq!(problem.code.as_deref(), Some("session-unsaved"));
    assert!(
        bench.session.refresh().await.is_err(),
        "no further refresh until it is saved"
    );
    assert_eq!(bench.zendesk.count("refresh"), 1);
    fs::remove_dir_all(&record).unwrap();
    bench.until_state(Shown::Active).await;
    assert_eq!(bench.durable(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn r3_nothing_is_asked_of_zendesk_that_could_not_be_stored() {
    let bench = Bench::logged_in(3600).await;
    let dir = bench.deps.paths.sessions_dir();
    let aside = dir.with_extension("aside");
    fs::rename(&dir, &aside).unwrap();
    fs::write(&dir, "no folder").unwrap();
    let problem = bench.session.refresh().await.unwrap_err();
    assert_eq!(problem.kind, Kind::Vault, "{problem}");
    assert_eq!(problem.code.as_deref(), Some("session-not-storable"));
    assert!(problem.hints[0].contains(dir.parent().unwrap().to_str().unwrap()));
    assert_eq!(bench.zendesk.count("refresh"), 0);
    assert!(bench.is_ready(), "the token serves until it expires");
    assert_eq!(
        bench.session.view().problem,
        Some(problem),
        "as long as it lasts"
    );
    fs::remove_file(&dir).unwrap();
    fs::rename(&aside, &dir).unwrap();
    assert_eq!(bench.session.refresh().await.unwrap().generation, 2);
    assert_eq!(bench.session.view().problem, None);
}

#[tokio::test(start_paused = true)]
async fn r3_killed_and_started_again_the_newest_pair_is_in_use() {
    let bench = Bench::logged_in(3600).await;
    bench.session.refresh().await.unwrap();
    let bench = bench.restarted().await;
    assert_eq!(bench.session.view().generation, Some(2));
    assert!(bench.is_ready());
    assert_eq!(bench.zendesk.count("refresh"), 1);
}

#[tokio::test(start_paused = true)]
async fn r3_a_record_from_another_machine_is_never_refreshed() {
    let bench = Bench::signed_out(3600).await;
    bench
        .write(session_tokens(1, bench.deps.clock.now(), -5), "0th3r")
        .await;
    let bench = bench.restarted().await;
    let view = bench.session.view();
    assert_eq!(view.state, Shown::SignedOut);
    assert!(view.problem.unwrap().message.contains("another machine"));
    assert!(bench.session.refresh().await.is_err());
    assert!(bench.zendesk.calls().is_empty());
    assert_eq!(bench.durable(), Some(1), "and kept");
}

#[tokio::test(start_paused = true)]
async fn r5_killed_while_it_waited_it_asks_at_once_and_says_what_happened() {
    let bench = Bench::logged_in(3600).await;
    let zendesk = Arc::clone(&bench.zendesk);
    let turn = zendesk.turn.acquire().await.unwrap();
    let session = bench.session.clone();
    tokio::spawn(async move { session.refresh().await });
    bench.zendesk.until("refresh", 1).await;
    // Zendesk has replaced the pair, and the answer never comes.
    bench.zendesk.set_issued(2);
    let bench = bench.restarted().await;
    assert_eq!(bench.session.view().state, Shown::Doubtful);
    drop(turn);
    bench.until_state(Shown::Ended).await;
    let why = bench.session.view().problem.unwrap().message;
    assert!(why.contains("stopped while it waited"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn r5_a_doubt_outlives_an_attempt_that_could_not_be_sent() {
    let bench = Bench::logged_in(3600).await;
    let lost = || Step::Answer(TokenOutcome::Lost("reset".to_owned()));
    let unsent = Step::Answer(transient("no route"));
    bench.zendesk.script([lost(), lost(), unsent]);
    assert!(bench.session.refresh().await.is_err());
    assert!(bench.session.refresh().await.is_err());
    assert_eq!(bench.session.view().state, Shown::Doubtful);
    assert_eq!(bench.store.noted(&bench.name()), Some(Generation::new(2)));
    assert_eq!(bench.session.refresh().await.unwrap().generation, 2);
    assert_eq!(bench.store.noted(&bench.name()), None);
}

#[tokio::test(start_paused = true)]
async fn r5_a_swallowed_answer_costs_one_retry_and_an_honest_sentence() {
    let bench = Bench::logged_in(3600).await;
    bench.zendesk.script([Step::Swallowed]);
    let problem = bench.session.refresh().await.unwrap_err();
    assert!(
        problem.message.contains("answer to a refresh was lost"),
        "{problem}"
    );
    assert_eq!(problem.hints, ["run `loopdesk login acme`"]);
    assert_eq!(
        bench.zendesk.calls(),
        ["refresh refresh-1", "refresh refresh-1"]
    );
    assert_eq!(bench.session.view().state, Shown::Ended);
    assert_eq!(
        bench.session.view().person.unwrap().id,
        42,
        "who it was stays known"
    );
}

#[tokio::test(start_paused = true)]
async fn r4_an_end_survives_a_restart_and_costs_not_one_more_post() {
    let bench = Bench::logged_in(3600).await;
    bench.zendesk.revoke_newest();
    assert!(bench.session.refresh().await.is_err());
    bench.until_state(Shown::Ended).await;
    while !bench.is_over_on_disk().await {
        tokio::task::yield_now().await;
    }
    let bench = bench.restarted().await;
    assert_eq!(bench.session.view().state, Shown::Ended);
    for _ in 0..50 {
        bench.mover.jump(SignedDuration::from_hours(2));
        assert!(bench.session.refresh().await.is_err());
        assert_eq!(bench.rejected(1).await, Verdict::Unusable);
    }
    assert_eq!(bench.zendesk.count("refresh"), 1);
}

#[tokio::test(start_paused = true)]
async fn r4_outages_decide_nothing_and_are_over_when_they_are_over() {
    let bench = Bench::logged_in(3600).await;
    bench.zendesk.set_offline(true);
    for attempts in 1..4 {
        bench
            .mover
            .jump(SignedDuration::from_secs(if attempts == 1 {
                3200
            } else {
                10
            }));
        bench.zendesk.until("refresh", attempts).await;
    }
    assert!(bench.is_ready());
    bench.mover.jump(SignedDuration::from_hours(1));
    bench
        .until(|s| matches!(s.ready(TokenChoice::All), Ready::No(_)))
        .await;
    assert_eq!(bench.session.view().state, Shown::Active);
    bench.zendesk.set_offline(false);
    bench.mover.jump(SignedDuration::from_mins(5));
    bench.until_generation(2).await;
    assert!(bench.is_ready());
}

#[tokio::test(start_paused = true)]
async fn r4_a_refusal_blocks_and_says_who_must_act() {
    let bench = Bench::logged_in(3600).await;
    bench
        .zendesk
        .script([Step::Answer(TokenOutcome::Refused(RefreshRejection {
            why: "the client is gone (invalid_client)".to_owned(),
            fix: "ask an admin".to_owned(),
        }))]);
    let problem = bench.session.refresh().await.unwrap_err();
    assert!(problem.message.contains("invalid_client"), "{problem}");
    assert_eq!(problem.hints[0], "ask an admin");
    assert_eq!(bench.session.view().state, Shown::Blocked);
    assert_eq!(bench.durable(), Some(1), "the record is kept");
    assert_eq!(bench.session.refresh().await.unwrap().generation, 2);
    assert_eq!(bench.session.view().state, Shown::Active);
}

#[tokio::test(start_paused = true)]
async fn r6_after_eight_hours_asleep_one_refresh_and_no_expired_token() {
    let bench = Bench::logged_in(1800).await;
    bench.mover.jump(SignedDuration::from_hours(8));
    let woken = Instant::now();
    bench.until_generation(2).await;
    assert!(woken.elapsed() <= Duration::from_secs(31));
    assert_eq!(bench.zendesk.count("refresh"), 1);
}

#[tokio::test(start_paused = true)]
async fn r8_logout_finishes_a_refresh_first_then_revokes_and_erases() {
    let bench = Bench::logged_in(3600).await;
    let turn = bench.zendesk.turn.acquire().await.unwrap();
    let (one, two) = (bench.session.clone(), bench.session.clone());
    let refresh = tokio::spawn(async move { one.refresh().await });
    bench.zendesk.until("refresh", 1).await;
    let logout = tokio::spawn(async move { two.logout(false).await });
    tokio::task::yield_now().await;
    drop(turn);
    refresh.await.unwrap().unwrap();
    let out = logout.await.unwrap().unwrap();
    assert!(out.revoked);
    assert_eq!(out.person.unwrap().id, 42);
    assert_eq!(
        bench.zendesk.calls(),
        ["refresh refresh-1", "revoke access-2"]
    );
    assert_eq!(bench.durable(), None);
    assert_eq!(bench.session.view().state, Shown::SignedOut);
}

#[tokio::test(start_paused = true)]
async fn r8_a_refresh_token_that_outlives_its_access_token_is_revoked_too() {
    let bench = Bench::logged_in(3600).await;
    bench.zendesk.expire_newest();
    assert!(bench.session.logout(false).await.unwrap().revoked);
    let expected = ["revoke access-1", "refresh refresh-1", "revoke access-2"];
    assert_eq!(bench.zendesk.calls(), expected);
}

#[tokio::test(start_paused = true)]
async fn r8_offline_logout_fails_unless_it_is_to_forget() {
    let bench = Bench::logged_in(3600).await;
    bench.zendesk.set_offline(true);
    let problem = bench.session.logout(false).await.unwrap_err();
    assert!(
        problem.hints.iter().any(|hint| hint.contains("--forget")),
        "{problem:?}"
    );
    assert_eq!(bench.session.view().state, Shown::Active);
    let out = bench.session.logout(true).await.unwrap();
    assert!(!out.revoked);
    assert_eq!(bench.durable(), None);
}

#[tokio::test(start_paused = true)]
async fn r9_a_missing_key_is_a_state_and_its_return_is_noticed() {
    let bench = Bench::logged_in(3600).await;
    let key = bench.deps.paths.key_file();
    let aside = key.with_extension("aside");
    fs::rename(&key, &aside).unwrap();
    let bench = bench.restarted().await;
    let view = bench.session.view();
    assert_eq!(view.state, Shown::KeyMissing);
    let problem = view.problem.unwrap();
    assert!(problem.message.contains("no key file"), "{problem}");
    assert!(bench.session.logout(false).await.is_err());
    fs::rename(&aside, &key).unwrap();
    bench.mover.jump(SignedDuration::from_secs(30));
    bench.until_state(Shown::Active).await;
    assert!(bench.zendesk.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn s5_under_another_client_the_record_is_kept_and_never_sent() {
    let bench = Bench::logged_in(3600).await;
    bench
        .session
        .reconfigure(context(&bench.zendesk, "other"))
        .await;
    bench.until_state(Shown::SignedOut).await;
    let problem = bench.session.view().problem.unwrap();
    assert!(problem.message.contains("client `other`"), "{problem}");
    assert!(problem.hints[0].contains("loopdesk login acme"));
    assert!(bench.session.refresh().await.is_err());
    assert_eq!(bench.durable(), Some(1));
    bench
        .session
        .reconfigure(context(&bench.zendesk, "loopdesk"))
        .await;
    bench.until_state(Shown::Active).await;
    assert_eq!(bench.session.view().generation, Some(1));
    assert!(bench.zendesk.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_and_stores_what_is_under_way() {
    let bench = Bench::logged_in(3600).await;
    let turn = bench.zendesk.turn.acquire().await.unwrap();
    let session = bench.session.clone();
    let refresh = tokio::spawn(async move { session.refresh().await });
    bench.zendesk.until("refresh", 1).await;
    bench.session.stop().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(!bench.task.is_finished());
    drop(turn);
    assert_eq!(refresh.await.unwrap().unwrap().generation, 2);
    let durable = bench.store.clone();
    bench.task.await.unwrap();
    assert!(durable.read(&"acme".parse().unwrap()).unwrap().is_some());
    assert!(bench.session.refresh().await.is_err(), "stopped");
}

#[tokio::test(start_paused = true)]
async fn stopping_with_an_unsaved_pair_tries_once_more() {
    let bench = Bench::logged_in(3600).await;
    let record = bench.store.path(&bench.name());
    bench.zendesk.script([Step::Then(obstruct, record.clone())]);
    bench.session.refresh().await.unwrap();
    assert_eq!(bench.session.view().state, Shown::Unsaved);
    fs::remove_dir_all(&record).unwrap();
    bench.session.stop().await;
    let Bench { task, store, .. } = bench;
    task.await.unwrap();
    assert!(store.read(&"acme".parse().unwrap()).unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn r9_a_vault_that_holds_another_key_opens_nothing_and_loses_nothing() {
    let bench = Bench::logged_in(3600).await;
    fs::remove_file(bench.deps.paths.key_file()).unwrap();
    let vault = Vault::new(VaultKind::Keyfile, &bench.deps.paths);
    vault.key_or_new(false).await.unwrap();
    let bench = bench.restarted().await;
    assert_eq!(bench.session.view().state, Shown::KeyMissing);
    let problem = bench.session.view().problem.unwrap();
    assert!(problem.message.contains("different data key"), "{problem}");
    assert_eq!(bench.durable(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_says_why_and_that_nothing_is_lost() {
    let bench = Bench::logged_in(3600).await;
    bench
        .zendesk
        .script([Step::Answer(transient("503 from Zendesk"))]);
    let problem = bench.session.refresh().await.unwrap_err();
    assert!(problem.message.contains("503 from Zendesk"), "{problem}");
    assert!(bench.is_ready());
}
