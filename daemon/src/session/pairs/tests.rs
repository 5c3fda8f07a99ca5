//! Both pairs on real files, against a scripted Zendesk; and random sequences of events.

mod random;

use jiff::SignedDuration;
use loopdesk_protocol::status::{Role, State as Shown};

use crate::session::model::outcome::TokenOutcome;
use crate::session::report::snapshot::{Ready, Snapshot};
use crate::session::report::token_policy::TokenChoice;
use crate::session::store::record::RecordBody;
use crate::session::testing::{Bench, Step, session_tokens};

/// Person 42 has pair 1 as the account's own, 2 as the read-only one.
async fn two() -> Bench {
    let bench = Bench::with_pairs(3600).await;
    let now = bench.deps.clock.now();
    for (number, role) in (1..).zip(Role::ALL) {
        let tokens = session_tokens(number, now, 3600);
        bench.write_as(role, RecordBody::Live(tokens)).await;
    }
    bench.zendesk.set_issued(2);
    bench.restarted().await
}

fn in_use(snapshot: &Snapshot, rights: TokenChoice) -> Option<(Role, u64)> {
    match snapshot.ready(rights) {
        Ready::Yes(credential) => Some((credential.role, credential.generation.get())),
        Ready::Soon | Ready::No(_) => None,
    }
}

#[tokio::test(start_paused = true)]
async fn r5_neither_pair_stands_in_for_the_other() {
    let bench = two().await;
    let lost = || Step::Answer(TokenOutcome::Lost("broken".to_owned()));
    bench.zendesk.script([lost(), lost()]);
    bench.session.refresh().await.unwrap_err();
    let now = bench.session.snapshot();
    assert_eq!(in_use(&now, TokenChoice::All), Some((Role::Primary, 1)));
    assert_eq!(now.view.state, Shown::Doubtful);
    assert_eq!(
        in_use(&now, TokenChoice::ReadOnly),
        Some((Role::ReadOnly, 2))
    );

    let bench = two().await;
    bench.zendesk.script([Step::Swallowed]);
    bench.session.refresh().await.unwrap_err();
    let now = bench.session.snapshot();
    assert_eq!(now.view.state, Shown::Ended);
    assert!(now.view.problem.is_some(), "and status says so");
    assert_eq!(
        in_use(&now, TokenChoice::ReadOnly),
        Some((Role::ReadOnly, 2))
    );
}

#[tokio::test(start_paused = true)]
async fn an_account_s_pairs_share_one_count() {
    let bench = two().await;
    bench.mover.jump(SignedDuration::from_secs(3500));
    bench.zendesk.until("refresh", 2).await;
    let numbers = |snapshot: &Snapshot| {
        let all = Role::ALL.map(|role| snapshot.pairs.get(role).view.generation);
        all.iter().all(|number| *number > Some(2))
    };
    let now = bench.until(numbers).await;
    let mut all = Role::ALL.map(|role| now.pairs.get(role).view.generation.unwrap());
    all.sort_unstable();
    assert_eq!(all, [3, 4], "no number twice");
}

#[tokio::test(start_paused = true)]
async fn r8_a_logout_ends_both_pairs_and_offline_neither() {
    let bench = two().await;
    bench.zendesk.set_offline(true);
    bench.session.logout(false).await.unwrap_err();
    let now = bench.session.snapshot();
    assert_eq!(in_use(&now, TokenChoice::All), Some((Role::Primary, 1)));
    bench.zendesk.set_offline(false);
    assert!(bench.session.logout(false).await.unwrap().revoked);
    assert_eq!(bench.zendesk.live_pairs(), [0_u64; 0]);
    assert!(!bench.store.has_records());
    assert!(bench.session.view().pairs.is_empty());
}

#[tokio::test(start_paused = true)]
async fn r8_a_read_only_pair_that_is_switched_off_is_revoked_as_soon_as_zendesk_can_be_reached() {
    let bench = two().await;
    bench.zendesk.set_offline(true);
    bench.session.reconfigure(bench.context_with(false)).await;
    bench.zendesk.until("revoke access-2", 2).await;
    assert_eq!(bench.zendesk.live_pairs(), [1, 2]);
    bench.zendesk.set_offline(false);
    bench
        .until(|now| now.pairs.get(Role::ReadOnly).is_absent)
        .await;
    assert_eq!(bench.zendesk.live_pairs(), [1]);
    let now = bench.session.snapshot();
    assert_eq!(in_use(&now, TokenChoice::All), Some((Role::Primary, 1)));
}

#[tokio::test(start_paused = true)]
async fn r3_a_record_under_another_role_s_name_is_refused() {
    let bench = two().await;
    let name = bench.name();
    let from = bench.store.path(&name);
    let to = bench.store.of(Role::ReadOnly).path(&name);
    std::fs::copy(from, to).unwrap();
    let bench = bench.restarted().await;
    let now = bench.session.snapshot();
    let problem = now.pairs.get(Role::ReadOnly).view.problem.clone().unwrap();
    assert!(
        problem.message.contains("renamed copy of its primary pair"),
        "{problem}"
    );
    assert_eq!(in_use(&now, TokenChoice::All), Some((Role::Primary, 1)));
}

#[tokio::test(start_paused = true)]
async fn r3_places_left_behind_are_swept_for_each_role_alone() {
    let bench = two().await;
    let name = bench.name();
    let read_only = bench.store.of(Role::ReadOnly);
    let slot = read_only.prepare(&name).unwrap();
    bench.store.sweep(&name);
    slot.commit(b"whole").unwrap();
    assert_eq!(read_only.read(&name).unwrap().unwrap(), b"whole");
}
