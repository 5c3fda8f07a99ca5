//! Answers that are lost, with a spare pair at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use loopdesk_protocol::session::{REFRESH, Refresh, Refreshed};
use loopdesk_protocol::status::{Role, State};
use loopdesk_tests::Stage;
use loopdesk_tests::zendesk::{Fault, Gate, Record, Zendesk};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use super::{SPARE, binary, living_chains, lose_answers, pair, refreshed_chain, stage_with};

#[tokio::test]
async fn r5_with_a_spare_pair_a_lost_answer_is_not_noticed_and_a_login_brings_a_new_one() {
    let stage = stage_with(SPARE).await;
    let daemon = stage.logged_in().await;
    let chains = living_chains(&stage);
    lose_answers(&stage, chains[0]);
    stage.home.loopdesk(["refresh"]).await.failed(4);
    assert_eq!(stage.get("/api/v2/tickets/1.json").await.0, 200);
    let acme = stage.acme().await;
    assert_eq!(acme.state, State::Active);
    assert_eq!(pair(&acme, Role::Primary).state, State::Ended);
    assert!(pair(&acme, Role::Spare).in_use);
    let problem = acme.problem.expect("a problem");
    assert!(
        problem.message.contains("served by its spare pair"),
        "{problem}"
    );
    assert!(
        problem.hints[0].contains("loopdesk login acme"),
        "{problem}"
    );
    // It is the account's pair now: refreshed, and in use after a restart.
    stage.home.loopdesk(["refresh"]).await.ok();
    daemon.kill().await;
    let _daemon = stage.daemon().await;
    assert_eq!(stage.get("/api/v2/tickets/1.json").await.0, 200);
    assert!(pair(&stage.acme().await, Role::Spare).in_use);

    let output = stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(output.stdout.matches("https://").count(), 1, "{output:?}");
    let acme = stage.acme().await;
    assert!(acme.problem.is_none(), "{acme:#?}");
    assert!(pair(&acme, Role::Primary).in_use);
    let living = living_chains(&stage);
    let held = living.iter().filter(|chain| **chain != chains[0]);
    assert_eq!(held.count(), 2, "beside the one that nobody holds");
}

#[tokio::test]
async fn r5_a_daemon_killed_while_it_waits_for_an_answer_goes_on_with_the_spare_pair() {
    let stage = stage_with(SPARE).await;
    let daemon = stage.logged_in().await;
    let gate = Gate::closed();
    let fault = Fault::on("POST", "/oauth/tokens").hold_answer(&gate).once();
    stage.zendesk.fault(fault);
    let mut refresh = stage
        .home
        .command("loopdesk")
        .arg("refresh")
        .spawn()
        .unwrap();
    gate.reached(1).await;
    daemon.kill().await;
    gate.open();
    refresh.wait().await.unwrap();
    let _daemon = stage.daemon().await;
    assert_eq!(stage.get("/api/v2/tickets/1.json").await.0, 200);
    assert!(pair(&stage.acme().await, Role::Spare).in_use);
}

#[tokio::test]
async fn r5_a_late_answer_holds_nobody_up_where_a_spare_pair_is_at_hand() {
    let stage = stage_with(SPARE).await;
    let _daemon = stage.logged_in().await;
    let gate = Gate::closed();
    let fault = Fault::on("POST", "/oauth/tokens").hold_answer(&gate).once();
    stage.zendesk.fault(fault);
    let mut refresh = stage
        .home
        .command("loopdesk")
        .arg("refresh")
        .spawn()
        .unwrap();
    gate.reached(1).await;
    // Zendesk has deleted the token that the primary pair still has.
    assert_eq!(stage.get("/api/v2/tickets/1.json").await.0, 200);
    gate.open();
    assert!(refresh.wait().await.unwrap().success());
    assert!(pair(&stage.acme().await, Role::Primary).in_use);
    assert_eq!(stage.get("/api/v2/tickets/1.json").await.0, 200);
}

#[tokio::test]
async fn r5_a_revoked_primary_stops_the_account_though_its_spare_lives() {
    let stage = stage_with(SPARE).await;
    let _daemon = stage.logged_in().await;
    let primary = &stage.zendesk.tokens()[0];
    stage.zendesk.revoke_token(&primary.access);
    let (status, body) = stage.get("/api/v2/tickets/1.json").await;
    assert_eq!(status, 401, "{body}");
    assert_eq!(stage.acme().await.state, State::Ended);
    let chains = living_chains(&stage);
    assert_eq!(chains.len(), 1, "the spare lives, and is not used");
}

#[tokio::test]
async fn r5_200_rotations_with_every_tenth_answer_lost_fail_no_request() {
    let ttl = std::time::Duration::from_secs(4);
    let builder = Zendesk::builder().granted_access_ttl(ttl);
    let stage = Stage::with_config(binary(), builder, "", SPARE).await;
    let _daemon = stage.logged_in().await;
    let loss = Loss::every_tenth(&stage);
    let (login, over) = (RwLock::new(()), CancellationToken::new());
    let rotating = async {
        let (mut rotations, mut logins) = (0, 0);
        while rotations < 200 {
            let refresh = Refresh::default();
            let refreshed = stage.control().post::<Refreshed>(REFRESH, &refresh).await;
            rotations += usize::from(refreshed.is_ok());
            if loss.held(&stage).is_empty() {
                // Both are gone: now, and only now, a login is needed.
                let _nobody_asks = login.write().await;
                assert_eq!(stage.acme().await.state, State::Ended);
                stage.home.loopdesk(["login"]).await.ok();
                logins += 1;
                loss.knows(&stage);
            }
        }
        over.cancel();
        (rotations, logins)
    };
    let ((rotations, logins), (served, failed), (more, failed_too)) = tokio::join!(
        rotating,
        ask(&stage, &loss, &login, &over),
        ask(&stage, &loss, &login, &over)
    );
    assert_eq!((failed, failed_too), (Vec::new(), Vec::new()));
    let served = served + more;
    let lost = loss.state.lock().unwrap().lost.len();
    assert_eq!(logins, lost / 2, "a login for every two pairs, not before");
    assert!(logins >= 5, "{logins} logins");

    let records = stage.zendesk.requests();
    let mut refreshes: Vec<_> = records
        .iter()
        .filter(|r| refreshed_chain(r).is_some())
        .collect();
    refreshes.sort_by_key(|record| record.since_start);
    let chains: BTreeSet<_> = refreshes
        .iter()
        .filter_map(|r| refreshed_chain(r))
        .collect();
    assert!(
        chains.len() > 2 * logins,
        "spare pairs were refreshed too: {chains:?}"
    );
    for two in refreshes.windows(2) {
        let (first, second) = (two[0], two[1]);
        let ended = first.ended_since_start.expect("an end");
        assert!(
            ended <= second.since_start,
            "at the same time: {first} and {second}"
        );
    }
    println!("{served} requests, {rotations} rotations, {lost} lost answers, {logins} logins");
}

/// Every tenth answer to the pair that serves is lost.
struct Loss {
    state: Arc<Mutex<Chains>>,
}

#[derive(Default)]
struct Chains {
    /// In the order in which the pairs were obtained: the first that isn't lost serves.
    known: Vec<u64>,
    lost: BTreeSet<u64>,
    refreshed: BTreeMap<u64, usize>,
}

impl Loss {
    fn every_tenth(stage: &Stage) -> Self {
        let loss = Self {
            state: Arc::default(),
        };
        loss.knows(stage);
        let state = Arc::clone(&loss.state);
        let tenth = move |record: &Record| {
            let mut state = state.lock().unwrap();
            let serving = state
                .known
                .iter()
                .find(|c| !state.lost.contains(c))
                .copied();
            match refreshed_chain(record) {
                Some(chain) if Some(chain) == serving => {
                    let count = state.refreshed.entry(chain).or_default();
                    *count += 1;
                    let is_tenth = *count == 10;
                    if is_tenth {
                        state.lost.insert(chain);
                    }
                    is_tenth
                }
                Some(_) | None => false,
            }
        };
        let fault = Fault::on("POST", "/oauth/tokens").when(tenth);
        stage.zendesk.fault(fault.reset_after_commit());
        loss
    }

    fn knows(&self, stage: &Stage) {
        let held = self.held(stage);
        self.state.lock().unwrap().known.extend(held);
    }

    /// The chains that are alive and whose newest pair has arrived.
    fn held(&self, stage: &Stage) -> Vec<u64> {
        let mut chains = living_chains(stage);
        let state = self.state.lock().unwrap();
        chains.retain(|chain| !state.lost.contains(chain));
        chains
    }
}

/// Asks and asks until `over`, and counts the answers. What fails while there is a pair left is a
/// failure.
async fn ask(
    stage: &Stage,
    loss: &Loss,
    login: &RwLock<()>,
    over: &CancellationToken,
) -> (usize, Vec<u16>) {
    let (mut served, mut failed) = (0, Vec::new());
    while !over.is_cancelled() {
        let _nobody_logs_in = login.read().await;
        let (status, _) = stage.get("/api/v2/tickets/1.json").await;
        if status == 200 {
            served += 1;
        } else if !loss.held(stage).is_empty() {
            failed.push(status);
        }
    }
    (served, failed)
}
