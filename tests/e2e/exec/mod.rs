//! `loopdesk exec`: programs with Zendesk's address in their code, unmodified and without a credential.

mod attacks;
mod basics;
mod differential;
mod direct;
mod environment;
mod held;
mod keys;
mod life;
mod streams;
mod terminal;
mod tunnels;
mod unit;

use loopdesk_tests::Daemon;
use loopdesk_tests::by_name::ByName;
use loopdesk_tests::zendesk::Zendesk;

use super::binary;

/// A logged-in account `acme.zendesk.com`, and its daemon.
async fn named() -> (ByName, Daemon) {
    let named = ByName::set(binary(), Zendesk::builder(), "", "").await;
    let daemon = named.logged_in().await;
    (named, daemon)
}

const ME: &str = "https://acme.zendesk.com/api/v2/users/me.json";
