//! What is said of an account in several answers.

use serde::{Deserialize, Serialize};

/// The Zendesk user in whose name an account's requests are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Zendesk's user id.
    pub id: u64,
    /// The user's name as Zendesk shows it.
    pub name: String,
    /// The user's primary e-mail address, if Zendesk tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `end-user`, `agent` or `admin`, if Zendesk tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}
