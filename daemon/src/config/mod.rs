//! The configuration: turns the text of two files into values that are valid by construction.
//!
//! [`files`] reads the user's file and the machine's. [`check`] layers the first over the second and
//! returns a [`Config`], or every error at once, each with its file, line, column and caret. [`watch`]
//! detects when to do this again.

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
    /// The addresses for scripts.
    pub listen: Vec<LoopbackAddr>,
    /// The account of requests that don't name one: the configured default, or the only account.
    pub default_account: Option<AccountName>,
    /// Where the data key lives.
    pub vault: VaultKind,
    /// Additional `Host` names under which scripts may call the daemon.
    pub allow_hosts: Vec<AllowedHost>,
    /// The widest rights that the machine's administrator allows for local keys; no limit if absent.
    pub max_key_scope: Option<Rights>,
    /// The longest lifetime that the machine's administrator allows for local keys; no limit if absent.
    pub max_key_age: Option<Ttl>,
    /// Routes that scripts may use although loopdesk refuses them by default.
    pub open_routes: Vec<RoutePath>,
    /// The redirect URIs that are registered with Zendesk, in the order in which they are tried.
    pub redirect_uris: Vec<RedirectUri>,
    /// The command that is run on session events.
    pub session_event_hook: Option<HookCommand>,
    /// Whether `loopdesk exec` may run commands.
    pub exec: bool,
    /// The accounts.
    pub accounts: BTreeMap<AccountName, Arc<Account>>,
    /// The keys in the machine's file that this version doesn't know.
    pub unknown: Vec<Diagnostic>,
    /// Keys from earlier releases that have no effect any more.
    pub retired: Vec<RetiredKey>,
}

/// A key that has no effect any more. It isn't an error: a valid file stays valid when the program is
/// upgraded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredKey {
    /// Where the key is, and why it has no effect.
    pub found: Diagnostic,
    /// How to remove it.
    pub fix: String,
}

impl RetiredKey {
    /// Message and fix in one, for output that has no separate place for the fix.
    fn with_fix(&self) -> Diagnostic {
        Diagnostic {
            message: format!("{}; to remove it: {}", self.found.message, self.fix),
            ..self.found.clone()
        }
    }
}

impl Config {
    /// Whether scripts are served on this local port.
    pub fn listens_on(&self, port: u16) -> bool {
        self.listen
            .iter()
            .any(|address| address.get().port() == port)
            || self
                .accounts
                .values()
                .any(|account| account.port == Some(port))
    }

    /// Whether clients on TCP need a local key. With `allow-hosts`, a forwarder may let strangers in, and
    /// they can send any `Host`.
    pub fn needs_key_over_tcp(&self) -> bool {
        !self.allow_hosts.is_empty()
    }
}

/// One Zendesk account, brand or sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name in the configuration.
    pub name: AccountName,
    /// The Zendesk subdomain, if the file sets one.
    pub subdomain: Option<Subdomain>,
    /// The API's origin, if the file sets one: a brand or host-mapped domain.
    pub url: Option<Origin>,
    /// The OAuth client's identifier.
    pub client_id: String,
    /// How it gets its tokens.
    pub grant: GrantType,
    /// The scopes to request.
    pub scopes: Vec<Scope>,
    /// A port for this account alone, on IPv4 and IPv6 loopback.
    pub port: Option<u16>,
    /// Who may use it.
    pub access: Access,
    /// Which absolute URLs are rewritten to local ones.
    pub rewrite: Vec<RewriteClass>,
    /// The access token lifetime to request.
    pub access_token_ttl: Ttl,
    /// The refresh token lifetime to request.
    pub refresh_token_ttl: Ttl,
    /// Whether to keep a second grant with only Zendesk's scope `read`, for keys that may only read.
    pub read_only_grant: bool,
    /// Additional certificates to trust, as PEM.
    pub extra_ca_file: Option<PathBuf>,
    /// How token requests are encoded.
    pub token_encoding: TokenEncoding,
    /// The origin for API requests.
    pub api_origin: Origin,
    /// The origin for logins and refreshes.
    pub oauth_origin: Origin,
}

impl Account {
    /// The origins whose URLs are rewritten to local ones: the API's, and Zendesk's own if it differs.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        let second = (self.oauth_origin != self.api_origin).then_some(&self.oauth_origin);
        std::iter::once(&self.api_origin).chain(second)
    }
}
