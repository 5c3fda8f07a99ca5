//! Who users and groups of this machine are, as the system tells it.

pub mod members;
pub mod uid;
