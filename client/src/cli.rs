//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::account::args::Account;
use crate::commands::key::args::Key;
use crate::commands::service::Service;

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
    Login(Login),
    /// Open the vault of the data key: the keyring shows its own prompt, here and nowhere else.
    #[command(after_long_help = "JSON: vault (kind, state, problem).")]
    Unlock(Unlock),
    /// Revoke the session's tokens and remove them from this machine.
    #[command(after_long_help = "JSON: account, person, revoked.")]
    Logout(Logout),
    /// Show the daemon, every account and what needs attention (exit code 1 if anything does).
    #[command(after_long_help = STATUS_JSON)]
    Status(OneAccount),
    /// Fetch a new token pair now.
    #[command(after_long_help = "JSON: account, generation, access_expires_at.")]
    Refresh(OneAccount),
    /// Wait until an account serves requests.
    ///
    /// Ends at once with exit code 4 if somebody has to log in first, and with exit code 8 when
    /// the time is over.
    #[command(after_long_help = "JSON: the account as in `status`.")]
    Wait(Wait),
    /// Print the base URL as shell code: `eval "$(loopdesk env)"`.
    #[command(
        after_long_help = "JSON: account, base_url, base_urls, variables, placeholder (for a local key, if one is needed), \
                           notes, example."
    )]
    Env(Env),
    /// Say whether a request would be passed on, and which line decides (exit code 1 if not).
    ///
    /// Nothing is sent to Zendesk.
    #[command(after_long_help = EXPLAIN_MORE)]
    Explain(Explain),
    /// Make, list, replace and revoke local keys: scoped API tokens that don't expire.
    #[command(subcommand)]
    Key(Key),
    /// List, add, change and remove accounts.
    #[command(subcommand)]
    Account(Account),
    /// Check, show and change the configuration.
    #[command(subcommand)]
    Config(Config),
    /// Have systemd or launchd keep the daemon running.
    #[command(subcommand)]
    Service(Service),
    /// Print a script that completes commands and options: bash, zsh or fish.
    ///
    /// bash: `loopdesk completions bash > ~/.local/share/bash-completion/completions/loopdesk`.
    /// zsh: into a file `_loopdesk` in a folder of `$fpath`. fish:
    /// `loopdesk completions fish > ~/.config/fish/completions/loopdesk.fish`.
    #[command(after_long_help = "JSON: shell, script.")]
    Completions(Completions),
    /// Print the manual page, or write the page of every command into a folder.
    #[command(after_long_help = "JSON: page, the text; or with a folder: paths.")]
    Man(Man),
    /// Show the versions of this command and of the daemon that runs.
    #[command(
        after_long_help = "JSON: version, protocol, daemon (version, protocol, pid) or null."
    )]
    Version,
}

/// A command on one account.
#[derive(Args, Debug)]
pub(crate) struct OneAccount {
    /// The account's name; the default account, or for `status` all, if left out.
    pub(crate) account: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Login {
    /// The account's name; the default account if left out.
    pub(crate) account: Option<String>,
    /// Open no browser; print the address to open, and take the one that the browser ends at.
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Accept another Zendesk user than the one who was logged in before.
    #[arg(long)]
    pub(crate) switch_user: bool,
    /// Read the secret of a confidential OAuth client from standard input, one line.
    ///
    /// For accounts with `grant = "client-credentials"`: at the first login, and whenever the
    /// secret has changed. A terminal shows nothing of what is typed.
    #[arg(long)]
    pub(crate) client_secret_stdin: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Unlock {
    /// Read the passphrase of `vault = "passphrase"` from standard input, one line.
    #[arg(long)]
    pub(crate) passphrase_stdin: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Logout {
    /// The account's name; the default account if left out.
    pub(crate) account: Option<String>,
    /// Remove the session from this machine even if Zendesk can't be reached to revoke it.
    #[arg(long)]
    pub(crate) forget: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Wait {
    /// The account's name; the default account if left out.
    pub(crate) account: Option<String>,
    /// How long to wait at most, such as `30s` or `5m`.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::ui::time::timeout)]
    pub(crate) timeout: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct Env {
    /// The account's name; the default account, or that of `--key`, if left out.
    pub(crate) account: Option<String>,
    /// Print what this program or library needs.
    #[arg(long = "for", value_name = "CLIENT", value_enum)]
    pub(crate) client: Option<EnvClient>,
    /// Show where this local key goes, in its account.
    ///
    /// The key itself was shown when it was made; what it begins with stands for it. An account
    /// with `access = "key"` is shown with the place for a key in any case.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
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

#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell that reads the script.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// The shells that completions are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

#[derive(Args, Debug)]
pub(crate) struct Man {
    /// Where to write `loopdesk.1` and a page for each command; made if it doesn't exist.
    pub(crate) dir: Option<PathBuf>,
}

/// The programs and libraries that `env` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EnvClient {
    /// curl in a shell script.
    Curl,
    /// GNU Wget in a shell script.
    Wget,
    /// Python's own urllib.
    #[value(alias = "urllib")]
    Python,
    /// requests (Python).
    Requests,
    /// httpx (Python).
    Httpx,
    /// aiohttp (Python).
    Aiohttp,
    /// Node's own fetch.
    #[value(alias = "fetch")]
    Node,
    /// axios (Node).
    Axios,
    /// Perl's LWP.
    #[value(alias = "lwp")]
    Perl,
    /// Ruby's own net/http.
    #[value(alias = "net-http")]
    Ruby,
    /// PHP with its curl.
    Php,
    /// Go's own net/http.
    Go,
    /// Java's own HttpURLConnection.
    Java,
    /// R with httr2.
    R,
    /// A Jupyter notebook in Python.
    Jupyter,
    /// Postman's desktop app.
    Postman,
    /// Zenpy (Python).
    Zenpy,
    /// zdesk (Python).
    Zdesk,
    /// libzapi (Python).
    Libzapi,
    /// dlt's REST client (Python).
    Dlt,
    /// python-zendesk (Python).
    PythonZendesk,
    /// tap-zendesk (Singer).
    TapZendesk,
    /// node-zendesk.
    NodeZendesk,
    /// zendesk_api (Ruby).
    #[value(name = "zendesk_api")]
    ZendeskApi,
}

/// A setting's new value.
#[derive(Args, Debug)]
pub(crate) struct Setting {
    /// The setting's name in the file, such as `port`.
    pub(crate) key: String,
    /// Its new value; lists are separated by commas.
    #[arg(
        required_unless_present = "unset",
        conflicts_with = "unset",
        allow_hyphen_values = true
    )]
    pub(crate) value: Option<String>,
    /// Remove the setting, so that its default counts.
    #[arg(long)]
    pub(crate) unset: bool,
}

/// A setting's new value, and whether to ask before it refuses programs.
#[derive(Args, Debug)]
pub(crate) struct ConfigSet {
    #[command(flatten)]
    pub(crate) setting: Setting,
    /// Don't ask before `allow-hosts` refuses programs that are served now.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Check the configuration, whether a daemon runs or not (exit code 3 if it has errors).
    #[command(
        after_long_help = "JSON: path, exists, files (layer, path, exists), errors (path, line, \
                                 column, message, snippet), config (as in `config show`; absent with \
                                 errors)."
    )]
    Check(ConfigCheck),
    /// Print the configuration's path, and below it that of the machine's if there is one.
    #[command(after_long_help = "JSON: path, exists, files (layer, path, exists).")]
    Path,
    /// Show the configuration with every default filled in, and where each value comes from.
    #[command(
        after_long_help = "JSON: listen, default_account, vault, allow_hosts, max_key_scope, \
                           max_key_age (in seconds), open_routes, redirect_uris, hooks \
                           (session_event), accounts (as in `account show`), sources (by key: \
                           layer, path, line; a key that isn't there has its default), locked (by \
                           key: layer, path, line)."
    )]
    Show,
    /// Change one setting, keeping every comment.
    #[command(after_long_help = "JSON: path, reloaded.")]
    Set(ConfigSet),
    /// Edit the configuration in $VISUAL or $EDITOR; it counts once it has no errors.
    ///
    /// The editor gets a draft beside the file. A draft with errors is shown with them and can be
    /// edited again; without a terminal it is kept, and its path is said.
    #[command(after_long_help = "JSON: path, reloaded, changed.")]
    Edit,
    /// Make the daemon that runs read the configuration again.
    #[command(after_long_help = "JSON: path, reloaded.")]
    Reload,
}

#[derive(Args, Debug)]
pub(crate) struct ConfigCheck {
    /// A file to check in place of your own; the machine's is judged for itself.
    pub(crate) file: Option<PathBuf>,
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

const EXPLAIN_MORE: &str = "\
Examples:
  loopdesk explain GET /api/v2/tickets.json --key nightly-report
  loopdesk explain POST '/api/v2/tickets/update_many.json?ids=1,2' --key nightly-report

JSON: allowed, account, needs (scopes of which one is enough), line, why.";

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
