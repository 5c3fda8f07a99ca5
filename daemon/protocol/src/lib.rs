//! The contract between loopdesk's daemon and its command line.
//!
//! The command line talks only to the daemon, over a unix socket, using HTTP/1.1 with JSON bodies
//! under `/v1/…`. This crate defines the types of those bodies, the paths of files and sockets that
//! both sides use, and a small client. It makes no decisions.
//!
//! A newer daemon may add fields, and readers ignore fields they don't know. A breaking change
//! raises [`PROTOCOL`].

pub mod account;
pub mod call;
pub mod client;
pub mod conditions;
pub mod config;
pub mod config_text;
pub mod event;
pub mod exec;
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

/// Raised when command lines and daemons of different releases would misunderstand each other.
pub const PROTOCOL: u32 = 1;

/// The version of both programs, which are released together.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
