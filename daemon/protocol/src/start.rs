//! How the command line starts the daemon, and what it asks of the program.
//!
//! The daemon is started with `NOTIFY_SOCKET` set to a unix datagram socket and sends `READY=1`
//! there once its control socket answers, as it does for systemd (`sd_notify(3)`); whether systemd
//! or launchd keeps it running shows elsewhere in its environment. Standard input and output are
//! closed, standard error is [`crate::Paths::log_file`], which [`LOG_FILE`] names, too. A daemon that can't start writes one line
//! `error: …` and any number of lines `Hint: …` there, and exits with the code of the problem's
//! [`crate::Kind`], or with [`ALREADY_RUNNING`].

/// The daemon's program.
pub const PROGRAM: &str = "loopdeskd";

/// The variable that names another file to start instead of [`PROGRAM`].
pub const PROGRAM_VARIABLE: &str = "LOOPDESKD";

/// The variable that names the file to which the daemon logs, in place of standard error. It keeps
/// that file small, and opens it anew on SIGHUP.
pub const LOG_FILE: &str = "LOOPDESK_LOG_FILE";

/// `loopdeskd check-config [FILE]` prints a [`crate::config::Report`] as JSON; exit code 0 if the
/// file can be used, that of [`crate::Kind::Config`] if not.
pub const CHECK_CONFIG: &str = "check-config";

/// The daemon's exit code where another one holds [`crate::Paths::lock_file`] (`EX_TEMPFAIL`):
/// no failure for somebody who only wants a daemon to run.
pub const ALREADY_RUNNING: u8 = 75;

/// The exit code of a daemon under a supervisor that has ended so that the program which has taken
/// the place of its own can be started. The supervisor must start it (`RestartForceExitStatus=`).
pub const REPLACED: u8 = 76;
