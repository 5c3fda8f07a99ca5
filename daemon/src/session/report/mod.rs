//! What a session publishes, for requests to read and for people to see.

pub(in crate::session) mod alerts;
pub(in crate::session) mod merge;
pub(in crate::session) mod snapshot;
pub(in crate::session) mod token_policy;
