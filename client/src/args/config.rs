//! What can be typed after `loopdesk config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// A setting's new value.
#[derive(Args, Debug)]
pub(crate) struct SettingArgs {
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
pub(crate) struct ConfigSetArgs {
    #[command(flatten)]
    pub(crate) setting: SettingArgs,
    /// Don't ask before `allow-hosts` refuses programs that are served now.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration, whether a daemon runs or not (exit code 3 if it has errors).
    #[command(
        after_long_help = "JSON: path, exists, files (layer, path, exists), errors (path, line, \
                                 column, message, snippet), config (as in `config show`; absent with \
                                 errors)."
    )]
    Check(ConfigCheckArgs),
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
    Set(ConfigSetArgs),
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
pub(crate) struct ConfigCheckArgs {
    /// A file to check in place of your own; the machine's is judged for itself.
    pub(crate) file: Option<PathBuf>,
}
