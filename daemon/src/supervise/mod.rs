//! The process's life cycle: one instance, signals, and the supervisor.

pub mod binary_upgrade;
pub mod descriptors;
pub mod hardening;
pub mod instance;
pub mod notify;
pub mod runtime_dir;
pub mod signals;
pub mod sockets;
