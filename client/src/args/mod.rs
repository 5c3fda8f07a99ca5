//! The arguments of every command, and the texts of `--help`.

pub(crate) mod account;
pub(crate) mod config;
pub(crate) mod env;
pub(crate) mod exec;
pub(crate) mod groups;
pub(crate) mod key;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod shell;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use account::AccountCommand;
use config::ConfigCommand;
use env::EnvArgs;
use exec::ExecArgs;
use key::{ExplainArgs, KeyCommand};
use service::ServiceCommand;
use session::{AccountArgs, LoginArgs, LogoutArgs, UnlockArgs, WaitArgs};
use shell::{CompletionsArgs, GuideArgs, ManArgs};

/// Lets your scripts use Zendesk's API without holding a token.
///
/// loopdesk runs in the background, logs in to Zendesk as you, and signs every request that your
/// scripts send to http://localhost:8484. They change their base URL and nothing else.
#[derive(Debug, Parser)]
#[command(
    name = "loopdesk",
    version,
    styles = STYLES,
    help_template = help_template(),
    after_help = "New here? Start with `loopdesk account add --help`.",
    after_long_help = about_all()
)]
pub(crate) struct Cli {
    /// Print JSON instead of text: one object per line, errors on standard error.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in to Zendesk in your browser.
    ///
    /// Starts the daemon if it isn't running.
    #[command(after_long_help = LOGIN_JSON)]
    Login(LoginArgs),
    /// Print what a script needs to reach loopdesk.
    ///
    /// The output is shell code: `eval "$(loopdesk env)"`.
    #[command(
        after_long_help = "JSON: account, base_url, base_urls, variables, placeholder (for a \
            local key, if one is needed), notes, example."
    )]
    Env(EnvArgs),
    /// Run a command that has Zendesk's address in its code.
    ///
    /// The command needs no change and no credential: `loopdesk exec python report.py`.
    #[command(visible_alias = "run", after_long_help = exec::EXEC_MORE)]
    Exec(ExecArgs),
    /// Print a page of the user's guide, or the list of its topics.
    #[command(
        after_long_help = "JSON: topics (topic, summary); or with a topic: topic, text (the page in \
            Markdown)."
    )]
    Guide(GuideArgs),
    /// List, add, change and remove accounts.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Fetch new tokens now.
    #[command(after_long_help = "JSON: account, generation, access_expires_at.")]
    Refresh(AccountArgs),
    /// Log out: revoke the tokens and delete them from this machine.
    #[command(after_long_help = "JSON: account, person, revoked.")]
    Logout(LogoutArgs),
    /// Create, list, rotate and revoke local keys, which scripts use as API tokens.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Explain whether a request would be allowed, and why.
    ///
    /// Exits with 1 if it would be refused. Nothing is sent to Zendesk.
    #[command(after_long_help = key::EXPLAIN_MORE)]
    Explain(ExplainArgs),
    /// Keep the daemon running with systemd or launchd.
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Check, show and change the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Unlock the vault that holds the data key.
    ///
    /// The system's keyring shows its own prompt. No other command makes it do so.
    #[command(after_long_help = "JSON: vault (kind, state, problem).")]
    Unlock(UnlockArgs),
    /// Wait until an account serves requests.
    ///
    /// Exits at once with 4 if a login is needed, and with 8 when the time is up.
    #[command(after_long_help = "JSON: the account as in `status`.")]
    Wait(WaitArgs),
    /// Show the daemon, every account, and what needs your attention.
    ///
    /// Exits with 1 if anything needs attention.
    #[command(after_long_help = STATUS_JSON)]
    Status(AccountArgs),
    /// Show the versions of this command and of the running daemon.
    #[command(
        after_long_help = "JSON: version, protocol, daemon (version, protocol, pid) or null."
    )]
    Version,
    /// Print a completion script for bash, zsh or fish.
    #[command(after_long_help = COMPLETIONS_MORE)]
    Completions(CompletionsArgs),
    /// Print the manual page, or write all manual pages to a folder.
    #[command(after_long_help = "JSON: page (the text), or with a folder: paths.")]
    Man(ManArgs),
}

/// The commands alone make it, since the whole command line is what it is for.
fn help_template() -> String {
    let commands = clap::Command::new("loopdesk").styles(STYLES);
    groups::help_template(Command::augment_subcommands(commands))
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// What applies to every command.
fn about_all() -> String {
    format!("Exit codes:\n{EXIT_CODES}\n\n{NOTES}")
}

/// The exit codes of [`loopdesk_protocol::Kind`].
pub(crate) const EXIT_CODES: &str = "   0  success
   1  `status` shows something that needs attention, or `explain` a refusal
   2  wrong usage, or a name that doesn't exist
   3  the configuration has errors
   4  a login is needed, or was denied
   5  Zendesk, or the network on the way to it, failed
   6  the daemon can't be started or reached, or is of another version
   7  the vault or the stored sessions can't be used
   8  timed out
  70  a bug in loopdesk";

/// Further notes on every command.
pub(crate) const NOTES: &str = "\
Every error says what happened and, after `Hint:`, which command fixes it. With --json it is one \
line on standard error: {\"error\":{\"kind\",\"message\",\"hints\",\"exit_code\"}}. The folder \
client/schemas of loopdesk's source has a JSON Schema for the output of each command.

Files: $XDG_CONFIG_HOME/loopdesk/config.toml, $XDG_STATE_HOME/loopdesk, $XDG_RUNTIME_DIR/loopdesk. \
The daemon's program is the one beside this command, else the first in $PATH; $LOOPDESKD names \
another.";

const LOGIN_JSON: &str = "\
JSON: one object per event, told apart by `event`.

authorize: account, url, redirect_uri, entrance (the address to start a browser with on this \
machine), listens, waits_until.
refused: kind, message, hints. A pasted address was wrong; the login goes on.
done: account, person, scopes, missing_scopes, access_expires_at, refresh_expires_at, base_urls, \
warning, new_person. The last event.
failed: kind, message, hints. The last event.";

const STATUS_JSON: &str = "\
JSON: daemon (version, pid, started_at, supervised), config (path, system_path, loaded_at, \
problem), vault (kind, state, problem), listeners (address, account, problem), hooks (problem), \
keys (problem), accounts (name, default, origin, client_id, grant, base_urls, access, \
key_over_tcp, keys, suspended_keys, state, person, scopes, generation, refreshed_at, \
access_expires_at, next_refresh_at, refresh_expires_at, last_error, problem). A problem is kind, \
message, hints.

States of an account: signed-out, active, rotating, doubtful, unsaved, unreachable, blocked, \
ended, key-missing. Of the vault: available, untested, locked, absent, slow, no-entry, \
needs-passphrase, failed.";

const COMPLETIONS_MORE: &str = "\
bash: loopdesk completions bash > ~/.local/share/bash-completion/completions/loopdesk
zsh: write it to a file named `_loopdesk` in a folder of `$fpath`
fish: loopdesk completions fish > ~/.config/fish/completions/loopdesk.fish

JSON: shell, script.";

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
