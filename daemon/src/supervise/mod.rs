//! The process's life: one instance, signals, and what a supervisor is told.

pub mod instance;
pub mod notify;
pub mod signals;
