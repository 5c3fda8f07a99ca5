//! Access to the daemon: finds it, checks that it is ours, and starts it if none is running.

mod detach;
mod exec_helper;
mod folders;
mod link;
mod program;
mod start;
mod startup_log;
pub(crate) mod version_skew;

pub(crate) use link::Link;
pub(crate) use program::DaemonProgram;
