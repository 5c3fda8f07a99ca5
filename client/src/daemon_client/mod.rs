//! The daemon as a command meets it: found, checked to be ours, and started where none runs.

mod detach;
pub(crate) mod difference;
mod folders;
mod link;
mod log;
mod program;
mod start;

pub(crate) use link::Link;
pub(crate) use program::Program;
