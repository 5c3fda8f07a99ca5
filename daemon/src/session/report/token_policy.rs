//! Which of an account's tokens a request may carry.

use loopdesk_protocol::account::Person;

/// What a request's key says about the token it may carry. By default, any token of the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenPolicy {
    /// The id of the only Zendesk user in whose name the request may be sent. If absent, the user
    /// that is logged in.
    pub person: Option<u64>,
    /// Whether the request carries the read-only token, if the account has one or asks for one.
    pub read_only: bool,
}

impl TokenPolicy {
    /// Whether this person's token may be sent.
    pub fn admits(self, person: &Person) -> bool {
        self.person.is_none_or(|id| id == person.id)
    }

    pub(in crate::session) fn choice(self) -> TokenChoice {
        if self.read_only {
            TokenChoice::ReadOnly
        } else {
            TokenChoice::All
        }
    }
}

/// Which of the account's tokens a request carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::session) enum TokenChoice {
    /// The account's own, with all the rights that the person granted.
    #[default]
    All,
    /// The read-only pair's. If the account has a read-only pair, in whatever state, or its
    /// configuration asks for one, no other token will do; else it is the account's own.
    ReadOnly,
}
