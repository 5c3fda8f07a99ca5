//! State folders with two pairs, as earlier releases wrote them.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use loopdesk_protocol::status::State as Shown;

use super::*;
use crate::config::VaultKind;
use crate::session::crypto::data_key::DataKey;
use crate::session::model::endings::End;
use crate::session::model::oauth_error::ErrorBody;
use crate::session::model::outcome::TokenOutcome;
use crate::session::model::token_pair::Generation;
use crate::session::report::snapshot::{Ready, Snapshot};
use crate::session::report::token_policy::TokenChoice;
use crate::session::store::orphan::OrphanedPair;
use crate::session::store::record::{self, RecordBody, Sealed};
use crate::session::testing::{Bench, Step, person, session_tokens};

/// Person 42 has pair 1 as the account's own, and pair 2 as a spare.
async fn two() -> Bench {
    let bench = Bench::signed_out(3600).await;
    let now = bench.deps.clock.now();
    write(
        &bench,
        RecordRole::Primary,
        RecordBody::Live(session_tokens(1, now, 3600)),
    )
    .await;
    write(
        &bench,
        RecordRole::Spare,
        RecordBody::Live(session_tokens(2, now, 3600)),
    )
    .await;
    bench.zendesk.set_issued(2);
    bench
}

/// The account's own pair, number 3, is lost, and pair 2 has served since.
async fn spare_serves() -> Bench {
    let bench = Bench::signed_out(3600).await;
    let now = bench.deps.clock.now();
    write(&bench, RecordRole::Primary, lost(now, 42)).await;
    write(
        &bench,
        RecordRole::Spare,
        RecordBody::Live(session_tokens(2, now, 3600)),
    )
    .await;
    bench.zendesk.set_issued(3);
    bench.zendesk.revoke_pair(1);
    bench.zendesk.revoke_pair(3);
    bench
}

fn lost(at: Timestamp, id: u64) -> RecordBody {
    RecordBody::Over {
        end: End {
            at,
            why: "the answer to a refresh was lost".to_owned(),
            answer_lost: true,
        },
        person: Some(person(id)),
        generation: Generation::new(3),
    }
}

async fn write(bench: &Bench, role: RecordRole, stored: RecordBody) {
    bench.write_as(role, stored).await;
}

fn in_use(snapshot: &Snapshot) -> Option<u64> {
    match snapshot.ready(TokenChoice::All) {
        Ready::Yes(credential) => Some(credential.generation.get()),
        Ready::Soon | Ready::No(_) => None,
    }
}

/// The names of the account's files.
fn files(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.store.dir()).unwrap().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".health"))
        .collect();
    names.sort();
    names
}

/// Whether the account has only its own record, in a form that every release can read.
fn is_as_ever(bench: &Bench) -> bool {
    let text = fs::read_to_string(bench.store.path(&bench.name())).unwrap();
    files(bench) == ["acme.session"] && text.starts_with("{\"loopdesk-session\":1,")
}

async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let hour = Duration::from_secs(3600);
    tokio::time::timeout(hour, waiting).await.expect("in time");
}

#[tokio::test(start_paused = true)]
async fn r8_the_spare_is_revoked_once_zendesk_has_answered_to_the_account_s_own_pair() {
    let bench = two().await.restarted().await;
    until(|| is_as_ever(&bench)).await;
    assert_eq!(bench.zendesk.live_pairs(), [1]);
    assert_eq!(bench.zendesk.calls(), ["check access-1", "revoke access-2"]);
    assert_eq!(in_use(&bench.session.snapshot()), Some(1));
    assert_eq!(bench.session.view().pairs.len(), 1);
    // Nothing else follows.
    let bench = bench.restarted().await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(bench.zendesk.count("revoke"), 1);
    assert_eq!(bench.zendesk.count("check"), 1);
}

#[tokio::test(start_paused = true)]
async fn r8_offline_nothing_is_revoked_and_it_is_tried_again_across_restarts() {
    let bench = two().await;
    bench.zendesk.set_offline(true);
    let bench = bench.restarted().await;
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert!(bench.zendesk.count("check access-1") > 3);
    let bench = bench.restarted().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.zendesk.count("revoke"), 0);
    assert_eq!(files(&bench), ["acme.session", "acme.spare.session"]);
    assert_eq!(bench.zendesk.live_pairs(), [1, 2]);
    bench.zendesk.set_offline(false);
    until(|| is_as_ever(&bench)).await;
    assert_eq!(bench.zendesk.live_pairs(), [1]);
}

#[tokio::test(start_paused = true)]
async fn r8_a_spare_whose_access_token_has_expired_is_refreshed_once_to_be_revoked() {
    let bench = two().await;
    // Number 2, the newest.
    bench.zendesk.expire_newest();
    let bench = bench.restarted().await;
    until(|| is_as_ever(&bench)).await;
    assert_eq!(bench.zendesk.live_pairs(), [1]);
    let expected = [
        "check access-1",
        "revoke access-2",
        "refresh refresh-2",
        "revoke access-3",
    ];
    assert_eq!(bench.zendesk.calls(), expected);
}

#[tokio::test(start_paused = true)]
async fn r8_a_spare_that_is_dead_already_counts_as_revoked() {
    let bench = two().await;
    bench.zendesk.revoke_pair(2);
    let bench = bench.restarted().await;
    until(|| is_as_ever(&bench)).await;
    assert_eq!(bench.zendesk.count("refresh refresh-2"), 1);

    let bench = two().await;
    write(&bench, RecordRole::Spare, lost(bench.deps.clock.now(), 42)).await;
    let bench = bench.restarted().await;
    until(|| is_as_ever(&bench)).await;
    assert_eq!(bench.zendesk.count("re"), 0, "it has no tokens");
}

#[tokio::test(start_paused = true)]
async fn r8_the_spare_that_serves_stays_and_becomes_the_account_s_own() {
    let bench = spare_serves().await.restarted().await;
    assert_eq!(in_use(&bench.session.snapshot()), Some(2));
    assert_eq!(bench.session.view().state, Shown::Active);
    assert!(bench.session.view().problem.is_none());
    assert!(is_as_ever(&bench), "{:?}", files(&bench));
    assert_eq!(bench.zendesk.calls(), [""; 0], "nobody was asked");
    bench.session.refresh().await.unwrap();
    let bench = bench.restarted().await;
    assert_eq!(in_use(&bench.session.snapshot()), Some(3));
    assert_eq!(bench.zendesk.live_pairs(), [4]);
}

#[tokio::test(start_paused = true)]
async fn r8_killed_after_the_spare_was_moved_it_is_in_use_and_written_anew() {
    let bench = spare_serves().await;
    let spare = bench.store.of(RecordRole::Spare);
    move_record(&spare, &bench.store, &bench.name()).unwrap();
    let bench = bench.restarted().await;
    assert_eq!(in_use(&bench.session.snapshot()), Some(2));
    assert!(is_as_ever(&bench), "{:?}", files(&bench));
}

#[tokio::test(start_paused = true)]
async fn r8_a_pair_that_turns_out_to_be_lost_is_replaced_by_the_spare_without_a_gap() {
    // Killed while it waited for the answer.
    let bench = two().await;
    let account = bench.name();
    let place = bench.store.note_refresh(&account, Generation::new(3));
    drop(place.unwrap());
    bench.zendesk.revoke_pair(1);
    let bench = bench.restarted().await;
    let ended = |snapshot: &Snapshot| {
        assert_ne!(snapshot.view.state, Shown::Ended);
        in_use(snapshot).is_some_and(|number| number > 1)
    };
    bench.until(ended).await;
    assert!(is_as_ever(&bench), "{:?}", files(&bench));
    assert_eq!(bench.zendesk.live_pairs(), [2]);

    // Lost while the daemon runs, before the spare could be revoked.
    let bench = two().await;
    bench.zendesk.set_offline(true);
    let bench = bench.restarted().await;
    bench.zendesk.until("check", 1).await;
    bench.zendesk.set_offline(false);
    bench.zendesk.script([Step::Swallowed]);
    bench.session.refresh().await.unwrap();
    assert!(is_as_ever(&bench), "{:?}", files(&bench));
    assert_eq!(bench.session.view().state, Shown::Active);
}

#[tokio::test(start_paused = true)]
async fn r4_where_neither_can_be_proved_alive_nothing_is_revoked() {
    // The account's own pair was revoked, by an admin, say.
    let bench = two().await;
    let gone = Step::Answer(TokenOutcome::InvalidGrant(ErrorBody::default()));
    bench.zendesk.revoke_pair(1);
    bench.zendesk.script([gone]);
    let bench = bench.restarted().await;
    bench.session.refresh().await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(bench.session.view().state, Shown::Ended);
    assert_eq!(bench.zendesk.count("revoke"), 0);
    assert_eq!(files(&bench), ["acme.session", "acme.spare.session"]);

    // It was another person's.
    let bench = spare_serves().await;
    let now = bench.deps.clock.now();
    write(&bench, RecordRole::Primary, lost(now, 43)).await;
    let bench = bench.restarted().await;
    assert_eq!(bench.session.view().state, Shown::Ended);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(bench.zendesk.calls(), [""; 0]);

    // A login brings a new pair, and only then is the spare revoked.
    let bench = two().await;
    fs::remove_file(bench.store.path(&bench.name())).unwrap();
    let bench = bench.restarted().await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(bench.session.view().state, Shown::SignedOut);
    assert_eq!(bench.zendesk.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn r8_a_logout_ends_the_spare_too_and_offline_neither() {
    let bench = two().await;
    bench.zendesk.set_offline(true);
    let bench = bench.restarted().await;
    bench.session.logout(false).await.unwrap_err();
    assert_eq!(files(&bench), ["acme.session", "acme.spare.session"]);
    let out = bench.session.logout(true).await.unwrap();
    assert!(!out.revoked);
    assert!(!bench.store.has_records());

    let bench = two().await;
    bench.zendesk.set_offline(true);
    let bench = bench.restarted().await;
    bench.zendesk.until("check", 1).await;
    bench.zendesk.set_offline(false);
    assert!(bench.session.logout(false).await.unwrap().revoked);
    assert_eq!(bench.zendesk.live_pairs(), [0_u64; 0]);
    assert!(!bench.store.has_records());
}

#[tokio::test(start_paused = true)]
async fn r3_an_answer_to_the_spare_that_was_kept_is_taken_up_and_one_that_was_lost_is_not_forgotten()
 {
    let bench = spare_serves().await;
    let key = key(&bench).await;
    let spare = bench.store.of(RecordRole::Spare);
    let (account, next) = (bench.name(), Generation::new(4));
    let context = for_spare(&bench.context);
    let place = spare.note_refresh(&account, next).unwrap();
    let journal = crate::session::store::journal::AnswerJournal {
        place,
        aad: recovery::aad(&context, next),
        key: Arc::clone(&key),
    };
    journal.write(
        bench.deps.clock.now(),
        br#"{"access_token":"access-4","refresh_token":"refresh-4","expires_in":3600,"token_type":"bearer"}"#,
    );
    bench.zendesk.set_issued(4);
    for dead in 1..=3 {
        bench.zendesk.revoke_pair(dead);
    }
    let bench = bench.restarted().await;
    assert_eq!(in_use(&bench.session.snapshot()), Some(4));
    assert!(is_as_ever(&bench), "{:?}", files(&bench));

    let bench = spare_serves().await;
    let spare = bench.store.of(RecordRole::Spare);
    drop(spare.note_refresh(&account, next).unwrap());
    bench.zendesk.revoke_pair(2);
    let bench = bench.restarted().await;
    bench.until_state(Shown::Ended).await;
    let told = bench.session.view().problem.unwrap();
    assert!(told.message.contains("was lost"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn r8_a_login_s_pair_that_was_left_over_beside_the_spare_is_revoked() {
    let bench = two().await;
    let key = key(&bench).await;
    let spare = bench.store.of(RecordRole::Spare);
    let context = for_spare(&bench.context);
    let pair = session_tokens(3, bench.deps.clock.now(), 3600).pair;
    drop(OrphanedPair::of(&context.account.name, &context.binding, &spare, &key, &pair).unwrap());
    bench.zendesk.set_issued(3);
    let bench = bench.restarted().await;
    until(|| is_as_ever(&bench)).await;
    assert_eq!(bench.zendesk.live_pairs(), [1]);
}

#[tokio::test(start_paused = true)]
async fn s5_a_spare_of_another_client_is_kept_and_never_sent() {
    let bench = two().await;
    let mut binding = for_spare(&bench.context).binding.clone();
    binding.client_id = "another".to_owned();
    let stored = RecordBody::Live(session_tokens(2, bench.deps.clock.now(), 3600));
    let bytes = record::seal(&stored, &binding, &*key(&bench).await).unwrap();
    let spare = bench.store.of(RecordRole::Spare);
    let slot = spare.prepare(&bench.name()).unwrap();
    slot.commit(&bytes).unwrap();
    let bench = bench.restarted().await;
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert_eq!(bench.zendesk.calls(), ["check access-1"], "and once only");
    assert_eq!(files(&bench), ["acme.session", "acme.spare.session"]);
}

#[test]
fn a_record_that_an_earlier_release_wrote_is_read() {
    let bytes = include_bytes!("../../store/testdata/format-3.session");
    let record = Sealed::parse(Path::new("/s/acme.spare.session"), bytes).unwrap();
    assert_eq!(record.header.binding.role, RecordRole::Spare);
    let Ok(RecordBody::Live(tokens)) = record.open(&DataKey::for_tests(1)) else {
        panic!("it was alive");
    };
    assert_eq!(tokens.pair.generation.get(), 8);
}

#[tokio::test(start_paused = true)]
async fn r6_an_account_s_own_pair_that_has_expired_is_refreshed_before_the_spare_is_revoked() {
    let bench = two().await;
    bench.mover.jump(SignedDuration::from_hours(9));
    let bench = bench.restarted().await;
    until(|| is_as_ever(&bench)).await;
    let calls = bench.zendesk.calls();
    let at = |call: &str| calls.iter().position(|c| c == call);
    assert!(at("refresh refresh-1") < at("check access-3"), "{calls:?}");
    assert!(at("check access-3") < at("revoke access-2"), "{calls:?}");
}

/// The key of the bench's records.
async fn key(bench: &Bench) -> Arc<DataKey> {
    let vault = Vault::new(VaultKind::Keyfile, &bench.deps.paths);
    vault.key().await.unwrap()
}
