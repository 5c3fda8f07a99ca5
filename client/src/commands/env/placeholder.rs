//! The local key that a script sends, where it has to or wants to.
//!
//! A key can't be had again after it was made, so something that can be recognised stands for it.

use loopdesk_protocol::key::Key;
use loopdesk_protocol::status::Access;

use super::account::EnvAccount;
use crate::labels::key::placeholder;

/// What stands for the key in code, and how to get one.
#[derive(Debug)]
pub(super) struct Placeholder {
    pub(super) text: String,
    /// Why there is one.
    why: String,
    /// How to get the key.
    how: String,
}

impl Placeholder {
    /// For `key`; without one, for an account whose base URLs answer only
    /// with a key.
    pub(super) fn new(account: &EnvAccount, key: Option<&Key>) -> Option<Self> {
        let (why, how) = match key {
            Some(key) => (
                format!("This is with the key `{}`", key.name),
                format!(
                    "It was shown once; `loopdesk key rotate {}` makes another.",
                    key.name
                ),
            ),
            None if account.access == Access::Key || account.key_over_tcp => (
                match account.access {
                    Access::Key => format!("`{}` answers only with a local key", account.name),
                    Access::User => "`allow-hosts` is set, so this needs a local key".to_owned(),
                },
                format!(
                    "`loopdesk key create NAME --account {} --scope read` makes one.",
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

    /// What a person has to know about the code below, or about any script where there is none.
    pub(super) fn note(&self, has_code: bool) -> String {
        let Self { why, how, .. } = self;
        match has_code {
            true => format!("{why}, for which `{}` stands. {how}", self.text),
            false => format!(
                "{why}, which goes where the script has its API token or OAuth token \
                 (`loopdesk env --for CLIENT` shows the place). {how}"
            ),
        }
    }
}
