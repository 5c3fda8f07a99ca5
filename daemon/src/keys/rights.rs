//! What a key allows, as it is kept: the one place that knows how rights are written.

use loopdesk_protocol::key;

use crate::rights::Rights;

/// Rights as they are written, and what that means.
#[derive(Clone, Debug)]
pub(super) struct Written {
    text: key::Rights,
    meaning: Result<Rights, String>,
}

impl Written {
    /// Reads rights that were kept. What can't be read stays as it is, and allows nothing: an older
    /// release must not make more of a rule than a newer one has meant.
    pub(super) fn kept(text: key::Rights) -> Self {
        let meaning = Rights::parse(&text);
        Self { text, meaning }
    }

    /// Reads rights that a person has asked for.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn asked(text: key::Rights) -> Result<Self, String> {
        let meaning = Ok(Rights::parse(&text)?);
        Ok(Self { text, meaning })
    }

    /// As they are written.
    pub(super) fn text(&self) -> &key::Rights {
        &self.text
    }

    /// What they mean, or why nobody knows.
    pub(super) fn meaning(&self) -> Result<&Rights, &str> {
        self.meaning.as_ref().map_err(String::as_str)
    }
}
