//! `POST /v1/vault/forget`: deletes the data key when no session needs it.
//!
//! While a stored session needs the key, the
//! answer is a problem of kind `vault`.

use serde::{Deserialize, Serialize};

use crate::call::{Call, Empty};

/// Deletes the data key from the vault.
pub const FORGET: Call<Empty, Forgotten> = Call::post("/v1/vault/forget");

/// The vault has no key now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Whether it had one before.
    pub removed: bool,
}
