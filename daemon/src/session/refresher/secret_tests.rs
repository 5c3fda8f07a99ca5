//! A client that authenticates with its own secret: the same refresher, but no answer can be lost.

use jiff::SignedDuration;
use loopdesk_protocol::status::State as Shown;

use super::*;
use crate::session::model::rejection::RefreshRejection;
use crate::session::testing::{Bench, Step, by_secret, join_all, person, transient};

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_anew_before_it_expires_and_the_one_before_is_revoked() {
    let bench = Bench::by_secret(3600).await;
    for generation in 2..=4 {
        bench.mover.jump(SignedDuration::from_secs(3200));
        tokio::time::sleep(bench.deps.clock.glance()).await;
        bench.until_generation(generation).await;
        assert!(bench.is_ready());
        assert_eq!(bench.durable(), Some(generation));
        bench
            .zendesk
            .until("revoke", usize::try_from(generation).unwrap() - 1)
            .await;
    }
    let calls = bench.zendesk.calls();
    assert_eq!(
        calls[..4],
        [
            "obtain secret",
            "revoke access-1",
            "obtain secret",
            "revoke access-2"
        ]
    );
    assert_eq!(bench.zendesk.count("refresh"), 0);
    assert_eq!(
        bench.zendesk.count("check"),
        0,
        "there is nothing more to learn"
    );
}

#[tokio::test(start_paused = true)]
async fn r2_one_token_for_many_callers_who_met_a_dead_one() {
    let bench = Bench::by_secret(3600).await;
    bench.zendesk.expire_newest();
    let callers = (0..32).map(|_| bench.rejected(1));
    for verdict in join_all(callers).await {
        assert_eq!(verdict, Verdict::Replay);
    }
    assert_eq!(bench.zendesk.count("obtain"), 1);
    assert_eq!(
        bench.zendesk.count("revoke"),
        0,
        "a dead token needs no revocation"
    );
}

#[tokio::test(start_paused = true)]
async fn r3_killed_while_it_waited_there_is_no_doubt() {
    let bench = Bench::by_secret(3600).await;
    let zendesk = Arc::clone(&bench.zendesk);
    let turn = zendesk.turn.acquire().await.unwrap();
    let session = bench.session.clone();
    tokio::spawn(async move { session.refresh().await });
    bench.zendesk.until("obtain", 1).await;
    assert_eq!(bench.store.noted(&bench.name()), None);
    let bench = bench.restarted().await;
    assert_eq!(bench.session.view().state, Shown::Active);
    drop(turn);
    assert_eq!(bench.session.refresh().await.unwrap().generation, 2);
}

#[tokio::test(start_paused = true)]
async fn r4_a_secret_that_is_refused_blocks_and_a_login_with_another_one_mends_it() {
    let bench = Bench::by_secret(3600).await;
    bench
        .zendesk
        .script([Step::Answer(TokenOutcome::Refused(RefreshRejection {
            why: "invalid_client".to_owned(),
            fix: "run `loopdesk login acme --client-secret-stdin`".to_owned(),
        }))]);
    let problem = bench.session.refresh().await.unwrap_err();
    assert_eq!(
        problem.hints.len(),
        1,
        "a login asks by itself: {problem:?}"
    );
    assert_eq!(bench.session.view().state, Shown::Blocked);
    assert!(bench.is_ready(), "the token serves until it expires");
    bench.zendesk.script([Step::Answer(transient("offline"))]);
    bench
        .log_in_by_secret(Some("an0ther"), false)
        .await
        .unwrap_err();
    assert_eq!(
        bench.session.view().state,
        Shown::Blocked,
        "nothing has changed"
    );
    let done = bench
        .log_in_by_secret(Some("an0ther"), false)
        .await
        .unwrap();
    assert_eq!(done.warning, None);
    assert_eq!(bench.session.view().state, Shown::Active);
    bench.zendesk.until("revoke access-1", 1).await;
    bench.session.refresh().await.unwrap();
    assert_eq!(bench.zendesk.count("obtain an0ther"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_login_without_a_secret_uses_the_stored_one_or_says_that_it_needs_one() {
    let bench = Bench::by_secret(3600).await;
    bench.log_in_by_secret(None, false).await.unwrap();
    assert_eq!(bench.zendesk.count("obtain secret"), 1);
    bench.session.logout(false).await.unwrap();
    let problem = bench.log_in_by_secret(None, false).await.unwrap_err();
    assert_eq!(problem.kind, Kind::Login);
    assert_eq!(
        problem.hints,
        ["run `loopdesk login acme --client-secret-stdin`"]
    );
    let hint = bench.session.view().problem.unwrap().hints.remove(0);
    assert!(hint.contains("--client-secret-stdin"), "{hint}");
}

#[tokio::test(start_paused = true)]
async fn r8_a_client_of_another_user_is_refused_unless_asked_for_and_an_admin_is_warned_about() {
    let bench = Bench::by_secret(3600).await;
    let mut admin = person(7);
    admin.role = Some("admin".to_owned());
    bench.zendesk.set_person(admin);
    let problem = bench
        .log_in_by_secret(Some("an0ther"), false)
        .await
        .unwrap_err();
    for name in ["Person 42", "Person 7"] {
        assert!(problem.message.contains(name), "{problem}");
    }
    assert!(problem.hints[0].contains("--switch-user"), "{problem:?}");
    assert_eq!(bench.zendesk.count("revoke access-2"), 1, "not left behind");
    let done = bench.log_in_by_secret(Some("an0ther"), true).await.unwrap();
    assert!(done.warning.unwrap().contains("Person 7, an admin"));
}

#[tokio::test(start_paused = true)]
async fn r8_logout_revokes_and_erases_the_secret() {
    let bench = Bench::by_secret(3600).await;
    bench.zendesk.set_offline(true);
    assert!(bench.session.logout(false).await.is_err());
    assert!(bench.is_ready(), "still logged in");
    bench.zendesk.set_offline(false);
    bench.zendesk.expire_newest();
    assert!(bench.session.logout(false).await.unwrap().revoked);
    assert_eq!(
        bench.zendesk.count("obtain"),
        0,
        "a dead token has left nothing to revoke"
    );
    assert_eq!(bench.durable(), None);
}

#[tokio::test(start_paused = true)]
async fn s5_another_grant_keeps_the_record_and_sends_nothing() {
    let bench = Bench::by_secret(3600).await;
    let usual = crate::session::testing::context(&bench.zendesk, "loopdesk");
    bench.session.reconfigure(usual).await;
    bench.until_state(Shown::SignedOut).await;
    let problem = bench.session.view().problem.unwrap();
    assert!(
        problem.message.contains("`client-credentials`"),
        "{problem}"
    );
    assert_eq!(problem.hints[0], "run `loopdesk login acme`");
    assert!(bench.session.refresh().await.is_err());
    assert!(bench.zendesk.calls().is_empty());
    assert_eq!(bench.durable(), Some(1));
    bench.session.reconfigure(by_secret(&bench.zendesk)).await;
    bench.until_state(Shown::Active).await;
}
