//! What the supervisor is told, by systemd's notification protocol (sd_notify(3)).
//!
//! The command line speaks the same protocol when it starts the daemon itself. Without
//! `NOTIFY_SOCKET` nothing is sent.

use sd_notify::NotifyState;

/// The daemon serves, or knows why not.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The daemon is about to end.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Whether systemd or launchd started this process and restarts it.
pub fn is_supervised() -> bool {
    // systemd sets the first for every service, launchd the second for every job.
    std::env::var_os("INVOCATION_ID").is_some()
        || std::env::var("XPC_SERVICE_NAME").is_ok_and(|name| name.contains("loopdesk"))
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the supervisor can't be told");
    }
}
