//! Local keys: the requests and answers of `loopdesk key` and `loopdesk explain`.
//!
//! Key names are unique across accounts, so that a key can be named without its account.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Person;
use crate::call::Call;
use crate::secret::SecretText;

/// Lists all keys.
pub const LIST: Call<(), KeyList> = Call::get("/v1/keys");
/// Creates a key.
pub const CREATE: Call<Create, Created> = Call::post("/v1/keys/create");
/// Revokes a key. The answer is the revoked key.
pub const REVOKE: Call<Named, KeyStatus> = Call::post("/v1/keys/revoke");
/// Gives a key a new secret.
pub const ROTATE: Call<Rotate, Created> = Call::post("/v1/keys/rotate");
/// Lets keys act for the user who is logged in now. The answer lists the confirmed keys.
pub const CONFIRM: Call<Confirm, KeyList> = Call::post("/v1/keys/confirm");
/// Lists the programs that were served without a key.
pub const CALLERS: Call<OfAccount, Callers> = Call::post("/v1/keys/callers");
/// Explains what would happen to a request.
pub const EXPLAIN: Call<Explain, Explained> = Call::post("/v1/explain");

/// The prefix of every local key, by which people and secret scanners recognise them. See
/// [`PATTERN`].
pub const PREFIX: &str = "ldk_";
/// The number of letters and digits after the prefix in a key's public part.
pub const ID_LENGTH: usize = 8;
/// A whole key: the prefix, its id, and 49 letters and digits, the last six of which are a
/// checksum.
pub const PATTERN: &str = r"\bldk_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}\b";

/// What a key allows: everything that a scope or an `allow` rule covers, except what a `deny` rule
/// covers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RightsText {
    /// `read`, `write`, `tickets:read` and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Rules such as `GET /api/v2/tickets/**`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Rules of the same form, which take precedence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// Asks for a new key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Create {
    /// Its name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The account; the default account if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What it allows.
    #[serde(flatten)]
    pub rights: RightsText,
    /// The number of seconds until it expires; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// The user's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A new key. No other answer contains its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Created {
    /// The key.
    pub key: KeyStatus,
    /// What the script sends.
    pub secret: SecretText,
    /// Whether the account also serves scripts without a key.
    pub keyless: bool,
    /// The base URLs that scripts can use with it, the simplest first.
    #[serde(default)]
    pub base_urls: Vec<String>,
    /// Routes that it allows, but that may reveal what its `deny` rules deny, such as
    /// `GET /api/v2/groups/{id}/users`.
    #[serde(default)]
    pub also_shown: Vec<String>,
}

/// All keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KeyList {
    /// The keys, by name.
    pub keys: Vec<KeyStatus>,
    /// The names of the accounts that also serve scripts without a key.
    #[serde(default)]
    pub keyless: Vec<String>,
}

/// One key, without its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyStatus {
    /// Its name.
    pub name: String,
    /// The public part of the key, including `ldk_`, to recognise it in a script.
    pub id: String,
    /// The account whose session it uses.
    pub account: String,
    /// The Zendesk user it was created for.
    pub person: Person,
    /// What it allows.
    #[serde(flatten)]
    pub rights: RightsText,
    /// Whether it works.
    pub state: KeyState,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Until when the secret from before a rotation still works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_secret_until: Option<Timestamp>,
    /// The user's note.
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
    /// It works.
    Active,
    /// It has expired.
    Expired,
    /// The user who is logged in isn't the one it was created for.
    Suspended,
    /// Its account is no longer configured.
    NoAccount,
    /// It works, but the machine's administrator limits what it allows or how long it lasts.
    Limited,
    /// This release can't read what it allows.
    Unreadable,
    /// It was revoked, but is still in the file because the change couldn't be written.
    Revoked,
}

/// When and by whom something was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// When.
    pub at: Timestamp,
    /// The program, such as `python3 report.py (4711)`, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
}

/// Names a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Named {
    /// The key's name.
    pub name: String,
}

/// Asks for a new secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rotate {
    /// The key's name.
    pub name: String,
    /// The number of seconds for which the old secret still works.
    #[serde(default)]
    pub grace: u64,
}

/// Lets keys that were created for another user act as the one who is logged in now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Confirm {
    /// The account; the default account if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The key; all of the account's keys if absent.
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

/// The programs that were lately served without a key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Callers {
    /// The account's name.
    pub account: String,
    /// One entry per program, the latest first.
    pub callers: Vec<KeylessCaller>,
}

/// A program that was served without a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeylessCaller {
    /// Its last request.
    #[serde(flatten)]
    pub last: Use,
    /// The number of its requests, remembered across restarts and for longer than scripts usually
    /// pause.
    pub requests: u64,
}

/// Asks whether a request would be allowed.
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

/// Whether a request would be allowed, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// Whether it would be allowed.
    pub allowed: bool,
    /// The account that it would use, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The scopes that allow it, any one of which is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// The rule that decides: of the key, the route table or the configuration.
    pub line: String,
    /// Why, as a sentence.
    pub why: String,
}
