//! Commands on an account's session: refresh and logout.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Person;
use crate::call::Call;

/// Refreshes an account's token pair.
pub const REFRESH: Call<RefreshRequest, Refreshed> = Call::post("/v1/refresh");
/// Ends an account's session.
pub const LOGOUT: Call<LogoutRequest, LoggedOut> = Call::post("/v1/logout");

/// Asks for a new token pair now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RefreshRequest {
    /// The account; the default account if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// The result of a refresh.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refreshed {
    /// The account's name.
    pub account: String,
    /// The token pair's number, which grows by one with each pair of the account.
    pub generation: u64,
    /// When the new access token expires.
    pub access_expires_at: Timestamp,
}

/// Asks to end the session and to revoke its tokens at Zendesk.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LogoutRequest {
    /// The account; the default account if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether to delete the stored session even if Zendesk can't be reached to revoke it.
    #[serde(default)]
    pub forget: bool,
}

/// The result of a logout.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoggedOut {
    /// The account's name.
    pub account: String,
    /// The user who was logged in, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// Whether Zendesk confirmed that the tokens are revoked.
    pub revoked: bool,
}
