//! The service's files, and the programs of the system that manage it.

pub(crate) mod files;
pub(crate) mod programs;
