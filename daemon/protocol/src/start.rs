//! How the command line starts the daemon and runs its program.
//!
//! The daemon is started with `NOTIFY_SOCKET` set to a unix datagram socket and sends `READY=1`
//! there once its control socket answers, as it does for systemd (`sd_notify(3)`); whether systemd
//! or launchd keeps it running shows elsewhere in its environment. Standard input and output are
//! closed, standard error is [`crate::Paths::log_file`], which [`LOG_FILE`] names, too. A daemon
//! that can't start writes one line `error: …` and any number of lines `Hint: …` there, and exits
//! with the code of the problem's [`crate::Kind`], or with [`ALREADY_RUNNING`].

/// The daemon's program.
pub const PROGRAM: &str = "loopdeskd";

/// The variable that names another file to start instead of [`PROGRAM`].
pub const PROGRAM_VARIABLE: &str = "LOOPDESKD";

/// The variable that names the daemon's log file, instead of standard error. The daemon keeps the
/// file small, and reopens it on SIGHUP.
pub const LOG_FILE: &str = "LOOPDESK_LOG_FILE";

/// `loopdeskd check-config [FILE]` prints a [`crate::config::Report`] as JSON; exit code 0 if the
/// file can be used, that of [`crate::Kind::Config`] if not.
pub const CHECK_CONFIG: &str = "check-config";

/// The daemon's exit code if another one holds [`crate::Paths::lock_file`] (`EX_TEMPFAIL`), which
/// isn't a failure for a caller that only needs a running daemon.
pub const ALREADY_RUNNING: u8 = 75;

/// The exit code of a supervised daemon that ended because its program was replaced. The supervisor
/// must start the new one (`RestartForceExitStatus=`).
pub const REPLACED: u8 = 76;
