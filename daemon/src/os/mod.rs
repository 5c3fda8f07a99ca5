//! The users and groups of this machine, as the system reports them.

pub mod members;
pub mod uid;
