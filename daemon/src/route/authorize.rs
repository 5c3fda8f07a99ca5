//! Decides whether a local key lets a request through. Requests, `loopdesk explain`, `key list` and
//! `status` ask the same questions in the same order:
//!
//! ```text
//! KeyPolicy::valid     was it revoked, can its rights be read, has it expired?
//! ValidKey::belongs    does it belong to the account that the request names?
//! ValidKey::allows     do its rights and `max-key-scope` cover the request?
//! ValidKey::guard      does the body ask for more than that?
//! ValidKey::tokens     which tokens may the request carry? The session applies this.
//! ```
//!
//! The secret was checked before, by [`Keys::check`](crate::keys::Keys::check).

use http::request::Parts;
use http::{Method, Uri};
use http_body::Body as _;
use http_body_util::BodyExt;
use jiff::Timestamp;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::key::KeyState;

use crate::body::{Body, BodyError, BudgetShare};
use crate::config::{AccountName, Config, Ttl};
use crate::error_response::{ErrorResponse, KeyErrorResponse};
use crate::keys::{Key, KeyError, KeyId};
use crate::rights::{Explanation, PolicyDenied, Rights};
use crate::session::TokenPolicy;

/// A configuration's rules for local keys.
#[derive(Clone, Debug)]
pub struct KeyPolicy {
    /// The rights that no key may exceed.
    max_scope: Option<Rights>,
    /// The longest lifetime of a key.
    max_age: Option<Ttl>,
}

/// A key that isn't revoked or expired and whose rights can be read.
#[derive(Clone, Copy, Debug)]
pub struct ValidKey<'a> {
    key: &'a Key,
    rights: &'a Rights,
    max_scope: Option<&'a Rights>,
}

impl KeyPolicy {
    /// The policy under `config`.
    pub fn new(config: &Config) -> Self {
        Self {
            max_scope: config.max_key_scope.clone(),
            max_age: config.max_key_age,
        }
    }

    /// When a key expires, if it does.
    pub fn ends_at(&self, key: &Key) -> Option<Timestamp> {
        key.ends_at(self.max_age)
    }

    /// Checks that a key works at `now`, whatever it is used for.
    ///
    /// # Errors
    /// The key was revoked, has expired, or has rights that can't be read.
    pub fn valid<'a>(&'a self, key: &'a Key, now: Timestamp) -> Result<ValidKey<'a>, InvalidKey> {
        if key.is_revoked {
            return Err(InvalidKey::Revoked);
        }
        let rights = key.rights();
        let rights = rights.map_err(|why| InvalidKey::Unreadable(why.to_owned()))?;
        match self.ends_at(key) {
            Some(at) if at <= now => Err(InvalidKey::Expired(at)),
            Some(_) | None => Ok(ValidKey {
                key,
                rights,
                max_scope: self.max_scope.as_ref(),
            }),
        }
    }

    /// The state of a key at `now`, with `person` logged in to its account.
    pub fn state(&self, key: &Key, now: Timestamp, person: Option<&Person>) -> KeyState {
        match self.valid(key, now) {
            Err(invalid) => invalid.state(),
            Ok(key) if person.is_some_and(|person| !key.tokens().admits(person)) => {
                KeyState::Suspended
            }
            Ok(key) if key.exceeds_max_scope() => KeyState::Limited,
            Ok(_) => KeyState::Active,
        }
    }
}

impl<'a> ValidKey<'a> {
    /// Whether it may do less than a caller without a key.
    pub fn is_limited(self) -> bool {
        self.each().any(|rights| !rights.is_full())
    }

    /// Which key it is.
    pub fn id(self) -> KeyId {
        self.key.id
    }

    /// The account whose session it uses.
    pub fn account(self) -> &'a AccountName {
        &self.key.account
    }

    /// Checks that the key belongs to account `named`.
    ///
    /// # Errors
    /// It belongs to another account, whose session the request would use.
    pub fn belongs(self, named: &AccountName) -> Result<(), KeyErrorResponse> {
        if self.key.account == *named {
            return Ok(());
        }
        Err(KeyErrorResponse::OfAnotherAccount {
            key: self.key.name.clone(),
            account: self.key.account.to_string(),
            named: named.to_string(),
        })
    }

    /// Checks that the key allows a request with this head.
    ///
    /// # Errors
    /// Its rights or `max-key-scope` don't cover the request.
    pub fn allows(self, head: &Parts) -> Result<(), KeyErrorResponse> {
        let judged = self.each().try_for_each(|rights| rights.judge(head));
        judged.map_err(|denial| denied(&self.key.name, denial))
    }

    /// Explains to people what [`allows`](Self::allows) decides for a method and a target.
    pub(super) fn explain(self, method: &Method, target: &Uri) -> Explanation {
        let own = self.rights.explain(method, target);
        let max_scope = self.max_scope.filter(|_| own.allowed);
        match max_scope.map(|most| most.explain(method, target)) {
            Some(most) if !most.allowed => Explanation {
                line: format!("`max-key-scope`: {}", most.line),
                ..most
            },
            Some(_) | None => own,
        }
    }

    /// Keeps the body from asking for more than [`allows`](Self::allows) has approved.
    ///
    /// # Errors
    /// The body asks for more than the key allows, or can't be checked.
    pub async fn guard(
        self,
        head: &Parts,
        body: Body,
        memory: &mut BudgetShare,
    ) -> Result<Body, ErrorResponse> {
        let mut guarded = body;
        for rights in self.each() {
            let passed = rights.guard(head, guarded, memory).await;
            guarded = passed.map_err(|denial| denied(&self.key.name, denial))?;
        }
        if guarded.is_end_stream() {
            return Ok(guarded);
        }
        let name = self.key.name.clone();
        let refused = move |error: BodyError| match error.downcast::<PolicyDenied>() {
            Ok(denial) => ErrorResponse::from(denied(&name, *denial)).into(),
            Err(error) => error,
        };
        Ok(Body::adapted(guarded.map_err(refused)))
    }

    /// Which tokens its requests may carry: only those of the person who created the key, and a read-only
    /// one if the key can't change anything.
    pub fn tokens(self) -> TokenPolicy {
        // A read-only token can't act for another person.
        let only_reads = |rights: &Rights| rights.is_read_only() && !rights.may_impersonate();
        TokenPolicy {
            person: Some(self.key.person.id),
            read_only: self.each().any(only_reads),
        }
    }

    /// Explains to people why the key doesn't work while another person is logged in.
    pub(super) fn of_another_person(self) -> String {
        let Key { name, person, .. } = self.key;
        let person = &person.name;
        format!("`{name}` was created for {person}, but another person is logged in now")
    }

    fn exceeds_max_scope(self) -> bool {
        let beyond = |most: &Rights| !self.rights.beyond(most).is_empty();
        self.max_scope.is_some_and(beyond)
    }

    /// The key's rights and `max-key-scope`. Each of them must cover a request.
    fn each(self) -> impl Iterator<Item = &'a Rights> {
        std::iter::once(self.rights).chain(self.max_scope)
    }
}

/// Why a key doesn't work at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidKey {
    /// It was revoked, but couldn't be removed from the file.
    Revoked,
    /// Its rights can't be read.
    Unreadable(String),
    /// It expired at this time.
    Expired(Timestamp),
}

impl InvalidKey {
    /// The refusal for a request with this key.
    pub fn refusal(self, key: &Key) -> KeyErrorResponse {
        let name = key.name.clone();
        KeyErrorResponse::Invalid(match self {
            Self::Revoked => KeyError::Unknown,
            Self::Unreadable(why) => KeyError::Unreadable { name, why },
            Self::Expired(at) => KeyError::Expired { name, at },
        })
    }

    fn state(&self) -> KeyState {
        match self {
            Self::Revoked => KeyState::Revoked,
            Self::Unreadable(_) => KeyState::Unreadable,
            Self::Expired(_) => KeyState::Expired,
        }
    }

    /// For people: what decides, and why.
    pub(super) fn explanation(&self, key: &Key) -> (&'static str, String) {
        let name = &key.name;
        match self {
            Self::Revoked => ("the key's revocation", format!("`{name}` was revoked")),
            Self::Unreadable(why) => ("what the key allows", why.clone()),
            Self::Expired(_) => ("the key's expiry", format!("`{name}` has expired")),
        }
    }
}

fn denied(key: &str, denial: PolicyDenied) -> KeyErrorResponse {
    KeyErrorResponse::Denied {
        key: key.to_owned(),
        needs: denial.needs,
        why: denial.why,
    }
}

#[cfg(test)]
mod tests;
