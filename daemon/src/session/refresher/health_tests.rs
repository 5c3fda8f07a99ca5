//! The daily probe on real files, against a scripted Zendesk (R4).

use jiff::SignedDuration;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::status::State as Shown;

use crate::session::AlertKind;
use crate::session::model::checks::ProbeResult;
use crate::session::model::rejection::RefreshRejection;
use crate::session::report::snapshot::Snapshot;
use crate::session::testing::{Bench, person, session_tokens};

const TWO_DAYS: u32 = 172_800;

impl Bench {
    /// Lets time pass, and the session notice.
    async fn pass(&self, hours: i64) {
        self.mover.jump(SignedDuration::from_hours(hours));
        // Two looks at the clock: what the first one starts, the second one finds done.
        tokio::time::sleep(self.deps.clock.glance() * 2).await;
    }
}

fn refused() -> ProbeResult {
    ProbeResult::Refused(RefreshRejection {
        why: "suspended (Zendesk says: 403)".to_owned(),
        fix: "ask Ada".to_owned(),
    })
}

#[tokio::test(start_paused = true)]
async fn r4_a_healthy_session_is_probed_once_a_day_whatever_is_restarted() {
    let mut bench = Bench::logged_in(TWO_DAYS).await;
    bench.pass(1).await;
    assert_eq!(bench.zendesk.count("probe"), 0, "the login was a probe");
    for _ in 0..10 {
        for _ in 0..6 {
            bench.pass(4).await;
            bench = bench.restarted().await;
        }
    }
    let probes = bench.zendesk.count("probe");
    assert!((8..=10).contains(&probes), "{probes} in ten days");
    assert_eq!(bench.session.view().state, Shown::Active);
    assert!(bench.session.view().good_at.is_some() || probes > 0);
}

#[tokio::test(start_paused = true)]
async fn r4_d6_nobody_is_asked_about_a_session_that_isn_t_there() {
    let bench = Bench::signed_out(TWO_DAYS).await;
    bench.pass(100).await;
    assert!(bench.zendesk.calls().is_empty());

    let bench = Bench::logged_in(TWO_DAYS).await;
    bench.zendesk.revoke_newest();
    bench.pass(30).await;
    bench.until_state(Shown::Ended).await;
    let calls = bench.zendesk.calls().len();
    bench.pass(1000).await;
    assert_eq!(bench.zendesk.calls().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn r4_a_network_that_is_away_means_nothing_to_the_probe() {
    let bench = Bench::logged_in(TWO_DAYS).await;
    bench
        .zendesk
        .set_probe_result(Some(ProbeResult::Unclear("no network".to_owned())));
    for _ in 0..26 {
        bench.pass(1).await;
    }
    assert!(bench.zendesk.count("probe") >= 1);
    let view = bench.session.view();
    assert_eq!(view.state, Shown::Active);
    assert!(view.problem.is_none() && view.alert.is_none(), "{view:?}");
}

#[tokio::test(start_paused = true)]
async fn r4_a_revocation_is_noticed_before_a_script_meets_it() {
    let bench = Bench::logged_in(TWO_DAYS).await;
    bench.pass(23).await;
    let refreshes = bench.zendesk.count("refresh");
    bench.zendesk.revoke_newest();
    bench.zendesk.set_probe_result(Some(ProbeResult::Dead));
    bench.pass(3).await;
    bench.until_state(Shown::Ended).await;
    assert_eq!(bench.zendesk.count("refresh"), refreshes + 1);
    let alert = bench.session.view().alert.unwrap();
    assert_eq!(alert.kind, AlertKind::Ended);
}

#[tokio::test(start_paused = true)]
async fn r4_a_token_that_stands_for_nobody_is_refreshed_once_then_kept_back() {
    let bench = Bench::logged_in(TWO_DAYS).await;
    bench.zendesk.set_probe_result(Some(ProbeResult::Anonymous));
    bench.pass(26).await;
    bench.until_state(Shown::Blocked).await;
    assert_eq!(bench.zendesk.count("probe"), 2);
    assert!(!bench.is_ready(), "no script is answered as nobody");
    let problem = bench.session.view().problem.unwrap();
    assert!(
        problem.message.contains("doesn't stand for a user"),
        "{problem}"
    );
    let refreshes = bench.zendesk.count("refresh");
    for _ in 0..4 {
        bench.pass(1).await;
    }
    assert!(bench.zendesk.count("refresh") <= refreshes + 4, "hourly");

    bench.zendesk.set_probe_result(None);
    bench.pass(2).await;
    bench.until_state(Shown::Active).await;
    assert!(bench.is_ready());
}

#[tokio::test(start_paused = true)]
async fn r4_a_refusal_shows_as_blocked_and_is_asked_about_hourly() {
    let bench = Bench::logged_in(TWO_DAYS).await;
    bench.zendesk.set_probe_result(Some(refused()));
    bench.pass(26).await;
    bench.until_state(Shown::Blocked).await;
    assert!(
        bench.is_ready(),
        "what Zendesk answers to scripts is theirs"
    );
    let view = bench.session.view();
    assert_eq!(view.alert.unwrap().kind, AlertKind::Blocked);
    let problem = view.problem.unwrap();
    assert_eq!(problem.hints[0], "ask Ada");
    let probes = bench.zendesk.count("probe");
    for _ in 0..8 {
        bench.pass(0).await;
    }
    assert_eq!(bench.zendesk.count("probe"), probes);
    bench.pass(1).await;
    assert_eq!(bench.zendesk.count("probe"), probes + 1);

    bench.zendesk.set_probe_result(None);
    bench.session.refresh().await.unwrap();
    bench.until_state(Shown::Active).await;
    assert!(bench.session.view().problem.is_none());
}

#[tokio::test(start_paused = true)]
async fn r4_a_demotion_is_shown_and_outlives_a_restart() {
    let bench = Bench::logged_in(TWO_DAYS).await;
    bench.zendesk.set_person(Person {
        role: Some("end-user".to_owned()),
        ..person(42)
    });
    bench.pass(26).await;
    let bench = bench.restarted().await;
    let demoted = |snapshot: &Snapshot| {
        let alert = snapshot.view.alert.as_ref();
        alert.is_some_and(|alert| alert.kind == AlertKind::Demoted)
    };
    let view = bench.until(demoted).await.view.clone();
    assert_eq!(view.state, Shown::Active);
    assert_eq!(view.person.unwrap().role.as_deref(), Some("end-user"));
    assert!(view.problem.unwrap().message.contains("was an agent"));
    assert_eq!(bench.zendesk.count("probe"), 1);
}

#[tokio::test(start_paused = true)]
async fn r4_another_persons_token_is_refused() {
    let bench = Bench::logged_in(TWO_DAYS).await;
    bench.zendesk.set_person(person(7));
    bench.pass(26).await;
    bench.until_state(Shown::Blocked).await;
    let problem = bench.session.view().problem.unwrap();
    assert!(problem.message.contains("user 7"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn r7_a_session_that_is_granted_for_short_is_refreshed_within_it() {
    let hour = SignedDuration::from_hours(1);
    for (granted, expected) in [
        (hour * 2, hour),
        // A pair whose end has passed must not be refreshed in a tight loop.
        (hour * -1, SignedDuration::from_mins(1)),
    ] {
        let bench = Bench::signed_out(TWO_DAYS).await;
        let obtained = bench.deps.clock.now();
        let mut tokens = session_tokens(1, obtained, TWO_DAYS.into());
        tokens.pair.refresh_expires_at = Some(obtained + granted);
        bench.write(tokens, "m4ch1ne").await;
        bench.zendesk.set_issued(1);
        let bench = bench.restarted().await;
        let due = bench.session.view().next_refresh_at.unwrap();
        assert_eq!(due, obtained + expected, "{granted}");
    }
}
