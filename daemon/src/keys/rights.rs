//! What a key allows, as it is kept: the one place that knows how rights are written.

use loopdesk_protocol::key;

/// What a key allows, ready to judge requests by.
pub type Rights = key::Rights;

/// Reads rights.
fn parse(text: &key::Rights) -> Result<Rights, String> {
    if text.scopes.is_empty() && text.allow.is_empty() {
        return Err("neither a scope nor an `allow` rule is given".to_owned());
    }
    Ok(text.clone())
}

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
        let meaning = parse(&text);
        Self { text, meaning }
    }

    /// Reads rights that a person has asked for.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn asked(text: key::Rights) -> Result<Self, String> {
        let meaning = Ok(parse(&text)?);
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
