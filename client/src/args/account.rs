//! Arguments of `loopdesk account`.

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
    /// A Zendesk admin first creates an OAuth client in Admin Center, under Apps and integrations,
    /// APIs, OAuth clients: of kind Public (Confidential for the grant `client-credentials`), with
    /// the redirect URLs that `loopdesk config show` lists. Its identifier is the `--client-id`.
    #[command(
        after_long_help = "JSON: path, reloaded, account (as in `account show`).",
        override_usage = "loopdesk account add NAME (--subdomain SUBDOMAIN | --url URL) --client-id ID [OPTIONS]"
    )]
    Add(Box<AccountAddArgs>),
    /// Change one setting of an account.
    ///
    /// `access key` makes the account refuse programs that send no local key. You see which
    /// programs lately sent none, and confirm. `access user` undoes it.
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
            refresh_token_ttl in seconds, read_only_grant, extra_ca_file, token_encoding, \
            base_urls), session (as in `status`, or null), sources (by key: layer, path, line)."
    )]
    Show(AccountShowArgs),
}

#[derive(Args, Debug)]
pub(crate) struct AccountAddArgs {
    /// A name of your choice: lower-case letters, digits and hyphens.
    pub(crate) name: String,
    /// Your Zendesk subdomain: the `acme` in `acme.zendesk.com`.
    #[arg(long, required_unless_present = "url")]
    pub(crate) subdomain: Option<String>,
    /// The address of the API if it isn't `https://SUBDOMAIN.zendesk.com`.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// The OAuth client's identifier in Admin Center.
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: String,
    /// The OAuth scopes to request, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
    /// How to log in: `authorization-code` in a browser, or `client-credentials` with the secret of
    /// a confidential OAuth client.
    #[arg(long, value_parser = [AUTHORIZATION_CODE, CLIENT_CREDENTIALS])]
    pub(crate) grant: Option<String>,
    /// A port for this account alone.
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Make it the default account.
    #[arg(long)]
    pub(crate) default: bool,
    /// Which URLs in Zendesk's answers to rewrite, separated by commas: pagination, jobs,
    /// attachments, records.
    #[arg(long, value_delimiter = ',', value_name = "CLASSES")]
    pub(crate) rewrite: Vec<String>,
    /// The lifetime to request for access tokens, such as `48h`.
    #[arg(long, value_name = "DURATION")]
    pub(crate) access_token_ttl: Option<String>,
    /// The lifetime to request for refresh tokens, such as `90d`.
    #[arg(long, value_name = "DURATION")]
    pub(crate) refresh_token_ttl: Option<String>,
    /// A PEM file with additional certificate authorities to trust.
    #[arg(long, value_name = "FILE")]
    pub(crate) extra_ca_file: Option<PathBuf>,
    /// How to encode token requests: `json` or `form`.
    #[arg(long, value_name = "ENCODING")]
    pub(crate) token_encoding: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct AccountSetArgs {
    /// The account's name.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) setting: SettingArgs,
    /// Don't ask before `access key` locks out programs that send no key.
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
