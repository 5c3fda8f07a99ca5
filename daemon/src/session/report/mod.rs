//! What a session publishes: what requests read, and what people are shown.

pub(in crate::session) mod alerts;
pub(in crate::session) mod merge;
pub(in crate::session) mod snapshot;
pub(in crate::session) mod token_policy;
