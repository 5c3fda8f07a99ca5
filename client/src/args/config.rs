//! Arguments of `loopdesk config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// A setting and its new value.
#[derive(Args, Debug)]
pub(crate) struct SettingArgs {
    /// The setting's name as in the file, such as `port`.
    pub(crate) key: String,
    /// The new value; separate list items with commas.
    #[arg(
        required_unless_present = "unset",
        conflicts_with = "unset",
        allow_hyphen_values = true
    )]
    pub(crate) value: Option<String>,
    /// Remove the setting, so that its default applies.
    #[arg(long)]
    pub(crate) unset: bool,
}

/// A setting and its new value, and whether to confirm what it would refuse.
#[derive(Args, Debug)]
pub(crate) struct ConfigSetArgs {
    #[command(flatten)]
    pub(crate) setting: SettingArgs,
    /// Don't ask before `allow-hosts` locks out programs that send no key.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration.
    ///
    /// Works without a running daemon. Exits with 3 if there are errors.
    #[command(
        after_long_help = "JSON: path, exists, files (layer, path, exists), errors (path, line, \
            column, message, snippet), config (as in `config show`; absent with errors)."
    )]
    Check(ConfigCheckArgs),
    /// Print the path of the configuration.
    ///
    /// The machine-wide configuration, if there is one, is on the second line.
    #[command(after_long_help = "JSON: path, exists, files (layer, path, exists).")]
    Path,
    /// Show the whole configuration with its defaults, and where each value comes from.
    #[command(
        after_long_help = "JSON: listen, default_account, vault, allow_hosts, max_key_scope, \
            max_key_age (in seconds), exec, open_routes, redirect_uris, hooks (session_event), accounts \
            (as in `account show`), sources (by key: layer, path, line; a key that isn't there \
            has its default), locked (by key: layer, path, line)."
    )]
    Show,
    /// Change one setting; comments stay.
    #[command(after_long_help = "JSON: path, reloaded.")]
    Set(ConfigSetArgs),
    /// Edit the configuration in $VISUAL or $EDITOR, and check it before it is used.
    ///
    /// You edit a draft next to the file. If it has errors, you see them and can edit again;
    /// without a terminal the draft is kept, and its path is printed.
    #[command(after_long_help = "JSON: path, reloaded, changed.")]
    Edit,
    /// Make the running daemon read the configuration again.
    #[command(after_long_help = "JSON: path, reloaded.")]
    Reload,
}

#[derive(Args, Debug)]
pub(crate) struct ConfigCheckArgs {
    /// The file to check [default: your own and the machine-wide one].
    pub(crate) file: Option<PathBuf>,
}
