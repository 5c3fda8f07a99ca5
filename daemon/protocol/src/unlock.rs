//! Unlocking the vault: the only request that may prompt the user.
//!
//! The answer to [`CALL`] is [`Unlocked`], or a problem of kind `vault` whose hints tell what to
//! do. No other call may show a prompt: at start, at a login, at a refresh and in `status`, a locked
//! vault is a [state](crate::status::VaultState). Before the answer is sent, the sessions that needed
//! the key are served, without another command or a restart. Hanging up closes the prompt and changes
//! nothing.
//!
//! What the daemon does, by the configured vault:
//!
//! | vault | without a passphrase | with one |
//! | --- | --- | --- |
//! | `keyring` | has the OS keyring show its own prompt and waits for it for [`PROMPT`] at most; an open keyring is asked for the key again | problem of kind `usage`: the keyring takes its password in its own prompt |
//! | `passphrase` | the vault as it is, if it is open; else problem of kind `vault` with the hint `loopdesk unlock` | derives the key and opens it; a wrong one is a problem of kind `vault` and changes nothing. Where there is no key yet (state `no-entry`) and no record exists, makes one under this passphrase |
//! | `credential` | reads the credential again | problem of kind `usage` |
//! | `keyfile` | reads the file again | problem of kind `usage` |
//!
//! A prompt that is dismissed is a problem of kind `vault`; one that nobody answers in time, of
//! kind `timeout`. A key is never made while records exist: that is the state `no-entry` and a
//! problem, whatever is typed. An empty passphrase is a problem of kind `usage`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::secret::SecretText;
use crate::status::VaultStatus;

/// Unlocks the vault.
pub const CALL: Call<UnlockRequest, Unlocked> = Call::post("/v1/unlock");

/// How long a prompt may stay unanswered: long enough to look up the password.
pub const PROMPT: Duration = Duration::from_secs(120);

/// Asks to unlock the vault.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UnlockRequest {
    /// The passphrase for `vault = "passphrase"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<SecretText>,
}

/// The vault after unlocking.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unlocked {
    /// As in [`crate::status::Status`].
    pub vault: VaultStatus,
}
