//! An account's Zendesk: the token endpoint, and whose a token is.

pub(in crate::session) mod account_context;
pub(in crate::session) mod api;
pub(in crate::session) mod introspection;
pub(in crate::session) mod oauth;
pub(in crate::session) mod plain;
