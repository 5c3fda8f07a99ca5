//! Checks the simulated Zendesk against known facts about the real one.
//!
//! The names of the tests say what Zendesk does; `daemon/ZENDESK.md` says how that is known.

#![expect(
    clippy::unwrap_used,
    reason = "a test helper that can't continue fails its test"
)]

mod access;
mod attachments;
mod authorization;
mod changes;
mod client_credentials;
mod exports;
mod faults;
mod front;
mod network;
mod paging;
mod program;
mod records;
mod refresh;
mod settings;
mod support;
mod token_api;
mod tokens;
