//! An account's Zendesk: the token endpoint, and whose a token is.

pub(in crate::session) mod endpoint;
pub(in crate::session) mod identity;
pub(in crate::session) mod oauth;
pub(in crate::session) mod plain;
pub(in crate::session) mod setup;
