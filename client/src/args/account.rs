//! What can be typed after `loopdesk account`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use loopdesk_protocol::account::{AUTHORIZATION_CODE, CLIENT_CREDENTIALS};

use super::config::SettingArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// List the accounts.
    #[command(
        after_long_help = "JSON: daemon_running, accounts (name, default, origin, base_urls, \
                                 state, person; the last two only if the daemon runs)."
    )]
    List,
    /// Add an account to the configuration.
    ///
    /// An admin of the Zendesk account first makes the OAuth client in Admin Center, under Apps
    /// and integrations, APIs, OAuth clients: kind `Public` (for the grant `client-credentials`:
    /// `Confidential`), and the redirect URLs that `loopdesk
    /// config show` lists. Its identifier is the `--client-id`.
    #[command(
        after_long_help = "JSON: path, reloaded, account (as in `account show`).",
        override_usage = "loopdesk account add NAME (--subdomain SUBDOMAIN | --url URL) --client-id ID [OPTIONS]"
    )]
    Add(Box<AccountAddArgs>),
    /// Change one setting of an account.
    ///
    /// `access key` has the account refuse every program that sends no local key: the programs
    /// that have lately sent none are shown, and you are asked. `access user` takes it back.
    #[command(
        after_long_help = "JSON: path, reloaded, callers (after `access key`: at, process, \
                           requests of each program that sent no key)."
    )]
    Set(AccountSetArgs),
    /// Remove an account from the configuration.
    #[command(after_long_help = "JSON: path, reloaded.")]
    Remove(AccountRemoveArgs),
    /// Show an account's settings, and its session if the daemon runs.
    #[command(
        after_long_help = "JSON: account (name, subdomain, url, api_origin, oauth_origin, \
                                 client_id, scopes, grant, port, access, rewrite, access_token_ttl and \
                                 refresh_token_ttl in seconds, spare, read_only_grant, \
                                 extra_ca_file, token_encoding, base_urls), session (as in `status`, or null), \
                                 sources (by key: layer, path, line)."
    )]
    Show(AccountShowArgs),
}

#[derive(Args, Debug)]
pub(crate) struct AccountAddArgs {
    /// A name for the account: lower-case letters, digits and hyphens.
    pub(crate) name: String,
    /// The `acme` of `acme.zendesk.com`.
    #[arg(long, required_unless_present = "url")]
    pub(crate) subdomain: Option<String>,
    /// The API's address where it isn't the subdomain's, such as `https://support.example.com`.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// The identifier of the OAuth client in Admin Center.
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: String,
    /// The scopes to ask for, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
    /// How tokens are obtained: `authorization-code` in a browser, or `client-credentials` by the
    /// secret of a confidential OAuth client.
    #[arg(long, value_parser = [AUTHORIZATION_CODE, CLIENT_CREDENTIALS])]
    pub(crate) grant: Option<String>,
    /// A port of this account's own.
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Make it the account of requests and commands that name none.
    #[arg(long)]
    pub(crate) default: bool,
    /// Which absolute URLs stay local, separated by commas: pagination, jobs, attachments, records.
    #[arg(long, value_delimiter = ',', value_name = "CLASSES")]
    pub(crate) rewrite: Vec<String>,
    /// The access token's lifetime to ask for, such as `48h`.
    #[arg(long, value_name = "DURATION")]
    pub(crate) access_token_ttl: Option<String>,
    /// The refresh token's lifetime to ask for, such as `90d`.
    #[arg(long, value_name = "DURATION")]
    pub(crate) refresh_token_ttl: Option<String>,
    /// Further certificates to trust, in PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) extra_ca_file: Option<PathBuf>,
    /// How token requests are encoded: `json` or `form`.
    #[arg(long, value_name = "ENCODING")]
    pub(crate) token_encoding: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct AccountSetArgs {
    /// The account's name.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) setting: SettingArgs,
    /// Don't ask before `access key` refuses programs that are served now.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct AccountRemoveArgs {
    /// The account's name.
    pub(crate) name: String,
    /// Log out first, even if Zendesk can't be reached to revoke the session.
    #[arg(long)]
    pub(crate) forget: bool,
}

#[derive(Args, Debug)]
pub(crate) struct AccountShowArgs {
    /// The account's name.
    pub(crate) name: String,
}
