//! loopdesk's test harness, and the parts that `cargo demo` is made of.
//!
//! [`zendesk`] is a simulated Zendesk over real TLS. [`Stage`] puts a private home folder, the two
//! real programs and a browser beside it: a test arranges with them, acts once, and asserts what
//! the script saw and what Zendesk saw.

#![expect(
    clippy::expect_used,
    reason = "a harness that can't do its work fails the test, and says what it couldn't do"
)]

pub mod browser;
pub mod by_name;
pub mod chromium;
pub mod clients;
pub mod daemon;
pub mod demo;
pub mod described;
pub mod failpoints;
pub mod fake_browser;
pub mod home;
pub mod key_writer;
#[cfg(target_os = "linux")]
pub mod memory;
pub mod needs;
pub mod notifications;
pub mod oauth_server;
pub mod other_user;
pub mod ports;
pub mod programs;
pub mod proxy;
pub mod raw;
pub mod scripts;
pub mod secret_service;
pub mod secrets;
pub mod stage;
pub mod supervisor;
pub mod tolerant;
mod transcript;
pub mod uplinks;
pub mod user_manager;
pub mod wait;
pub mod zendesk;

pub use daemon::Daemon;
pub use described::Described;
pub use failpoints::Failpoints;
pub use home::{Home, Output};
pub use oauth_server::OAuthServer;
pub use proxy::Proxy;
pub use raw::Raw;
pub use stage::Stage;
pub use supervisor::Supervisor;
pub use uplinks::Uplinks;
