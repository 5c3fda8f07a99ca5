//! `POST /v1/vault/forget`: the data key goes, once nothing depends on it.
//!
//! The body is an empty object, the answer [`Forgotten`]. While a session is stored that the key
//! opens, the answer is a problem of kind `vault`.

use serde::{Deserialize, Serialize};

/// Removes the data key from where it lives.
pub const FORGET: &str = "/v1/vault/forget";

/// What the vault holds now: no key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Whether there was one.
    pub removed: bool,
}
