//! Arguments of `loopdesk service`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Install the daemon as a user service that systemd or launchd keeps running.
    ///
    /// The service listens on the ports in the configuration, and gets HTTPS_PROXY, HTTP_PROXY,
    /// ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR as they are set now. Run the command
    /// again after changing any of them, `listen`, or an account's `port`.
    #[command(
        after_long_help = "JSON: manager, changed, files, listen, environment, left_out, \
            moved_ports (account, from, to), stopped_daemon, linger, daemon (version, pid)."
    )]
    Install(InstallArgs),
    /// Stop the service and remove its files.
    ///
    /// You stay logged in, and the configuration stays; see `--purge`.
    #[command(after_long_help = "JSON: manager, removed, logged_out (account, person, revoked).")]
    Uninstall(UninstallArgs),
    /// Start the service.
    #[command(after_long_help = "JSON: manager, state, daemon (version, pid).")]
    Start,
    /// Stop the service until you log in to this machine again or run `loopdesk service start`.
    #[command(after_long_help = "JSON: manager, state, daemon.")]
    Stop,
    /// Restart the daemon; requests wait until it is back.
    #[command(after_long_help = "JSON: manager, state, daemon (version, pid).")]
    Restart,
    /// Show the state of the service.
    ///
    /// Exits with 1 if something is wrong.
    #[command(
        after_long_help = "JSON: manager, state, installed_for, starts_at_login, linger, files, \
            daemon (version, pid), problems. States: not-installed, stopped, waiting (for the \
            first request), starting, running, failed."
    )]
    Status,
}

#[derive(Args, Debug)]
pub(crate) struct InstallArgs {
    /// If a port is taken, use the next free one without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Keep the service running after you log out of this machine (`loginctl enable-linger`).
    #[arg(long)]
    pub(crate) linger: bool,
    /// The secret for `vault = "credential"`: a file with 32 bytes or more.
    ///
    /// systemd passes it to the service as the credential `loopdesk-key`. Later installs keep it.
    #[arg(long, value_name = "FILE")]
    pub(crate) credential: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct UninstallArgs {
    /// Also log out of every account, and delete sessions, keys and logs.
    #[arg(long)]
    pub(crate) purge: bool,
    /// With `--purge`: don't ask.
    #[arg(long, requires = "purge")]
    pub(crate) yes: bool,
    /// With `--purge`: go on even if Zendesk can't be reached to revoke a session.
    #[arg(long, requires = "purge")]
    pub(crate) forget: bool,
}
