//! What the daemon makes of the configuration's files: the user's, and the machine's below it.
//!
//! `loopdeskd check-config [FILE]` prints a [`Report`] as JSON, whether a daemon runs or not, so
//! that there is one reader of the files only. `POST /v1/config/reload` makes a running daemon
//! read its files; the answer is an empty object or a problem of kind `config`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Makes the daemon read its file again.
pub const RELOAD: &str = "/v1/config/reload";

/// The configuration's files, checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The user's file.
    pub path: String,
    /// Whether the user's file exists; a missing file means what is below it.
    pub exists: bool,
    /// Every file that was looked for, the one that counts more first.
    #[serde(default)]
    pub files: Vec<ReportFile>,
    /// Every error in the files. Empty means that they can be used.
    pub errors: Vec<Diagnostic>,
    /// What the machine's file says that this version doesn't know, and passes over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Diagnostic>,
    /// What the files say, defaults filled in; absent where there are errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Effective>,
}

impl Report {
    /// The machine's file, if there is one.
    pub fn system(&self) -> Option<&ReportFile> {
        let mut files = self.files.iter();
        files.find(|file| file.layer == Layer::System && file.exists)
    }
}

/// A file of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFile {
    /// Whose it is.
    pub layer: Layer,
    /// Its name.
    pub path: String,
    /// Whether it exists.
    pub exists: bool,
}

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The user's, which counts more.
    User,
    /// The machine's, below it.
    System,
}

/// One error in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The file.
    #[serde(default)]
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// What is wrong, naming the value and what would be right.
    pub message: String,
    /// The line of the file and a caret below it.
    pub snippet: String,
}

/// A usable configuration with every default filled in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Effective {
    /// Addresses that scripts can connect to.
    pub listen: Vec<String>,
    /// The account of requests that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_account: Option<String>,
    /// Where the data key lives.
    pub vault: String,
    /// Further `Host` names that are answered, always with a local key.
    #[serde(default)]
    pub allow_hosts: Vec<String>,
    /// The most that local keys may do, if the machine's file limits them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_key_scope: Option<Vec<String>>,
    /// The longest that local keys may live, in seconds, if the machine's file limits them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_key_age: Option<u64>,
    /// Token-minting routes that scripts may use after all.
    pub open_routes: Vec<String>,
    /// The redirect URIs that are registered at Zendesk.
    pub redirect_uris: Vec<String>,
    /// The commands that are told of events.
    #[serde(default)]
    pub hooks: HookSettings,
    /// The accounts, by name.
    pub accounts: Vec<AccountSettings>,
    /// Where each value comes from that isn't a default, by its key: `accounts.acme.port`.
    #[serde(default)]
    pub sources: BTreeMap<String, Source>,
    /// The keys, or tables, that the machine's file locks, and where it does.
    #[serde(default)]
    pub locked: BTreeMap<String, Source>,
}

impl Effective {
    /// What locks `key`: itself, or a table that holds it.
    pub fn lock(&self, key: &str) -> Option<&Source> {
        let holds = |table: &str| {
            let rest = key.strip_prefix(table);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let mut locks = self.locked.iter();
        locks.find(|(table, _)| holds(table)).map(|(_, at)| at)
    }

    /// Where the machine's file has the account of that name, if it does.
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

/// A place in one of the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Whose the file is.
    pub layer: Layer,
    /// The file.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
}

/// Commands of the user's, run without a shell.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HookSettings {
    /// Told what happens to sessions: [`crate::event::SessionEvent`].
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
    /// The API's origin where it isn't the subdomain's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where API requests go.
    pub api_origin: String,
    /// Where logins and refreshes go.
    pub oauth_origin: String,
    /// The OAuth client's identifier.
    pub client_id: String,
    /// The scopes asked for.
    pub scopes: Vec<String>,
    /// How tokens are obtained: [`crate::account::AUTHORIZATION_CODE`] or
    /// [`crate::account::CLIENT_CREDENTIALS`].
    #[serde(default = "crate::account::default_grant")]
    pub grant: String,
    /// A port of this account's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whom it answers: `user` (every program of this user's) or `key` (those with a local key).
    #[serde(default = "default_access")]
    pub access: String,
    /// The classes of absolute URLs that stay local.
    pub rewrite: Vec<String>,
    /// The access token's lifetime asked for, in seconds.
    pub access_token_ttl: u64,
    /// The refresh token's lifetime asked for, in seconds.
    pub refresh_token_ttl: u64,
    /// Whether a second pair is kept for the day on which an answer is lost.
    #[serde(default)]
    pub spare: bool,
    /// Whether a pair with Zendesk's scope `read` alone is kept.
    #[serde(default)]
    pub read_only_grant: bool,
    /// Further certificates to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_ca_file: Option<String>,
    /// How token requests are encoded: `json` or `form`.
    pub token_encoding: String,
    /// The base URLs that scripts can use.
    pub base_urls: Vec<String>,
}

fn default_access() -> String {
    "user".to_owned()
}
