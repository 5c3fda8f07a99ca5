//! A key's rights, as written and as understood. No other module of `keys` parses them.

use loopdesk_protocol::key;

use crate::rights::Rights;

/// Rights as written, and what they mean.
#[derive(Clone, Debug)]
pub(super) struct WrittenRights {
    text: key::RightsText,
    meaning: Result<Rights, String>,
}

impl WrittenRights {
    /// Reads stored rights. Rights that can't be parsed are kept as written and allow nothing: an older
    /// release must not allow more than a newer one meant.
    pub(super) fn kept(text: key::RightsText) -> Self {
        let meaning = Rights::parse(&text);
        Self { text, meaning }
    }

    /// Reads the rights of a key that is being created.
    ///
    /// # Errors
    /// They are invalid.
    pub(super) fn asked(text: key::RightsText) -> Result<Self, String> {
        let meaning = Ok(Rights::parse(&text)?);
        Ok(Self { text, meaning })
    }

    /// The rights as written.
    pub(super) fn text(&self) -> &key::RightsText {
        &self.text
    }

    /// What they mean, or why they can't be parsed.
    pub(super) fn meaning(&self) -> Result<&Rights, &str> {
        self.meaning.as_ref().map_err(String::as_str)
    }
}
