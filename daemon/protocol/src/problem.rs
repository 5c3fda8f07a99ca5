//! Failures, as the control API returns them and the command line prints them.

use serde::{Deserialize, Serialize};

/// A failure: what happened, to what, and the commands that fix it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Determines the command line's exit code and the control API's status.
    pub kind: Kind,
    /// The code of the condition in [`crate::conditions`], if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// One sentence: what happened, to what. Never contains a secret.
    pub message: String,
    /// What to do about it, usually a command to run, most likely first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

impl Problem {
    /// A problem without hints.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: None,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// Sets the code, unless it has one.
    #[must_use]
    pub fn coded(mut self, code: &str) -> Self {
        self.code.get_or_insert_with(|| code.to_owned());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// The kinds of failures, each with its own exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something that `status` shows needs attention, or the output can't be written.
    Trouble,
    /// Wrong usage, or a name that doesn't exist.
    Usage,
    /// The configuration has errors.
    Config,
    /// A login is needed, or was denied.
    Login,
    /// Zendesk, or the network on the way to it, failed.
    Zendesk,
    /// The daemon can't be started or reached, or is of another version.
    Daemon,
    /// The vault or the stored sessions can't be used.
    Vault,
    /// Timed out.
    Timeout,
    /// A bug in loopdesk.
    Internal,
}

impl Kind {
    /// The command line's exit code for a failure of this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Trouble => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Login => 4,
            Self::Zendesk => 5,
            Self::Daemon => 6,
            Self::Vault => 7,
            Self::Timeout => 8,
            Self::Internal => 70,
        }
    }
}
