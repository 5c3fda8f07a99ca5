//! The process's life: one instance, signals, and what a supervisor is told.

pub mod descriptors;
pub mod hardening;
pub mod instance;
pub mod notify;
pub mod runtime_dir;
pub mod signals;
pub mod sockets;
pub mod successor;
