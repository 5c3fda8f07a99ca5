//! Which of an account's tokens a request may carry.

use loopdesk_protocol::account::Person;

/// What was decided about a request's token before the session is asked for one. The default is
/// whatever token the account has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenPolicy {
    /// The only Zendesk user, by id, in whose name the request may be sent; whoever is logged in if
    /// absent.
    pub person: Option<u64>,
    /// Whether it carries the read-only token where the account has one, or asks for one.
    pub read_only: bool,
}

impl TokenPolicy {
    /// Whether a token of this person's may be sent.
    pub fn admits(self, person: &Person) -> bool {
        self.person.is_none_or(|id| id == person.id)
    }

    pub(in crate::session) fn rights(self) -> TokenChoice {
        if self.read_only {
            TokenChoice::ReadOnly
        } else {
            TokenChoice::All
        }
    }
}

/// Whose token a request may carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::session) enum TokenChoice {
    /// The account's: all that the person has granted.
    #[default]
    All,
    /// That of the read-only pair, and never another one where there is one, whatever its state, or
    /// where the configuration asks for one; the account's everywhere else.
    ReadOnly,
}
