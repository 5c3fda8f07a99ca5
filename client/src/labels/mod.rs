//! How the daemon's values read on a terminal.

pub(crate) mod account;
pub(crate) mod callers;
pub(crate) mod key;
mod pairs;
pub(crate) mod person;
pub(crate) mod state;
