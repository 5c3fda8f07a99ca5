//! A connection's place among all connections. Limited keys share a part of them.

use std::fmt;
use std::pin::Pin;

use crate::keys::KeyId;

/// Waits for one of the limited keys' shares.
pub type Sharing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What a request can ask of its connection's place.
pub trait Place: fmt::Debug + Send + Sync {
    /// Waits until the current request, which carries the limited key `key`, gets one of the places
    /// that limited keys share. It keeps that place until it ends.
    fn share(&self, key: KeyId) -> Sharing<'_>;
}
