//! What can be typed after `loopdesk key` and `loopdesk explain`.

use clap::{Args, Subcommand};

use crate::ui::time::lifetime;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key for one script, and show it this once.
    ///
    /// The key goes where the script had its API token. It allows what its scopes and `--allow`
    /// rules cover, less what a `--deny` rule covers, and acts for the Zendesk user who is logged
    /// in now. It never leaves this machine, and works until it is revoked unless `--expires`
    /// says otherwise.
    #[command(
        after_long_help = CREATE_MORE,
        override_usage = "loopdesk key create NAME (--scope SCOPE | --allow RULE)... [OPTIONS]"
    )]
    Create(KeyCreateArgs),
    /// List the keys: what each allows, when it was used last, and whether it works.
    #[command(
        after_long_help = "JSON: keys (each as in `key show`), keyless (the names of accounts \
                           that answer without a key, too)."
    )]
    List(KeyListArgs),
    /// Show everything about a key but the key itself.
    #[command(after_long_help = SHOW_JSON)]
    Show(KeyShowArgs),
    /// Revoke keys: from the next request on, they are refused.
    #[command(
        after_long_help = "Exit code 2 if one of them doesn't exist; the others are revoked \
                           then all the same.\n\nJSON: revoked (each as in `key show`)."
    )]
    Revoke(KeyRevokeArgs),
    /// Replace a key by a new one with the same rights, and show that this once.
    #[command(after_long_help = ROTATE_MORE)]
    Rotate(KeyRotateArgs),
    /// Let keys that were made for another Zendesk user act for the one who is logged in now.
    ///
    /// `loopdesk login --switch-user` suspends an account's keys until then.
    #[command(
        after_long_help = "JSON: keys (those that were confirmed, each as in `key show`), keyless."
    )]
    Confirm(KeyConfirmArgs),
}

#[derive(Args, Debug)]
pub(crate) struct KeyCreateArgs {
    /// What to call it, best after the script: letters, digits, `-`, `_` and `.`.
    pub(crate) name: String,
    /// What it allows: `read`, `write`, or one resource's, such as `tickets:read`.
    ///
    /// Can be given several times, or several separated by commas.
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
    /// Allow this too, such as 'GET /api/v2/tickets/**'; can be given several times.
    ///
    /// A rule is a method, or `*` for any, and a path, in which `*` stands for one segment or a
    /// part of one, and `**` for any number of segments.
    #[arg(long, value_name = "RULE")]
    pub(crate) allow: Vec<String>,
    /// Refuse this, whatever else allows it, such as '* /api/v2/users/**'; can be given several
    /// times.
    ///
    /// With a rule that denies, routes that loopdesk doesn't know are refused too, and with one about
    /// GET also searches, exports and side loads, unless `--allow` names that very path.
    #[arg(long, value_name = "RULE")]
    pub(crate) deny: Vec<String>,
    /// The account; the default account if left out.
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// After how long it expires, such as `90d`; never if left out.
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    pub(crate) expires: Option<u64>,
    /// What you want to remember of it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Print the key and nothing else.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args, Debug)]
pub(crate) struct KeyListArgs {
    /// The account's name; all accounts if left out.
    pub(crate) account: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct KeyShowArgs {
    /// The key's name, or the beginning of the key as a script has it.
    pub(crate) name: String,
}

#[derive(Args, Debug)]
pub(crate) struct KeyRevokeArgs {
    /// The keys' names, or the beginnings of keys as scripts have them.
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct KeyRotateArgs {
    /// The key's name, or the beginning of the key as a script has it.
    pub(crate) name: String,
    /// How long the old key works besides, such as `1h`; not at all if left out.
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    pub(crate) grace: Option<u64>,
    /// Print the key and nothing else.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args, Debug)]
pub(crate) struct KeyConfirmArgs {
    /// The account's name; the default account, or that of `--key`, if left out.
    pub(crate) account: Option<String>,
    /// Only this key; every key of the account if left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The request's method, such as `GET`.
    pub(crate) method: String,
    /// Its path, and query if it has one, as the script sends it: `/api/v2/tickets.json`.
    pub(crate) path: String,
    /// The name of the key that the script sends; no key if left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
    /// The account; the default account, or the key's, if left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
}

const CREATE_MORE: &str = "\
Scopes: `read` and `write` are for everything. With `:read` or `:write` behind it, one of these is
for its own things: account_settings, apps, automations, brands, custom_objects,
deletion_schedules, dynamic_content, groups, hc, macros, organizations, requests,
satisfaction_ratings, sla_policies, targets, themes, ticket_attachments, ticket_views, tickets,
triggers, users, webhooks, zis; auditlogs, security can only be read, any_channel and web_widget only
be written. A scope that writes also deletes, and doesn't read. `impersonate` is needed besides to act for end users.

The key is the only thing on standard output, so it can go straight to where it is kept:
  loopdesk key create nightly-report --scope tickets:read | pass insert -ef zendesk/nightly
  (umask 077; loopdesk key create nightly-report --scope tickets:read -q > ~/.nightly.key)

Examples:
  loopdesk key create nightly-report --scope tickets:read --expires 90d
  loopdesk key create sync --scope read,users:write --deny 'DELETE /api/v2/**' --account acme
  loopdesk key create exporter --allow 'GET /api/v2/search/export'

`loopdesk explain METHOD PATH --key NAME` tells what a key allows, and `loopdesk env --key NAME
--for CLIENT` where it goes. A key limits nobody who sends none: `loopdesk account set ACCOUNT
access key` has the account answer only with a key.

JSON: key (as in `key show`), secret, keyless, base_urls, also_shown (routes that it allows and that
may show what its `deny` rules deny).";

const SHOW_JSON: &str = "\
JSON: name, id, account, person, scopes, allow, deny, state, created_at, expires_at,
old_secret_until, note, last_used (at, process), requests. States: active, expired, suspended,
no-account, limited, unreadable, revoked.";

const ROTATE_MORE: &str = "\
The new key is the only thing on standard output. Requests with the old one are refused from the
next one on, unless `--grace` lets it work while its script is changed.

JSON: as of `key create`.";

pub(super) const EXPLAIN_MORE: &str = "\
Examples:
  loopdesk explain GET /api/v2/tickets.json --key nightly-report
  loopdesk explain POST '/api/v2/tickets/update_many.json?ids=1,2' --key nightly-report

JSON: allowed, account, needs (scopes of which one is enough), line, why.";
