//! The local key that a script sends, if it needs one or uses one.
//!
//! A key can't be shown again after it was created, so a recognisable placeholder stands in for it.

use loopdesk_protocol::key::KeyStatus;
use loopdesk_protocol::status::Access;

use super::account::EnvAccount;
use crate::labels::key::placeholder;

/// The placeholder for a key in code, and how to get the key.
#[derive(Debug)]
pub(super) struct Placeholder {
    pub(super) text: String,
    /// Why a key is needed.
    why: String,
    /// How to get it.
    how: String,
}

impl Placeholder {
    /// For `key`, or for an account that requires a key.
    pub(super) fn new(account: &EnvAccount, key: Option<&KeyStatus>) -> Option<Self> {
        let (why, how) = match key {
            Some(key) => (
                format!("This uses the key `{}`", key.name),
                format!(
                    "If you no longer have it, `loopdesk key rotate {}` replaces it.",
                    key.name
                ),
            ),
            None if account.access == Access::Key || account.key_over_tcp => (
                match account.access {
                    Access::Key => format!("`{}` requires a local key", account.name),
                    Access::User => format!(
                        "`allow-hosts` is set, so `{}` requires a local key",
                        account.name
                    ),
                },
                format!(
                    "`loopdesk key create NAME --account {} --scope read` creates one.",
                    account.name
                ),
            ),
            None => return None,
        };
        Some(Self {
            text: placeholder(key),
            why,
            how,
        })
    }

    /// The note above the code, or instead of it.
    pub(super) fn note(&self, has_code: bool) -> String {
        let Self { why, how, .. } = self;
        match has_code {
            true => format!("{why}, shown here as `{}`. {how}", self.text),
            false => format!(
                "{why}. Put it where the script has its API token or OAuth token (`loopdesk env \
                 --for CLIENT` shows where). {how}"
            ),
        }
    }
}
