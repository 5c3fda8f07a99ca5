//! Checks the simulated Zendesk against what is known of the real one.
//!
//! The names of the tests say what Zendesk does; `daemon/ZENDESK.md` says how that is known.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: one that can't go on fails its test"
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
mod support;
mod token_api;
mod tokens;
