//! The test harness of loopdesk, and what `cargo demo` is made of.
//!
//! [`zendesk`] is a simulated Zendesk over real TLS. [`Stage`] puts a private home folder, the two
//! real programs and a browser beside it: a test arranges with them, acts once, and asserts what
//! the script saw and what Zendesk saw.

pub mod browser;
pub mod daemon;
pub mod demo;
mod figures;
pub mod home;
pub mod ports;
pub mod programs;
pub mod stage;
pub mod zendesk;

pub use daemon::Daemon;
pub use home::{Home, Output};
pub use stage::Stage;
