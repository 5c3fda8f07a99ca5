//! Parts of several answers that describe an account.

use serde::{Deserialize, Serialize};

use crate::text;

/// The grant of an account whose user logs in through a browser.
pub const AUTHORIZATION_CODE: &str = "authorization-code";
/// The grant of an account that uses the secret of a confidential OAuth client.
pub const CLIENT_CREDENTIALS: &str = "client-credentials";

/// The Zendesk user that an account's requests act as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Zendesk's user id.
    pub id: u64,
    /// The user's name as Zendesk shows it, on one line.
    #[serde(deserialize_with = "text::one_line")]
    pub name: String,
    /// The user's primary e-mail address, if known.
    #[serde(
        default,
        deserialize_with = "text::one_line_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub email: Option<String>,
    /// `end-user`, `agent` or `admin`, if known.
    #[serde(
        default,
        deserialize_with = "text::one_line_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub role: Option<String>,
}

impl Person {
    /// Whether the user is an admin in Zendesk.
    pub fn is_admin(&self) -> bool {
        self.role.as_deref() == Some("admin")
    }
}

/// The grant in answers that don't name one.
pub(crate) fn default_grant() -> String {
    AUTHORIZATION_CODE.to_owned()
}
