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

use loopdesk_tests::by_name::ByName;
use loopdesk_tests::zendesk::Zendesk;
use loopdesk_tests::{Daemon, Output};

use super::binary;

/// A logged-in account `acme.zendesk.com`, and its daemon.
async fn named() -> (ByName, Daemon) {
    let named = ByName::set(binary(), Zendesk::builder(), "", "").await;
    let daemon = named.logged_in().await;
    (named, daemon)
}

/// Makes a key that may read.
async fn reader(named: &ByName) -> Output {
    let words = ["key", "create", "reader", "--scope", "read", "--json"];
    named.stage.home.loopdesk(words).await.ok()
}

const ME: &str = "https://acme.zendesk.com/api/v2/users/me.json";
