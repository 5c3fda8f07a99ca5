//! What a session is bound to.

use loopdesk_protocol::status::Role;
use serde::{Deserialize, Serialize};

use crate::config::{Account, GrantType};

/// What a session is bound to: its tokens are sent nowhere else (S5, R3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::session) struct Binding {
    pub(in crate::session) account: String,
    pub(in crate::session) api_origin: String,
    pub(in crate::session) oauth_origin: String,
    pub(in crate::session) client_id: String,
    /// The name of the OAuth grant that yields its tokens.
    #[serde(default = "usual_grant", skip_serializing_if = "is_usual_grant")]
    pub(in crate::session) grant: String,
    /// What its token pair is for.
    #[serde(default, skip_serializing_if = "is_primary")]
    pub(in crate::session) role: RecordRole,
    /// A hash of the machine's id ([`crate::session::store::host_id`]).
    pub(in crate::session) machine: String,
}

impl Binding {
    /// The binding of the primary pair of `account` on this machine.
    pub(in crate::session) fn new(account: &Account, machine: &str) -> Self {
        Self {
            account: account.name.to_string(),
            api_origin: account.api_origin.to_string(),
            oauth_origin: account.oauth_origin.to_string(),
            client_id: account.client_id.clone(),
            grant: account.grant.name().to_owned(),
            role: RecordRole::Primary,
            machine: machine.to_owned(),
        }
    }
}

/// What a record's token pair is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::session) enum RecordRole {
    /// It serves the account's requests.
    #[default]
    Primary,
    /// It serves requests that may only read.
    ReadOnly,
    /// Earlier releases held it in reserve; see [`crate::session::refresher::retired_spare`].
    Spare,
}

impl RecordRole {
    /// Every role that a record may have.
    pub(in crate::session) const ALL: [Self; 3] = [Self::Primary, Self::ReadOnly, Self::Spare];

    /// The role's name in records and file names.
    pub(in crate::session) fn name(self) -> &'static str {
        match self {
            Self::Primary => Role::Primary.name(),
            Self::ReadOnly => Role::ReadOnly.name(),
            Self::Spare => "spare",
        }
    }
}

impl From<Role> for RecordRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Primary => Self::Primary,
            Role::ReadOnly => Self::ReadOnly,
        }
    }
}

fn usual_grant() -> String {
    GrantType::AuthorizationCode.name().to_owned()
}

pub(in crate::session) fn is_usual_grant(grant: &str) -> bool {
    grant == GrantType::AuthorizationCode.name()
}

pub(in crate::session) fn is_primary(role: &RecordRole) -> bool {
    *role == RecordRole::Primary
}
