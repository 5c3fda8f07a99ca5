//! An account as it is configured now, and how that differs between its token pairs.

use std::sync::Arc;

use loopdesk_protocol::status::Role;
use loopdesk_protocol::{Problem, conditions};

use super::api::{HttpZendesk, UnreachableApi, ZendeskApi};
use crate::clock::Clock;
use crate::config::{Account, GrantType, Scope};
use crate::session::model::binding::{Binding, RecordRole};
use crate::upstream::Upstream;
use crate::upstream::egress::Egress;

/// An account as it is configured now, with the way to its Zendesk.
#[derive(Clone, Debug)]
pub(in crate::session) struct AccountContext {
    pub(in crate::session) account: Arc<Account>,
    pub(in crate::session) egress: Egress,
    pub(in crate::session) binding: Binding,
    pub(in crate::session) zendesk: Arc<dyn ZendeskApi>,
    pub(in crate::session) upstream: Result<Upstream, Problem>,
}

impl AccountContext {
    /// What to do to log the account in.
    pub(in crate::session) fn how_to_log_in(&self) -> String {
        let name = &self.account.name;
        match self.account.grant {
            GrantType::AuthorizationCode => format!("run `loopdesk login {name}`"),
            GrantType::ClientCredentials => {
                format!("run `loopdesk login {name} --client-secret-stdin`")
            }
        }
    }

    /// The context of `account` on this `machine`, without a way to Zendesk if `upstream` has none.
    pub(in crate::session) fn new(
        account: &Arc<Account>,
        egress: Egress,
        upstream: Result<Upstream, String>,
        machine: &str,
        clock: &Clock,
    ) -> Self {
        let upstream = upstream.map_err(|why| conditions::no_way(&account.name, why));
        let zendesk: Arc<dyn ZendeskApi> = match &upstream {
            Ok(upstream) => Arc::new(HttpZendesk {
                account: Arc::clone(account),
                upstream: upstream.clone(),
                clock: clock.clone(),
            }),
            Err(problem) => Arc::new(UnreachableApi(problem.clone())),
        };
        Self {
            binding: Binding::new(account, machine),
            account: Arc::clone(account),
            egress,
            zendesk,
            upstream,
        }
    }

    /// The same account, as its token pair of this role sees it.
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

    /// Whether the configuration asks for a token pair of this role.
    pub(in crate::session) fn wants(&self, role: Role) -> bool {
        let account = &self.account;
        let by_person = account.grant == GrantType::AuthorizationCode;
        match role {
            Role::Primary => true,
            Role::ReadOnly => account.read_only_grant && by_person,
        }
    }

    /// Whose tokens these are, for the middle of a sentence.
    pub(in crate::session) fn whose(&self) -> String {
        match self.binding.role {
            RecordRole::Primary => format!("account `{}`", self.account.name),
            RecordRole::ReadOnly | RecordRole::Spare => self.subject(),
        }
    }

    /// What these tokens are, for the start of a sentence.
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

/// Zendesk's scope for reading everything and writing nothing (ZENDESK.md, Scopes).
const READ: &str = "read";
