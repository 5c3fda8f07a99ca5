//! The service's files, and the system's programs that manage it.

pub(crate) mod files;
pub(crate) mod programs;
