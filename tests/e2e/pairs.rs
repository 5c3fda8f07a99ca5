//! A spare pair for the day on which an answer is lost, and a pair that can only read (R5).

mod lost;
mod visit;

use loopdesk_protocol::status::{Account, Pair, Role};
use loopdesk_tests::Stage;
use loopdesk_tests::zendesk::{Fault, Record, Zendesk};

use super::binary;

const BOTH: &str = "spare = true\nread-only-grant = true";
const SPARE: &str = "spare = true";

/// A Zendesk that behaves, and an account with these settings.
async fn stage_with(account: &str) -> Stage {
    Stage::with_config(binary(), Zendesk::builder(), "", account).await
}

/// One of the account's pairs.
fn pair(account: &Account, role: Role) -> &Pair {
    let mut pairs = account.pairs.iter();
    let found = pairs.find(|pair| pair.role == role);
    found.unwrap_or_else(|| panic!("no {role:?} pair in {account:#?}"))
}

fn roles(account: &Account) -> Vec<Role> {
    account.pairs.iter().map(|pair| pair.role).collect()
}

/// The chain that a refresh belongs to.
fn refreshed_chain(record: &Record) -> Option<u64> {
    let post = record.token_post.as_ref()?;
    post.chain.filter(|_| post.grant == "refresh_token")
}

/// The answer to the next refresh of `chain` is lost after Zendesk has acted.
fn lose_answers(stage: &Stage, chain: u64) -> loopdesk_tests::zendesk::Installed {
    let fault = Fault::on("POST", "/oauth/tokens")
        .when(move |record| refreshed_chain(record) == Some(chain))
        .reset_after_commit()
        .once();
    stage.zendesk.fault(fault)
}

/// The chains that Zendesk would still refresh, oldest first: primary, spare, read-only.
fn living_chains(stage: &Stage) -> Vec<u64> {
    use loopdesk_tests::zendesk::Standing;
    let tokens = stage.zendesk.tokens().into_iter();
    let mut chains: Vec<_> = tokens
        .filter(|pair| pair.refresh_standing == Standing::Live)
        .map(|pair| pair.chain)
        .collect();
    chains.sort_unstable();
    chains
}
