//! Arguments of the commands on sessions.

use std::time::Duration;

use clap::Args;

/// The arguments of a command on one account.
#[derive(Args, Debug)]
pub(crate) struct AccountArgs {
    /// The account's name [default: the default account; for `status`, all accounts].
    pub(crate) account: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct LoginArgs {
    /// The account's name [default: the default account].
    pub(crate) account: Option<String>,
    /// Don't open a browser: print the address to open, and ask for the address of the last page.
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Accept a different Zendesk user from the one logged in before.
    #[arg(long)]
    pub(crate) switch_user: bool,
    /// Read the secret of a confidential OAuth client from standard input, one line.
    ///
    /// For accounts with `grant = "client-credentials"`: needed at the first login, and whenever
    /// the secret has changed. On a terminal, what you type stays hidden.
    #[arg(long)]
    pub(crate) client_secret_stdin: bool,
}

#[derive(Args, Debug)]
pub(crate) struct UnlockArgs {
    /// Read the passphrase for `vault = "passphrase"` from standard input, one line.
    #[arg(long)]
    pub(crate) passphrase_stdin: bool,
}

#[derive(Args, Debug)]
pub(crate) struct LogoutArgs {
    /// The account's name [default: the default account].
    pub(crate) account: Option<String>,
    /// Delete the session from this machine even if Zendesk can't be reached to revoke it.
    #[arg(long)]
    pub(crate) forget: bool,
}

#[derive(Args, Debug)]
pub(crate) struct WaitArgs {
    /// The account's name [default: the default account].
    pub(crate) account: Option<String>,
    /// How long to wait, such as `30s` or `5m`.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::ui::time::timeout)]
    pub(crate) timeout: Duration,
}
