//! The state folder and the configuration of a release that kept a spare token pair: nobody is logged
//! out by there being one pair only.

mod kills;
mod old_state;

use loopdesk_protocol::status::State;
use loopdesk_tests::Stage;
use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::{Answer, Fault, Gate, Installed, Record, Zendesk};

use self::old_state::{Spare, is_as_ever, lives, own_and_spare, spare_serves};
use super::binary;

const ME: &str = "/api/v2/users/me.json";
const CURRENT: &str = "/api/v2/oauth/tokens/current";

/// A stage whose configuration asks for a spare pair.
async fn stage() -> Stage {
    Stage::with_config(binary(), Zendesk::builder(), "", "spare = true").await
}

/// Asserts that the account is served, and that in the end one pair is left and nothing beside it.
async fn one_is_left(stage: &Stage, what: &str) {
    let (status, body) = stage.get(ME).await;
    assert_eq!(status, 200, "{what}: {body}");
    let one = async || stage.live_pairs() == 1 && is_as_ever(stage);
    eventually(&format!("one pair is left {what}"), one).await;
    let (status, body) = stage.get(ME).await;
    assert_eq!(status, 200, "{what}: {body}");
    let acme = stage.acme().await;
    assert_eq!(acme.state, State::Active, "{what}");
    assert!(acme.problem.is_none(), "{what}: {acme:#?}");
}

/// Zendesk can't be asked about tokens, though it answers everything else.
fn offline(stage: &Stage) -> [Installed; 2] {
    ["GET", "DELETE"].map(|method| {
        let fault = Fault::on(method, CURRENT).answer(Answer::gateway_page(502));
        stage.zendesk.fault(fault)
    })
}

#[tokio::test]
async fn r8_of_two_pairs_the_account_s_own_stays_and_the_spare_is_revoked() {
    let stage = stage().await;
    let [own, spare] = own_and_spare(&stage).await;
    let daemon = stage.daemon().await;
    one_is_left(&stage, "at the start").await;
    assert!(lives(&stage, own) && !lives(&stage, spare));
    daemon.stop().await;
    // The next start has nothing to do.
    stage.zendesk.clear();
    let _daemon = stage.daemon().await;
    one_is_left(&stage, "after a restart").await;
    assert_eq!(stage.zendesk.count(|r| r.is("DELETE", CURRENT)), 0);
}

#[tokio::test]
async fn r8_a_spare_that_serves_goes_on_serving() {
    let stage = stage().await;
    let spare = spare_serves(&stage).await;
    let daemon = stage.daemon().await;
    // What Zendesk made of the lost pair, nobody holds.
    let serves = async |what: &str| {
        let (status, body) = stage.get(ME).await;
        assert_eq!(status, 200, "{what}: {body}");
        assert_eq!(stage.acme().await.state, State::Active, "{what}");
        assert!(is_as_ever(&stage), "{what}");
    };
    serves("at the start").await;
    assert_eq!(stage.zendesk.count(|r| r.is("DELETE", CURRENT)), 0);
    stage.home.loopdesk(["refresh"]).await.ok();
    daemon.stop().await;
    let _daemon = stage.daemon().await;
    serves("after a refresh and a restart").await;
    let newest = stage.zendesk.tokens().pop().unwrap();
    assert_eq!(newest.chain, spare);
}

#[tokio::test]
async fn r8_what_can_t_be_confirmed_is_tried_until_it_is_across_restarts() {
    let stage = stage().await;
    own_and_spare(&stage).await;
    let fault = offline(&stage);
    for _ in 0..2 {
        let daemon = stage.daemon().await;
        assert_eq!(stage.get(ME).await.0, 200);
        stage
            .zendesk_sees(|records| records.iter().any(|r| r.is("GET", CURRENT)))
            .await;
        assert_eq!(stage.live_pairs(), 2, "nothing is revoked");
        assert_eq!(stage.zendesk.count(|r| r.is("DELETE", CURRENT)), 0);
        daemon.stop().await;
        stage.zendesk.clear();
    }
    let _daemon = stage.daemon().await;
    let [get, delete] = fault;
    get.remove();
    let sees = |records: &[_]| records.iter().any(|r: &Record| r.is("DELETE", CURRENT));
    stage.zendesk_sees(sees).await;
    assert_eq!(stage.live_pairs(), 2, "not revoked yet");
    delete.remove();
    one_is_left(&stage, "once Zendesk confirms it").await;
}

#[tokio::test]
async fn r8_a_spare_whose_access_token_has_expired_is_revoked_all_the_same() {
    let stage = stage().await;
    own_and_spare(&stage).await;
    // The account's own has, too: it comes first.
    stage.zendesk.expire_access_tokens();
    let _daemon = stage.daemon().await;
    one_is_left(&stage, "after a night").await;
}

#[tokio::test]
async fn r8_a_pair_that_is_lost_at_the_upgrade_is_replaced_by_the_spare() {
    let stage = stage().await;
    let spare = Spare::obtain(&stage).await;
    let daemon = stage.logged_in().await;
    // The daemon before waits for an answer that Zendesk has sent.
    let gate = Gate::closed();
    let fault = Fault::on("POST", "/oauth/tokens").hold_answer(&gate).once();
    stage.zendesk.fault(fault);
    let mut command = stage.home.command("loopdesk");
    let mut refresh = command.arg("refresh").spawn().unwrap();
    gate.reached(1).await;
    daemon.kill().await;
    gate.open();
    refresh.wait().await.unwrap();
    spare.write(&stage);

    let _daemon = stage.daemon().await;
    let (status, body) = stage.get(ME).await;
    assert_eq!(status, 200, "{body}");
    eventually("the spare is the account's own", async || {
        stage.acme().await.state == State::Active && is_as_ever(&stage)
    })
    .await;
    assert_eq!(stage.get(ME).await.0, 200);
    assert!(lives(&stage, spare.chain));
}

#[tokio::test]
async fn r8_a_logout_revokes_the_spare_too_and_offline_neither() {
    let stage = stage().await;
    own_and_spare(&stage).await;
    let fault = offline(&stage);
    let _daemon = stage.daemon().await;
    assert_eq!(stage.get(ME).await.0, 200);
    stage.home.loopdesk(["logout"]).await.failed(5);
    assert_eq!(stage.live_pairs(), 2);
    assert_eq!(stage.get(ME).await.0, 200);
    for fault in fault {
        fault.remove();
    }
    stage.home.loopdesk(["logout"]).await.ok();
    assert_eq!(stage.live_pairs(), 0);
    assert!(old_state::files(&stage).is_empty());
}

#[tokio::test]
async fn o2_a_configuration_with_a_spare_is_good_and_a_note_says_how_to_be_rid_of_it() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    assert_eq!(stage.live_pairs(), 1, "one page, one pair");
    let fix = "loopdesk config set accounts.acme.spare --unset";
    let checked = stage.home.loopdesk(["config", "check"]).await.ok().stdout;
    assert!(
        checked.contains("Warning:") && checked.contains(fix),
        "{checked}"
    );
    let status = stage.home.loopdesk(["status"]).await.ok().stdout;
    assert!(status.contains("has no effect any more"), "{status}");
    assert!(status.contains(fix), "{status}");

    stage.home.loopdesk(fix.split(' ').skip(1)).await.ok();
    let checked = stage.home.loopdesk(["config", "check"]).await.ok().stdout;
    assert!(!checked.contains("Warning"), "{checked}");
    let status = stage.status().await;
    assert!(status.conditions.is_empty(), "{:#?}", status.conditions);
    let text = std::fs::read_to_string(stage.home.paths().config_file()).unwrap();
    assert!(!text.contains("spare"), "{text}");
}
