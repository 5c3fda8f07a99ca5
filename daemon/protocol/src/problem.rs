//! What went wrong, as the control API says it and the command line prints it.

use serde::{Deserialize, Serialize};

/// A failure: what happened, to what, and the commands that fix it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Decides the command line's exit code and the control API's status.
    pub kind: Kind,
    /// The stable name of the condition that it is, from [`crate::conditions`], if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// One sentence: what happened, to what. Never holds a secret.
    pub message: String,
    /// What to do about it, usually a command, most likely first.
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

    /// Says which condition it is, unless that is said already.
    #[must_use]
    pub fn coded(mut self, code: &str) -> Self {
        self.code.get_or_insert_with(|| code.to_owned());
        self
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// The kinds of failure, each with an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something that `status` shows needs attention, or the output can't be written.
    Trouble,
    /// The command was called wrongly, or names what doesn't exist.
    Usage,
    /// The configuration can't be used.
    Config,
    /// Somebody has to log in, or to allow the login.
    Login,
    /// Zendesk, or the way to it, did not do what was asked.
    Zendesk,
    /// The daemon can't be started or reached, or is another version.
    Daemon,
    /// The place where the data key or the records live can't be used.
    Vault,
    /// Nothing happened within the time allowed.
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
