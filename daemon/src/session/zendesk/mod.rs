//! An account's Zendesk: the token endpoint, and what a token stands for.

pub(in crate::session) mod account_context;
pub(in crate::session) mod api;
pub(in crate::session) mod introspection;
pub(in crate::session) mod oauth;
pub(in crate::session) mod plain;
