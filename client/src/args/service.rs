//! What can be typed after `loopdesk service`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Install the daemon as a service of yours that systemd or launchd keeps running.
    ///
    /// The ports are those of the configuration. Run it again after a change of `listen` or of an
    /// account's `port`, and to take over other proxies or certificates: HTTPS_PROXY, HTTP_PROXY,
    /// ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR are handed to the service as they are
    /// set here.
    #[command(
        after_long_help = "JSON: manager, changed, files, listen, environment, left_out, \
                                 moved_ports (account, from, to), stopped_daemon, linger, daemon \
                                 (version, pid)."
    )]
    Install(InstallArgs),
    /// Stop the service and remove everything that belongs to it.
    ///
    /// The accounts stay logged in, and the configuration stays; see `--purge`.
    #[command(after_long_help = "JSON: manager, removed, logged_out (account, person, revoked).")]
    Uninstall(UninstallArgs),
    /// Start the service.
    #[command(after_long_help = "JSON: manager, state, daemon (version, pid).")]
    Start,
    /// Stop the service until the next login to this machine, or `loopdesk service start`.
    #[command(after_long_help = "JSON: manager, state, daemon.")]
    Stop,
    /// Restart the daemon; scripts wait meanwhile.
    #[command(after_long_help = "JSON: manager, state, daemon (version, pid).")]
    Restart,
    /// Show what systemd or launchd says of the service (exit code 1 if it isn't well).
    #[command(
        after_long_help = "JSON: manager, state, installed_for, starts_at_login, linger, files, \
                                 daemon (version, pid), problems. States: not-installed, stopped, \
                                 waiting (for the first request), starting, running, failed."
    )]
    Status,
}

#[derive(Args, Debug)]
pub(crate) struct InstallArgs {
    /// Take the next free port where somebody else holds one, without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Keep the service running after you log out of this machine (`loginctl enable-linger`).
    #[arg(long)]
    pub(crate) linger: bool,
    /// The file that `vault = "credential"` is opened by: any text of 32 bytes or more.
    ///
    /// systemd hands it to the service as the credential `loopdesk-key`. It is kept when the service
    /// is installed again.
    #[arg(long, value_name = "FILE")]
    pub(crate) credential: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct UninstallArgs {
    /// Log every account out and remove its records, the keys and the logs, too.
    #[arg(long)]
    pub(crate) purge: bool,
    /// With `--purge`: don't ask.
    #[arg(long, requires = "purge")]
    pub(crate) yes: bool,
    /// With `--purge`: go on where Zendesk can't be reached to revoke a session.
    #[arg(long, requires = "purge")]
    pub(crate) forget: bool,
}
