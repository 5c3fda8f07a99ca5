//! Stage 4: picks the token that a request carries, and keeps that token alive.
//!
//! ```text
//!            registry ── one per account ──► Session (a handle)
//!                                              │        ▲
//!  requests ──► forward ─── lease ── gate      │commands│snapshots (watch)
//!                  │                  │        ▼        │
//!                  │                  └──── refresher ──┴─ pairs: the account's own, and the read-only one
//!                  ▼                           │           (each is owned by a refresher of its own)
//!              upstream                        ├─ state     decides, without I/O
//!                                              ├─ zendesk   token endpoint, introspection, revocation
//!                                              └─ store     records, and the journal of token answers
//!  login ── callback ── adoption ─────────────►   vault     the key of the records
//! ```
//!
//! - Requests read a snapshot (`report`) and never touch a refresh token.
//! - One refresher per pair refreshes, stores, then publishes, in that order (R2, R3).
//! - `state` defines the states of a session and the transitions between them, and draws both.

mod callback;
mod crypto;
mod forward;
mod handle;
pub mod login;
mod model;
mod pairs;
mod refresher;
mod registry;
mod report;
mod state;
mod store;
#[cfg(test)]
mod testing;
mod vault;
mod zendesk;

pub use self::handle::Session;
pub use self::model::token_pair::Generation;
pub use self::registry::{Dependencies, Sessions};
pub use self::report::alerts::{Alert, AlertKind, ExpiryWarning};
pub use self::report::snapshot::{Snapshot, View};
pub use self::report::token_policy::TokenPolicy;
