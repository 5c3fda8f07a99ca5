//! Several pairs on real files, against a scripted Zendesk; and their roles, at random.

mod random;

use std::time::Duration;

use jiff::SignedDuration;
use loopdesk_protocol::status::{Role, State as Shown};
use tokio::time::Instant;

use crate::session::cause::Said;
use crate::session::oauth::Answer;
use crate::session::pair::Held;
use crate::session::snapshot::{Ready, Snapshot};
use crate::session::state::{Block, Cover};
use crate::session::testing::{Bench, Step, held, transient};

/// Person 42 has pair 1 as the primary, 2 as the spare, 3 as the read-only one.
async fn three() -> Bench {
    let bench = Bench::with_pairs(3600).await;
    let now = bench.deps.clock.now();
    for (number, role) in (1..).zip(Role::ALL) {
        bench.write_as(role, held(number, now, 3600)).await;
    }
    bench.zendesk.set_issued(3);
    bench.restarted().await
}

fn in_use(snapshot: &Snapshot) -> Option<(Role, u64)> {
    match &snapshot.readiness {
        Ready::Yes(credential) => Some((credential.role, credential.generation.get())),
        Ready::Soon | Ready::No(_) => None,
    }
}

#[tokio::test(start_paused = true)]
async fn r5_the_spare_serves_from_the_moment_on_in_which_an_answer_is_lost() {
    let bench = three().await;
    bench.zendesk.script([Step::Swallowed]);
    let began = Instant::now();
    let refused = bench.session.refresh().await.unwrap_err();
    assert!(refused.message.contains("is over"), "{refused}");
    let now = bench.session.snapshot();
    assert_eq!(in_use(&now), Some((Role::Spare, 2)));
    assert_eq!(began.elapsed(), Duration::ZERO, "without a pause");
    assert_eq!(now.view.state, Shown::Active);
    let problem = now.view.problem.clone().unwrap();
    assert!(
        problem.hints[0].contains("loopdesk login acme"),
        "{problem}"
    );
    // It is refreshed, and numbered from the account's one count.
    bench.session.refresh().await.unwrap();
    assert_eq!(in_use(&bench.session.snapshot()), Some((Role::Spare, 4)));
    let bench = bench.restarted().await;
    assert_eq!(in_use(&bench.session.snapshot()), Some((Role::Spare, 4)));
    // What ends it ends the session.
    bench
        .zendesk
        .script([Step::Answer(Answer::InvalidGrant(Said::default()))]);
    bench.session.refresh().await.unwrap_err();
    assert_eq!(bench.session.view().state, Shown::Ended);
    let posts = bench.zendesk.count("refresh");
    bench.mover.jump(SignedDuration::from_hours(72));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(
        bench.zendesk.count("refresh refresh-1"),
        2,
        "the retry, and no more"
    );
    assert!(
        bench.zendesk.count("refresh") <= posts + 1,
        "but for the read-only pair"
    );
}

#[tokio::test(start_paused = true)]
async fn r5_a_doubt_that_is_cleared_up_gives_the_primary_its_place_back() {
    let bench = three().await;
    let lost = || Step::Answer(Answer::Lost("broken".to_owned()));
    bench.zendesk.script([lost(), lost()]);
    bench.session.refresh().await.unwrap_err();
    assert_eq!(in_use(&bench.session.snapshot()), Some((Role::Spare, 2)));
    assert!(bench.session.view().problem.is_none(), "nobody need act");
    bench.mover.jump(SignedDuration::from_secs(1));
    bench
        .until(|now| matches!(in_use(now), Some((Role::Primary, _))))
        .await;
    assert!(bench.session.view().generation >= Some(4));
}

#[tokio::test(start_paused = true)]
async fn r5_the_spare_covers_nothing_else() {
    // Ended without a doubt.
    let bench = three().await;
    bench
        .zendesk
        .script([Step::Answer(Answer::InvalidGrant(Said::default()))]);
    bench.session.refresh().await.unwrap_err();
    assert_eq!(bench.session.view().state, Shown::Ended);
    assert_ne!(
        in_use(&bench.session.snapshot()).map(|(role, _)| role),
        Some(Role::Spare)
    );

    // Blocked, even after a doubt.
    let bench = three().await;
    let block = Block {
        why: "no".to_owned(),
        fix: "ask".to_owned(),
    };
    let refused = Step::Answer(Answer::Refused(block));
    bench
        .zendesk
        .script([Step::Answer(Answer::Lost("broken".to_owned())), refused]);
    bench.session.refresh().await.unwrap_err();
    let now = bench.session.snapshot();
    assert_eq!(now.view.state, Shown::Blocked);
    assert_eq!(in_use(&now), Some((Role::Primary, 1)));

    // Out of reach, with an expired token.
    let bench = three().await;
    bench.zendesk.set_offline(true);
    bench.mover.jump(SignedDuration::from_hours(9));
    bench.until(|now| in_use(now).is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn r5_an_account_s_pairs_are_refreshed_one_after_the_other_the_primary_first() {
    let bench = three().await;
    let turn = bench.zendesk.turn.acquire().await.unwrap();
    // All are overdue at once, after a night.
    bench.mover.jump(SignedDuration::from_secs(3500));
    bench.zendesk.until("refresh", 1).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(
        bench.zendesk.calls(),
        ["refresh refresh-1"],
        "the others wait"
    );
    drop(turn);
    bench.zendesk.until("refresh", 3).await;
    let numbers = |snapshot: &Snapshot| {
        let all = Role::ALL.map(|role| snapshot.parts.get(role).view.generation);
        all.iter().all(|number| *number > Some(3))
    };
    let now = bench.until(numbers).await;
    let mut all = Role::ALL.map(|role| now.parts.get(role).view.generation.unwrap());
    all.sort_unstable();
    assert_eq!(all, [4, 5, 6], "no number twice");
}

#[tokio::test(start_paused = true)]
async fn r5_the_spare_is_not_put_at_risk_while_the_primary_is_in_doubt() {
    let bench = three().await;
    let lost = || Step::Answer(Answer::Lost("broken".to_owned()));
    bench.zendesk.script((0..4).map(|_| lost()));
    // All are due, whatever their jitter.
    bench.mover.jump(SignedDuration::from_secs(3200));
    for count in [2, 4] {
        bench.zendesk.until("refresh", count).await;
        bench
            .until(|now| now.parts.get(Role::Primary).view.state == Shown::Doubtful)
            .await;
        bench.mover.jump(SignedDuration::from_secs(1));
    }
    let calls = bench.zendesk.calls();
    let mut refreshes = calls.iter().filter(|call| call.starts_with("refresh"));
    assert!(
        refreshes.all(|call| call == "refresh refresh-1"),
        "{calls:?}"
    );
    // In the end its own token counts for more.
    bench.zendesk.until("refresh refresh-2", 1).await;
}

#[tokio::test(start_paused = true)]
async fn o2_a_refresh_that_waits_for_its_turn_does_not_begin_when_the_daemon_stops() {
    let bench = three().await;
    let turn = bench.zendesk.turn.acquire().await.unwrap();
    bench.mover.jump(SignedDuration::from_secs(3500));
    bench.zendesk.until("refresh", 1).await;
    bench.session.stop().await;
    drop(turn);
    bench.task.await.unwrap();
    assert_eq!(bench.zendesk.count("refresh"), 1);
    assert_eq!(
        bench.store.noted(&"acme".parse().unwrap()),
        None,
        "finished and stored"
    );
}

#[tokio::test(start_paused = true)]
async fn r8_a_logout_ends_every_pair_and_offline_none() {
    let bench = three().await;
    bench.zendesk.set_offline(true);
    bench.session.logout(false).await.unwrap_err();
    assert_eq!(in_use(&bench.session.snapshot()), Some((Role::Primary, 1)));
    bench.zendesk.set_offline(false);
    assert!(bench.session.logout(false).await.unwrap().revoked);
    assert_eq!(bench.zendesk.living(), [0_u64; 0]);
    assert!(!bench.store.has_records());
    assert!(bench.session.view().pairs.is_empty());
}

#[tokio::test(start_paused = true)]
async fn r5_a_pair_that_is_switched_off_is_revoked_as_soon_as_zendesk_can_be_reached() {
    let bench = three().await;
    bench.zendesk.set_offline(true);
    bench
        .session
        .reconfigure(bench.setup_with(false, true))
        .await;
    bench.zendesk.until("revoke access-2", 2).await;
    assert_eq!(bench.zendesk.living(), [1, 2, 3]);
    bench.zendesk.set_offline(false);
    bench
        .until(|now| now.parts.get(Role::Spare).is_absent)
        .await;
    assert_eq!(bench.zendesk.living(), [1, 3]);
    assert_eq!(in_use(&bench.session.snapshot()), Some((Role::Primary, 1)));
}

#[tokio::test(start_paused = true)]
async fn r3_a_record_under_another_role_s_name_is_refused() {
    let bench = three().await;
    let name = bench.name();
    let from = bench.store.path(&name);
    let to = bench.store.of(Role::Spare).path(&name);
    std::fs::copy(from, to).unwrap();
    let bench = bench.restarted().await;
    let now = bench.session.snapshot();
    let problem = now.parts.get(Role::Spare).view.problem.clone().unwrap();
    assert!(
        problem.message.contains("primary pair under another name"),
        "{problem}"
    );
    assert_eq!(in_use(&now), Some((Role::Primary, 1)));
}

#[tokio::test(start_paused = true)]
async fn r3_places_left_behind_are_swept_for_each_role_alone() {
    let bench = three().await;
    let name = bench.name();
    let spare = bench.store.of(Role::Spare);
    let slot = spare.prepare(&name).unwrap();
    bench.store.sweep(&name);
    slot.commit(b"whole").unwrap();
    assert_eq!(spare.read(&name).unwrap().unwrap(), b"whole");
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_moves_nothing() {
    let bench = three().await;
    bench.zendesk.script([Step::Answer(transient("503"))]);
    bench.session.refresh().await.unwrap_err();
    let now = bench.session.snapshot();
    assert_eq!(now.parts.get(Role::Primary).cover, Cover::Never);
    assert_eq!(in_use(&now), Some((Role::Primary, 1)));
}
