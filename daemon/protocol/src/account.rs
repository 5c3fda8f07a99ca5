//! What is said of an account in several answers.

use serde::{Deserialize, Serialize};

use crate::text;

/// The grant of an account whose person allows the access in a browser.
pub const AUTHORIZATION_CODE: &str = "authorization-code";
/// The grant of an account whose confidential OAuth client acts by its own secret.
pub const CLIENT_CREDENTIALS: &str = "client-credentials";

/// The Zendesk user in whose name an account's requests are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Zendesk's user id.
    pub id: u64,
    /// The user's name as Zendesk shows it, on one line.
    #[serde(deserialize_with = "text::one_line")]
    pub name: String,
    /// The user's primary e-mail address, if Zendesk tells it.
    #[serde(
        default,
        deserialize_with = "text::one_line_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub email: Option<String>,
    /// `end-user`, `agent` or `admin`, if Zendesk tells it.
    #[serde(
        default,
        deserialize_with = "text::one_line_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub role: Option<String>,
}

impl Person {
    /// Whether Zendesk says that this user may do everything.
    pub fn is_admin(&self) -> bool {
        self.role.as_deref() == Some("admin")
    }
}

/// What an answer means that names no grant.
pub(crate) fn default_grant() -> String {
    AUTHORIZATION_CODE.to_owned()
}
