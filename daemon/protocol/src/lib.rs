//! What loopdesk's daemon and command line agree on.
//!
//! The command line talks to the daemon over a unix socket, HTTP/1.1 with JSON bodies under
//! `/v1/…`, and to nothing else. This crate holds the types of those bodies, the names of the
//! files and sockets that both sides know, and the small client that carries them. It decides
//! nothing.
//!
//! A newer daemon may add fields; readers ignore what they don't know. A change that breaks a
//! reader raises [`PROTOCOL`].

pub mod account;
pub mod client;
pub mod conditions;
pub mod config;
pub mod config_text;
pub mod event;
pub mod key;
pub mod login;
pub mod paths;
pub mod problem;
pub mod proof;
pub mod proxy;
pub mod secret;
pub mod session;
pub mod start;
pub mod status;
pub mod text;
pub mod unlock;
pub mod vault;
pub mod version;
pub mod wait;

pub use client::Client;
pub use conditions::Condition;
pub use paths::Paths;
pub use problem::{Kind, Problem};
pub use secret::SecretText;

/// Raised whenever an older command line and a newer daemon, or the reverse, would misread each
/// other.
pub const PROTOCOL: u32 = 1;

/// The version of both programs; they are released together.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
