//! What can be typed about sessions.

use std::time::Duration;

use clap::Args;

/// A command on one account.
#[derive(Args, Debug)]
pub(crate) struct AccountArgs {
    /// The account's name; the default account, or for `status` all, if left out.
    pub(crate) account: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct LoginArgs {
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
pub(crate) struct UnlockArgs {
    /// Read the passphrase of `vault = "passphrase"` from standard input, one line.
    #[arg(long)]
    pub(crate) passphrase_stdin: bool,
}

#[derive(Args, Debug)]
pub(crate) struct LogoutArgs {
    /// The account's name; the default account if left out.
    pub(crate) account: Option<String>,
    /// Remove the session from this machine even if Zendesk can't be reached to revoke it.
    #[arg(long)]
    pub(crate) forget: bool,
}

#[derive(Args, Debug)]
pub(crate) struct WaitArgs {
    /// The account's name; the default account if left out.
    pub(crate) account: Option<String>,
    /// How long to wait at most, such as `30s` or `5m`.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::ui::time::timeout)]
    pub(crate) timeout: Duration,
}
