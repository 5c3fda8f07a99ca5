//! Where the browser comes back to at a login: a server on loopback that knows no session.

pub(in crate::session) mod connections;
pub(in crate::session) mod page;
pub(in crate::session) mod pending;
pub(in crate::session) mod server;
