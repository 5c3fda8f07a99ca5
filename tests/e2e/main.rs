//! What a person and their scripts see, with the real programs and a simulated Zendesk.

#![expect(
    clippy::unwrap_used,
    reason = "what can't be unwrapped fails the test, helpers outside of #[test] included"
)]

mod accounts;
mod activation;
mod admission;
mod attacks;
mod authorities;
mod bad_input;
mod blocked;
mod browser;
mod cli;
mod client_credentials;
mod clients;
mod clients_table;
mod conditions;
mod config_files;
mod config_layers;
mod demo;
mod differential;
mod disk;
mod documents;
mod drain;
mod egress;
mod exec;
mod flood;
mod hot_reload;
mod http;
mod http_upstream;
mod independent_oauth;
mod keyring;
mod keys;
mod kills;
mod load;
mod login;
mod machine;
mod multi_daemon;
mod network;
mod notices;
mod openapi_parity;
mod outages;
mod packaging;
mod paging;
mod pairs;
mod port_ownership;
mod process;
mod programs;
mod releases;
mod replay;
mod restart;
mod retired_spare;
mod rewriting;
mod rotation;
mod secrets;
mod service;
mod slow_log;
mod soak;
mod streams;
mod token_echo;
mod unread;
mod vault;

use std::path::Path;
use std::time::Duration;

use loopdesk_protocol::status::State;
use loopdesk_tests::Stage;
use loopdesk_tests::zendesk::Zendesk;

/// The binary that contains all programs.
fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_demo"))
}

/// A Zendesk without faults, and a person who isn't logged in.
async fn stage() -> Stage {
    Stage::set(binary(), Zendesk::builder()).await
}

/// A Zendesk whose access tokens live for `seconds`.
async fn stage_with_ttl(seconds: u64) -> Stage {
    let ttl = Duration::from_secs(seconds);
    Stage::set(binary(), Zendesk::builder().granted_access_ttl(ttl)).await
}

/// Whether a session is in order. Where tokens are short-lived, or a refresh has failed and is tried
/// again, one may be under way whenever a test looks.
fn is_in_order(state: State) -> bool {
    matches!(state, State::Active | State::Rotating)
}

/// Whether soaks and loads run at their full size.
fn is_long() -> bool {
    std::env::var("LOOPDESK_LONG").is_ok_and(|long| !long.is_empty())
}

/// Every file here is part of the suite; one that isn't named above would silently not run.
#[test]
fn no_file_is_forgotten() {
    let main = include_str!("main.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let named = name == "main" || main.contains(&format!("mod {name};"));
        assert!(named, "e2e/{name}.rs is in no `mod` line");
    }
}
