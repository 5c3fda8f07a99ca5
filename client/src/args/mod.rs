//! What can be typed.

pub(crate) mod account;
pub(crate) mod config;
pub(crate) mod env;
pub(crate) mod key;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod shell;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use account::AccountCommand;
use config::ConfigCommand;
use env::EnvArgs;
use key::{ExplainArgs, KeyCommand};
use service::ServiceCommand;
use session::{AccountArgs, LoginArgs, LogoutArgs, UnlockArgs, WaitArgs};
use shell::{CompletionsArgs, GuideArgs, ManArgs};

/// Scripts talk to Zendesk through loopdesk, which keeps the OAuth session alive.
///
/// loopdesk runs in the background, logs in once for each account and serves scripts on
/// http://localhost:8484: they change their base URL and nothing else.
#[derive(Debug, Parser)]
#[command(name = "loopdesk", version, styles = STYLES, after_long_help = about_all())]
pub(crate) struct Cli {
    /// Print one JSON object on a line instead of text; failures too, on standard error.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in to Zendesk in the browser; starts the daemon if none runs.
    #[command(after_long_help = LOGIN_JSON)]
    Login(LoginArgs),
    /// Open the vault of the data key: the keyring shows its own prompt, here and nowhere else.
    #[command(after_long_help = "JSON: vault (kind, state, problem).")]
    Unlock(UnlockArgs),
    /// Revoke the session's tokens and remove them from this machine.
    #[command(after_long_help = "JSON: account, person, revoked.")]
    Logout(LogoutArgs),
    /// Show the daemon, every account and what needs attention (exit code 1 if anything does).
    #[command(after_long_help = STATUS_JSON)]
    Status(AccountArgs),
    /// Fetch a new token pair now.
    #[command(after_long_help = "JSON: account, generation, access_expires_at.")]
    Refresh(AccountArgs),
    /// Wait until an account serves requests.
    ///
    /// Ends at once with exit code 4 if somebody has to log in first, and with exit code 8 when
    /// the time is over.
    #[command(after_long_help = "JSON: the account as in `status`.")]
    Wait(WaitArgs),
    /// Print the base URL as shell code: `eval "$(loopdesk env)"`.
    #[command(
        after_long_help = "JSON: account, base_url, base_urls, variables, placeholder (for a local key, if one is needed), \
                           notes, example."
    )]
    Env(EnvArgs),
    /// Say whether a request would be passed on, and which line decides (exit code 1 if not).
    ///
    /// Nothing is sent to Zendesk.
    #[command(after_long_help = key::EXPLAIN_MORE)]
    Explain(ExplainArgs),
    /// Make, list, replace and revoke local keys: scoped API tokens that don't expire.
    #[command(subcommand)]
    Key(KeyCommand),
    /// List, add, change and remove accounts.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Check, show and change the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Have systemd or launchd keep the daemon running.
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Print a page of the user's guide, or the list of its topics.
    #[command(
        after_long_help = "JSON: topics (topic, summary); or with a topic: topic, text (the page in Markdown)."
    )]
    Guide(GuideArgs),
    /// Print a script that completes commands and options: bash, zsh or fish.
    ///
    /// bash: `loopdesk completions bash > ~/.local/share/bash-completion/completions/loopdesk`.
    /// zsh: into a file `_loopdesk` in a folder of `$fpath`. fish:
    /// `loopdesk completions fish > ~/.config/fish/completions/loopdesk.fish`.
    #[command(after_long_help = "JSON: shell, script.")]
    Completions(CompletionsArgs),
    /// Print the manual page, or write the pages of all commands and topics into a folder.
    #[command(after_long_help = "JSON: page, the text; or with a folder: paths.")]
    Man(ManArgs),
    /// Show the versions of this command and of the daemon that runs.
    #[command(
        after_long_help = "JSON: version, protocol, daemon (version, protocol, pid) or null."
    )]
    Version,
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// What holds for every command.
fn about_all() -> String {
    format!("Exit codes:\n{EXIT_CODES}\n\n{NOTES}")
}

/// The exit codes, which are those of the kinds of failure.
pub(crate) const EXIT_CODES: &str = "   0  success
   1  something that `status` shows needs attention, or `explain` was told of a refusal
   2  the command was called wrongly, or names what doesn't exist
   3  the configuration can't be used
   4  somebody has to log in, or to allow the login
   5  Zendesk, or the way to it, did not do what was asked
   6  the daemon can't be started or reached, or is another version
   7  the place of the data key or of the sessions can't be used
   8  nothing happened within the time allowed
  70  a bug in loopdesk";

/// What holds for every command besides.
pub(crate) const NOTES: &str = r#"Every failure says what happened and, after `Hint:`, the command that helps. With --json it is one
line on standard error: {"error":{"kind","message","hints","exit_code"}}. The folder client/schemas
of loopdesk's source has a JSON Schema for the output of each command.

Files: $XDG_CONFIG_HOME/loopdesk/config.toml, $XDG_STATE_HOME/loopdesk, $XDG_RUNTIME_DIR/loopdesk.
$LOOPDESKD names the daemon's program where it is neither beside this one nor in $PATH."#;

const LOGIN_JSON: &str = "\
JSON: one object for each event, told apart by `event`:
  authorize  account, url, redirect_uri, entrance (what to start a browser with on this machine),
             listens, waits_until
  refused    kind, message, hints: a pasted address was wrong; the login goes on
  done       account, person, scopes, missing_scopes, access_expires_at, refresh_expires_at,
             base_urls, warning, new_person; the last one
  failed     kind, message, hints; the last one";

const STATUS_JSON: &str = "\
JSON: daemon (version, pid, started_at, supervised), config (path, system_path, loaded_at, problem),
vault (kind, state, problem), listeners (address, account, problem), hooks (problem), keys (problem),
accounts (name, default, origin, client_id, grant, base_urls, access, key_over_tcp, keys,
suspended_keys, state, person, scopes, generation, refreshed_at, access_expires_at, next_refresh_at,
refresh_expires_at, last_error, problem). A problem is kind, message, hints.
States: signed-out, active, rotating, doubtful, unsaved, blocked, ended, key-missing; of the vault:
available, untested, locked, absent, slow, no-entry, needs-passphrase, failed.";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_listed_exit_codes_are_the_kinds() {
        use loopdesk_protocol::Kind;
        for kind in [
            Kind::Trouble,
            Kind::Usage,
            Kind::Config,
            Kind::Login,
            Kind::Zendesk,
            Kind::Daemon,
            Kind::Vault,
            Kind::Timeout,
            Kind::Internal,
        ] {
            let line = format!("  {:>2}  ", kind.exit_code());
            assert!(EXIT_CODES.lines().any(|l| l.starts_with(&line)), "{kind:?}");
        }
    }

    #[test]
    fn an_account_needs_a_site_and_a_setting_a_value() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        for wrong in [
            "loopdesk account add acme --client-id x",
            "loopdesk account add acme --subdomain acme",
            "loopdesk account set acme port",
            "loopdesk account set acme port 1 --unset",
            "loopdesk wait --timeout 30",
            "loopdesk",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        for right in [
            "loopdesk account add acme --client-id x --subdomain acme --scopes read,write --json",
            "loopdesk account add acme --client-id x --subdomain acme --url https://a.b",
            "loopdesk account set acme port --unset",
            "loopdesk --json wait acme --timeout 1h",
        ] {
            assert!(parse(right).is_ok(), "{right}");
        }
    }
}
