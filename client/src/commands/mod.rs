//! The commands, one file or folder each, named after the command. None uses another.

pub(crate) mod account;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod env;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod guide;
pub(crate) mod key;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod man;
pub(crate) mod refresh;
pub(crate) mod service;
pub(crate) mod status;
pub(crate) mod unlock;
pub(crate) mod version;
pub(crate) mod wait;
