//! The OAuth callback: a server on loopback that receives the browser during a login. It doesn't
//! know of sessions.

pub(in crate::session) mod connections;
pub(in crate::session) mod page;
pub(in crate::session) mod pending;
pub(in crate::session) mod server;
