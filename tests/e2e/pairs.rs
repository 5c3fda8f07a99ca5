//! A pair that can only read, beside the account's own.

mod visit;

use loopdesk_protocol::status::{AccountStatus, PairStatus, Role};
use loopdesk_tests::Stage;
use loopdesk_tests::zendesk::Zendesk;

use super::binary;

const BOTH: &str = "read-only-grant = true";

/// A Zendesk that behaves, and an account with these settings.
async fn stage_with(account: &str) -> Stage {
    Stage::with_config(binary(), Zendesk::builder(), "", account).await
}

/// One of the account's pairs.
fn pair(account: &AccountStatus, role: Role) -> &PairStatus {
    let mut pairs = account.pairs.iter();
    let found = pairs.find(|pair| pair.role == role);
    found.unwrap_or_else(|| panic!("no {role:?} pair in {account:#?}"))
}

fn roles(account: &AccountStatus) -> Vec<Role> {
    account.pairs.iter().map(|pair| pair.role).collect()
}
