//! The result of checking the configuration: the user's file, and the machine-wide one below it.
//!
//! `loopdeskd check-config [FILE]` prints a [`Report`] as JSON, with or without a running daemon,
//! so that only the daemon's program reads the files. `POST /v1/config/reload` makes a running
//! daemon read them; the answer is an empty object or a problem of kind `config`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::call::{Call, Empty};
use crate::status::Access;

/// Makes the daemon read its configuration again.
pub const RELOAD: Call<Empty, Empty> = Call::post("/v1/config/reload");

/// The checked configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The user's file.
    pub path: String,
    /// Whether the user's file exists. If not, the machine-wide file and the defaults apply.
    pub exists: bool,
    /// Every file that was looked for, the one with precedence first.
    #[serde(default)]
    pub files: Vec<ReportFile>,
    /// All errors in the files. If empty, the configuration is valid.
    pub errors: Vec<Diagnostic>,
    /// Settings in the machine-wide file that this version doesn't know and ignores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Diagnostic>,
    /// The configuration with its defaults; absent if there are errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Effective>,
}

impl Report {
    /// The machine-wide file, if it exists.
    pub fn system(&self) -> Option<&ReportFile> {
        let mut files = self.files.iter();
        files.find(|file| file.layer == Layer::System && file.exists)
    }
}

/// A configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFile {
    /// Whose file it is.
    pub layer: Layer,
    /// Its path.
    pub path: String,
    /// Whether it exists.
    pub exists: bool,
}

/// The owner of a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The user, whose file takes precedence.
    User,
    /// The machine's administrator.
    System,
}

/// One error in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The file.
    #[serde(default)]
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong, with the value and what is expected.
    pub message: String,
    /// The line of the file, with carets below it.
    pub snippet: String,
}

/// A valid configuration with its defaults.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Effective {
    /// Addresses that scripts can connect to.
    pub listen: Vec<String>,
    /// The account of requests that don't name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_account: Option<String>,
    /// Where the data key lives.
    pub vault: String,
    /// Additional `Host` names to accept. With any, callers by TCP need a local key.
    #[serde(default)]
    pub allow_hosts: Vec<String>,
    /// The most that local keys may allow, if the machine-wide file limits them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_key_scope: Option<Vec<String>>,
    /// How long local keys may last, in seconds, if the machine-wide file limits them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_key_age: Option<u64>,
    /// Routes that create tokens, but that scripts may use all the same.
    pub open_routes: Vec<String>,
    /// The redirect URIs registered in Zendesk.
    pub redirect_uris: Vec<String>,
    /// The commands to run on events.
    #[serde(default)]
    pub hooks: HookSettings,
    /// Whether `loopdesk exec` may run commands.
    #[serde(default = "is_on")]
    pub exec: bool,
    /// The accounts, by name.
    pub accounts: Vec<AccountSettings>,
    /// Where values come from, by key (`accounts.acme.port`). Defaults aren't listed.
    #[serde(default)]
    pub sources: BTreeMap<String, Source>,
    /// The keys and tables that the machine-wide file locks, and where.
    #[serde(default)]
    pub locked: BTreeMap<String, Source>,
}

fn is_on() -> bool {
    true
}

impl Effective {
    /// Where `key`, or a table that contains it, is locked.
    pub fn lock(&self, key: &str) -> Option<&Source> {
        let holds = |table: &str| {
            let rest = key.strip_prefix(table);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let mut locks = self.locked.iter();
        locks.find(|(table, _)| holds(table)).map(|(_, at)| at)
    }

    /// Where the machine-wide file defines the account, if it does.
    pub fn account_of_system(&self, name: &str) -> Option<&Source> {
        let prefix = format!("accounts.{name}.");
        let sources = self
            .sources
            .iter()
            .filter(|(key, source)| source.layer == Layer::System && key.starts_with(&prefix));
        sources
            .map(|(_, source)| source)
            .min_by_key(|source| source.line)
    }
}

/// A location in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Whose file it is.
    pub layer: Layer,
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
}

/// The user's commands, run without a shell.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HookSettings {
    /// Gets events of sessions: [`crate::event::SessionEvent`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_event: Option<Vec<String>>,
}

/// One account's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountSettings {
    /// The account's name.
    pub name: String,
    /// Zendesk's subdomain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subdomain: Option<String>,
    /// The API's origin, if it isn't the subdomain's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where API requests go.
    pub api_origin: String,
    /// Where logins and refreshes go.
    pub oauth_origin: String,
    /// The OAuth client's identifier.
    pub client_id: String,
    /// The scopes to request.
    pub scopes: Vec<String>,
    /// How tokens are obtained: [`crate::account::AUTHORIZATION_CODE`] or
    /// [`crate::account::CLIENT_CREDENTIALS`].
    #[serde(default = "crate::account::default_grant")]
    pub grant: String,
    /// A port for this account alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Which programs it serves.
    #[serde(default)]
    pub access: Access,
    /// The classes of URLs to rewrite.
    pub rewrite: Vec<String>,
    /// The access token's requested lifetime, in seconds.
    pub access_token_ttl: u64,
    /// The refresh token's requested lifetime, in seconds.
    pub refresh_token_ttl: u64,
    /// Whether to keep a token pair with only Zendesk's `read` scope.
    #[serde(default)]
    pub read_only_grant: bool,
    /// A file with additional certificate authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_ca_file: Option<String>,
    /// How token requests are encoded: `json` or `form`.
    pub token_encoding: String,
    /// The base URLs that scripts can use.
    pub base_urls: Vec<String>,
}
