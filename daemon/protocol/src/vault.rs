//! `POST /v1/vault/forget`: deletes the data key when no session needs it.
//!
//! The body is an empty object, the answer [`Forgotten`]. While a stored session needs the key, the
//! answer is a problem of kind `vault`.

use serde::{Deserialize, Serialize};

/// Deletes the data key from the vault.
pub const FORGET: &str = "/v1/vault/forget";

/// The vault has no key now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Whether it had one before.
    pub removed: bool,
}
