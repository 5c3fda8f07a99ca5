//! A connection's place among all connections. Keys that are limited share a part of them.

use std::fmt;
use std::pin::Pin;

use crate::keys::KeyId;

/// Waits for a share.
pub type Sharing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What a connection's place can be asked for.
pub trait Place: fmt::Debug + Send + Sync {
    /// Waits until the present request, which has the limited key `key`, is one of as many as such
    /// keys may have in flight together. It is until it ends.
    fn share(&self, key: KeyId) -> Sharing<'_>;
}
