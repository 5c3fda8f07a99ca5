//! The daemon as a command meets it: found, checked to be ours, and started where none runs.

mod detach;
mod folders;
mod link;
mod program;
mod start;
mod startup_log;
pub(crate) mod version_skew;

pub(crate) use link::Link;
pub(crate) use program::DaemonProgram;
