//! What the daemon makes of a configuration file.
//!
//! `loopdeskd check-config [FILE]` prints a [`Report`] as JSON, whether a daemon runs or not, so
//! that there is one reader of the file only. `POST /v1/config/reload` makes a running daemon
//! read its file; the answer is an empty object or a problem of kind `config`.

use serde::{Deserialize, Serialize};

/// Makes the daemon read its file again.
pub const RELOAD: &str = "/v1/config/reload";

/// A configuration file, checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The file that was read.
    pub path: String,
    /// Whether the file exists; a missing file means every default and no account.
    pub exists: bool,
    /// Every error in the file. Empty means that it can be used.
    pub errors: Vec<Diagnostic>,
    /// What the file says, defaults filled in; absent where there are errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Effective>,
}

/// One error in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
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
    /// Token-minting routes that scripts may use after all.
    pub open_routes: Vec<String>,
    /// The redirect URIs that are registered at Zendesk.
    pub redirect_uris: Vec<String>,
    /// The commands that are told of events.
    #[serde(default)]
    pub hooks: Hooks,
    /// The accounts, by name.
    pub accounts: Vec<Account>,
}

/// Commands of the user's, run without a shell.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Hooks {
    /// Told what happens to sessions: [`crate::event::SessionEvent`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_event: Option<Vec<String>>,
}

/// One account's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
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
