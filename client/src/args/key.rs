//! Arguments of `loopdesk key` and `loopdesk explain`.

use clap::{Args, Subcommand};

use crate::ui::time::lifetime;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key for a script, and print it this one time.
    ///
    /// Put the key where the script had its API token. It allows what its scopes and `--allow`
    /// rules cover, except what a `--deny` rule covers, and acts as the Zendesk user who is logged
    /// in now. It never leaves this machine, and works until you revoke it, or until `--expires`.
    #[command(
        after_long_help = CREATE_MORE,
        override_usage = "loopdesk key create NAME (--scope SCOPE | --allow RULE)... [OPTIONS]"
    )]
    Create(KeyCreateArgs),
    /// List all keys: what each allows, when it was last used, and whether it works.
    #[command(
        after_long_help = "JSON: keys (each as in `key show`), keyless (the names of accounts \
            that answer without a key, too)."
    )]
    List(KeyListArgs),
    /// Show all details of a key, except the key itself.
    #[command(after_long_help = SHOW_JSON)]
    Show(KeyShowArgs),
    /// Revoke keys, with effect from the next request.
    #[command(
        after_long_help = "Exits with 2 if one of them doesn't exist; the others are revoked all \
            the same.\n\nJSON: revoked (each as in `key show`)."
    )]
    Revoke(KeyRevokeArgs),
    /// Replace a key with a new one that has the same rights, and print that.
    #[command(after_long_help = ROTATE_MORE)]
    Rotate(KeyRotateArgs),
    /// Let keys act as the Zendesk user who is logged in now.
    ///
    /// `loopdesk login --switch-user` suspends the account's keys until you confirm them.
    #[command(
        after_long_help = "JSON: keys (those that were confirmed, each as in `key show`), keyless."
    )]
    Confirm(KeyConfirmArgs),
}

#[derive(Args, Debug)]
pub(crate) struct KeyCreateArgs {
    /// A name, such as the script's: letters, digits, `-`, `_` and `.`.
    pub(crate) name: String,
    /// What the key allows: `read`, `write`, or one kind of resource, such as `tickets:read`.
    ///
    /// Repeat the option or separate several scopes with commas.
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
    /// Also allow these requests, such as 'GET /api/v2/tickets/**'; repeatable.
    ///
    /// A rule is a method (or `*` for any) and a path, in which `*` matches within one segment and
    /// `**` any number of segments.
    #[arg(long, value_name = "RULE")]
    pub(crate) allow: Vec<String>,
    /// Refuse these requests, whatever else allows them, such as '* /api/v2/users/**'; repeatable.
    ///
    /// With any such rule, routes that loopdesk doesn't know are refused too; with one that covers
    /// GET, so are searches, exports and side loads. An `--allow` rule with exactly that path lets
    /// one through.
    #[arg(long, value_name = "RULE")]
    pub(crate) deny: Vec<String>,
    /// The account [default: the default account].
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// When the key expires, such as `90d` from now [default: never].
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    pub(crate) expires: Option<u64>,
    /// A note to yourself.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Print the key and nothing else.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args, Debug)]
pub(crate) struct KeyListArgs {
    /// The account's name [default: all accounts].
    pub(crate) account: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct KeyShowArgs {
    /// The key's name, or the first characters of the key.
    pub(crate) name: String,
}

#[derive(Args, Debug)]
pub(crate) struct KeyRevokeArgs {
    /// The keys' names, or their first characters.
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct KeyRotateArgs {
    /// The key's name, or the first characters of the key.
    pub(crate) name: String,
    /// How long the old key still works, such as `1h` [default: not at all].
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    pub(crate) grace: Option<u64>,
    /// Print the key and nothing else.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args, Debug)]
pub(crate) struct KeyConfirmArgs {
    /// The account's name [default: the account of `--key`, else the default account].
    pub(crate) account: Option<String>,
    /// Confirm only this key [default: all of the account's keys].
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The request's method, such as `GET`.
    pub(crate) method: String,
    /// Its path and query as the script sends them, such as `/api/v2/tickets.json`.
    pub(crate) path: String,
    /// The key that the script sends [default: none].
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
    /// The account [default: the key's, else the default account].
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
}

const CREATE_MORE: &str = "\
Scopes: `read` and `write` cover everything. For one kind of resource, add `:read` or `:write`: \
account_settings, apps, automations, brands, custom_objects, deletion_schedules, dynamic_content, \
groups, hc, macros, organizations, requests, satisfaction_ratings, sla_policies, targets, themes, \
ticket_attachments, ticket_views, tickets, triggers, users, webhooks, zis. Only `:read`: \
auditlogs, security. Only `:write`: any_channel, web_widget. A write scope includes deleting, but \
not reading. To act on behalf of end users, a key also needs `impersonate`.

Only the key goes to standard output, so you can send it straight to where you keep it:
  loopdesk key create nightly --scope tickets:read | pass insert -e zendesk
  (umask 077; loopdesk key create nightly --scope tickets:read -q > .nightly)

Examples:
  loopdesk key create nightly --scope tickets:read --expires 90d
  loopdesk key create sync --scope read,users:write --deny 'DELETE /**'
  loopdesk key create exporter --allow 'GET /api/v2/search/export'

`loopdesk explain METHOD PATH --key NAME` shows what a key allows, and `loopdesk env --key NAME \
--for CLIENT` where to put it. A key doesn't limit programs that send none: `loopdesk account set \
ACCOUNT access key` makes the account require one.

JSON: key (as in `key show`), secret, keyless, base_urls, also_shown (routes that the key allows \
and that may reveal what its `deny` rules deny).";

const SHOW_JSON: &str = "\
JSON: name, id, account, person, scopes, allow, deny, state, created_at, expires_at, \
old_secret_until, note, last_used (at, process), requests. States: active, expired, suspended, \
no-account, limited, unreadable, revoked.";

const ROTATE_MORE: &str = "\
Only the new key goes to standard output. The old one is refused from the next request on, unless \
`--grace` keeps it working while you update the script.

JSON: as for `key create`.";

pub(super) const EXPLAIN_MORE: &str = "\
Examples:
  loopdesk explain GET /api/v2/tickets.json --key nightly
  loopdesk explain POST '/api/v2/tickets/update_many.json?ids=1,2' --key sync

JSON: allowed, account, needs (scopes, any one of which is enough), line, why.";
