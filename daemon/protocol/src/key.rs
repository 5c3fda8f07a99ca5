//! Local keys: what `loopdesk key` and `loopdesk explain` ask, and what they are told.
//!
//! Names of keys are unique in one daemon, so that a key can be named without its account.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Person;
use crate::secret::SecretText;

/// `GET` here answers [`KeyList`].
pub const LIST: &str = "/v1/keys";
/// `POST` a [`Create`] here; the answer is [`Created`].
pub const CREATE: &str = "/v1/keys/create";
/// `POST` a [`Named`] here; the answer is the [`Key`] that works no more.
pub const REVOKE: &str = "/v1/keys/revoke";
/// `POST` a [`Rotate`] here; the answer is [`Created`].
pub const ROTATE: &str = "/v1/keys/rotate";
/// `POST` a [`Confirm`] here; the answer is [`KeyList`], those that were confirmed.
pub const CONFIRM: &str = "/v1/keys/confirm";
/// `POST` an [`OfAccount`] here; the answer is [`Callers`].
pub const CALLERS: &str = "/v1/keys/callers";
/// `POST` an [`Explain`] here; the answer is [`Explained`].
pub const EXPLAIN: &str = "/v1/explain";

/// What every local key begins with. It tells them from Zendesk's API tokens, for people and for
/// scanners of secrets alike: see [`PATTERN`].
pub const PREFIX: &str = "ldk_";
/// How many letters and digits follow the prefix in what may be shown of a key.
pub const ID_LENGTH: usize = 8;
/// A whole key: the prefix, its id, and 49 letters and digits, of which the last six are a checksum
/// over all the others.
pub const PATTERN: &str = r"\bldk_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}\b";

/// What a key allows: everything that a scope or an `allow` rule covers, save what a `deny` rule
/// does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// `read`, `write`, `tickets:read` and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Rules such as `GET /api/v2/tickets/**`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Rules of the same form that win over everything else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// Asks for a new key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Create {
    /// What it is called: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The account; the default account if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What it allows.
    #[serde(flatten)]
    pub rights: Rights,
    /// After how many seconds it expires; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// What the person wants to remember of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A key, with the only answer that ever holds its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Created {
    /// The key as it is kept.
    pub key: Key,
    /// What the script sends.
    pub secret: SecretText,
    /// Whether the account still answers scripts that send no key.
    pub keyless: bool,
    /// The base URLs that scripts can use with it, the plainest first.
    #[serde(default)]
    pub base_urls: Vec<String>,
    /// Routes that it allows and that may show what its `deny` rules deny, such as
    /// `GET /api/v2/groups/{id}/users`.
    #[serde(default)]
    pub also_shown: Vec<String>,
}

/// All keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KeyList {
    /// By name.
    pub keys: Vec<Key>,
    /// The names of the accounts that still answer scripts that send no key.
    #[serde(default)]
    pub keyless: Vec<String>,
}

/// One key, without its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// The part of the key that may be shown, `ldk_` included: it finds a key in a script.
    pub id: String,
    /// Whose session it uses.
    pub account: String,
    /// The Zendesk user for whom it was created.
    pub person: Person,
    /// What it allows.
    #[serde(flatten)]
    pub rights: Rights,
    /// Whether it works.
    pub state: KeyState,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Until when a secret from before a rotation works too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_secret_until: Option<Timestamp>,
    /// What the person wanted to remember.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its last request, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Use>,
    /// Requests since it was created.
    #[serde(default)]
    pub requests: u64,
}

/// Whether a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// Another person is logged in than the one for whom it was created.
    Suspended,
    /// Its account is no longer configured.
    NoAccount,
    /// It works, but allows less, or ends sooner, than was asked for: the machine's administrator
    /// lets keys have no more.
    Limited,
    /// What it allows is written in a way that this release doesn't read.
    Unreadable,
    /// It was revoked and lets nobody in, but is still in the file: the disk did not take the change.
    Revoked,
}

/// When and by whom something was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// When.
    pub at: Timestamp,
    /// The program at the other end, such as `python3 report.py (4711)`, if the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
}

/// Names a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Named {
    /// The key's name.
    pub name: String,
}

/// Asks for another secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rotate {
    /// The key's name.
    pub name: String,
    /// For how many seconds the old secret works too.
    #[serde(default)]
    pub grace: u64,
}

/// Lets keys that were created for another person act for the one who is logged in now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Confirm {
    /// The account; the default account if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// One key; all of the account's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Names an account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OfAccount {
    /// The account; the default account if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// Who has lately been served without a key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Callers {
    /// The account's name.
    pub account: String,
    /// Latest first, each program once.
    pub callers: Vec<Caller>,
}

/// A program that was served without a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Its last request.
    #[serde(flatten)]
    pub last: Use,
    /// Its requests, as far as they are remembered: across restarts, and longer than any pause
    /// between the runs of a script.
    pub requests: u64,
}

/// Asks what would become of a request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Explain {
    /// The request's method.
    pub method: String,
    /// Its path and query, as the script would send it.
    pub path: String,
    /// The account; the default account, or the key's, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The key's name; no key if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What would become of a request, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// Whether it would be passed on.
    pub allowed: bool,
    /// The account that it would use, if that is clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The scopes that it needs, of which one is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// The line that decides: of the key, of the route table, or of the configuration.
    pub line: String,
    /// Why, as a sentence.
    pub why: String,
}
