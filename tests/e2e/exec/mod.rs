//! `loopdesk exec`: programs with Zendesk's address in their code, unmodified and without a credential.

mod basics;

use loopdesk_tests::by_name::ByName;
use loopdesk_tests::zendesk::Zendesk;

use super::binary;

/// A logged-in account `acme.zendesk.com`, and its daemon.
async fn named() -> (ByName, loopdesk_tests::Daemon) {
    let named = ByName::set(binary(), Zendesk::builder(), "", "").await;
    let daemon = named.logged_in().await;
    (named, daemon)
}

const ME: &str = "https://acme.zendesk.com/api/v2/users/me.json";
