//! What differs in an account's setup from one of its pairs to the next.

use std::sync::Arc;

use loopdesk_protocol::status::Role;

use crate::config::{Account, GrantType, Scope};
use crate::session::Setup;
use crate::session::model::binding::{Binding, RecordRole};

impl Setup {
    /// The same account, for its pair of this role.
    pub(in crate::session) fn for_role(&self, role: Role) -> Arc<Self> {
        let account = match role {
            Role::Primary => Arc::clone(&self.account),
            Role::ReadOnly => Arc::new(Account {
                scopes: READ.parse::<Scope>().into_iter().collect(),
                ..Account::clone(&self.account)
            }),
        };
        let binding = Binding {
            role: role.into(),
            ..self.binding.clone()
        };
        Arc::new(Self {
            account,
            binding,
            ..self.clone()
        })
    }

    /// Whether the configuration asks for this pair.
    pub(in crate::session) fn wants(&self, role: Role) -> bool {
        let account = &self.account;
        let by_person = account.grant == GrantType::AuthorizationCode;
        match role {
            Role::Primary => true,
            Role::ReadOnly => account.read_only_grant && by_person,
        }
    }

    /// Whose tokens these are, to go on a sentence with.
    pub(in crate::session) fn whose(&self) -> String {
        match self.binding.role {
            RecordRole::Primary => format!("account `{}`", self.account.name),
            RecordRole::ReadOnly | RecordRole::Spare => self.subject(),
        }
    }

    /// What these tokens are, to begin a sentence with.
    pub(in crate::session) fn subject(&self) -> String {
        let name = &self.account.name;
        match self.binding.role {
            RecordRole::Primary => format!("the session of account `{name}`"),
            role @ (RecordRole::ReadOnly | RecordRole::Spare) => {
                format!("the {} pair of account `{name}`", role.name())
            }
        }
    }
}

/// Zendesk's scope that reads everything and writes nothing (ZENDESK.md, Scopes).
const READ: &str = "read";
