//! Commands on one account's session: refresh and logout.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Person;

/// `POST` a [`Refresh`] here; the answer is [`Refreshed`].
pub const REFRESH: &str = "/v1/refresh";
/// `POST` a [`Logout`] here; the answer is [`LoggedOut`].
pub const LOGOUT: &str = "/v1/logout";

/// Asks for a new token pair now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Refresh {
    /// The account; the default account if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// A refresh has happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refreshed {
    /// The account's name.
    pub account: String,
    /// The pair's number: it grows by one with every pair that the account gets.
    pub generation: u64,
    /// When the new access token expires.
    pub access_expires_at: Timestamp,
}

/// Asks to end the session and to revoke its tokens at Zendesk.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Logout {
    /// The account; the default account if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Remove the stored session even where Zendesk can't be reached to revoke it.
    #[serde(default)]
    pub forget: bool,
}

/// The session is gone from this machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoggedOut {
    /// The account's name.
    pub account: String,
    /// Who was logged in, if anybody was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// Whether Zendesk has confirmed that the tokens are dead.
    pub revoked: bool,
}
