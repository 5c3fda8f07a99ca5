//! The configuration: two files' texts in, values that can't be wrong out.
//!
//! [`files`] reads the user's file and the machine's, [`check`] lays one over the other and turns
//! them into a [`Config`] or into every error at once, each with file, line, column and caret.
//! [`watch`] notices when that should be done again.

mod access;
pub mod check;
mod effective;
pub mod files;
mod hooks;
pub mod live;
pub mod load;
mod locks;
mod ports;
mod reader;
mod retired;
mod sources;
mod trust;
mod ttl;
mod types;
pub mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use loopdesk_protocol::config::Diagnostic;

use crate::rights::Rights;

pub use access::AllowedHost;
pub use hooks::HookCommand;
pub use loopdesk_protocol::status::Access;
pub use ttl::Ttl;
pub(crate) use ttl::human;
pub use types::{
    AccountName, GrantType, LoopbackAddr, Origin, RedirectUri, RewriteClass, RoutePath, Scope,
    Subdomain, TokenEncoding, VaultKind,
};

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where scripts connect.
    pub listen: Vec<LoopbackAddr>,
    /// The account of requests that name none: the configured one, or the only one.
    pub default_account: Option<AccountName>,
    /// Where the data key lives.
    pub vault: VaultKind,
    /// Further names by which scripts may call the daemon.
    pub allow_hosts: Vec<AllowedHost>,
    /// The most that the machine's administrator lets local keys do; no limit if absent.
    pub max_key_scope: Option<Rights>,
    /// The longest that the machine's administrator lets local keys live; no limit if absent.
    pub max_key_age: Option<Ttl>,
    /// Refused routes that scripts may use after all.
    pub open_routes: Vec<RoutePath>,
    /// The redirect URIs that are registered at Zendesk, in the order in which they are tried.
    pub redirect_uris: Vec<RedirectUri>,
    /// The command that is told of what happens to sessions.
    pub session_event_hook: Option<HookCommand>,
    /// The accounts.
    pub accounts: BTreeMap<AccountName, Arc<Account>>,
    /// The keys of the machine's file that this version doesn't know.
    pub unknown: Vec<Diagnostic>,
    /// Keys that earlier releases knew, and that have no effect any more.
    pub retired: Vec<RetiredKey>,
}

/// A key that has no effect any more. It is no error: a file that was right stays right when the
/// program is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredKey {
    /// Where it stands, and why it has none.
    pub found: Diagnostic,
    /// How to be rid of it.
    pub fix: String,
}

impl RetiredKey {
    /// The whole of it, where there is no other place for the fix.
    fn with_fix(&self) -> Diagnostic {
        Diagnostic {
            message: format!("{}; to remove it: {}", self.found.message, self.fix),
            ..self.found.clone()
        }
    }
}

impl Config {
    /// Whether scripts are served on this port of this machine.
    pub fn listens_on(&self, port: u16) -> bool {
        self.listen
            .iter()
            .any(|address| address.get().port() == port)
            || self
                .accounts
                .values()
                .any(|account| account.port == Some(port))
    }

    /// Whether those who connect by TCP need a local key: behind a forwarder a stranger may call by any
    /// name.
    pub fn needs_key_over_tcp(&self) -> bool {
        !self.allow_hosts.is_empty()
    }
}

/// One Zendesk account, brand or sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name in the configuration.
    pub name: AccountName,
    /// Zendesk's subdomain, if the file gives one.
    pub subdomain: Option<Subdomain>,
    /// The API's origin, if the file gives one: a brand or host-mapped domain.
    pub url: Option<Origin>,
    /// The OAuth client's identifier.
    pub client_id: String,
    /// How it comes by its tokens.
    pub grant: GrantType,
    /// The scopes to ask for.
    pub scopes: Vec<Scope>,
    /// A port of this account's own, on every loopback family.
    pub port: Option<u16>,
    /// Whom it answers.
    pub access: Access,
    /// Which absolute URLs stay local.
    pub rewrite: Vec<RewriteClass>,
    /// The access token's lifetime to ask for.
    pub access_token_ttl: Ttl,
    /// The refresh token's lifetime to ask for.
    pub refresh_token_ttl: Ttl,
    /// Whether a pair with Zendesk's scope `read` alone is kept for those who may only read.
    pub read_only_grant: bool,
    /// Further certificates to trust, as PEM.
    pub extra_ca_file: Option<PathBuf>,
    /// How token requests are encoded.
    pub token_encoding: TokenEncoding,
    /// Where API requests go.
    pub api_origin: Origin,
    /// Where logins and refreshes go.
    pub oauth_origin: Origin,
}

impl Account {
    /// The origins whose URLs stay local: the API's, and Zendesk's own where that differs.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        let second = (self.oauth_origin != self.api_origin).then_some(&self.oauth_origin);
        std::iter::once(&self.api_origin).chain(second)
    }
}
