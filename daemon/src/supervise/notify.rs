//! What the supervisor is told, by systemd's notification protocol (sd_notify(3)).
//!
//! The command line speaks the same protocol when it starts the daemon itself. Without
//! `NOTIFY_SOCKET` nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;

/// The daemon serves, or knows why not.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The daemon reads its configuration again; [`ready`] follows.
pub fn reloading() {
    // systemd takes a message without the time for one of an older reload (sd_notify(3)).
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the supervisor isn't told of the reload"),
    }
}

/// What the daemon does just now.
pub fn status(text: &str) {
    send(&[NotifyState::Status(text)]);
}

/// The daemon is about to end.
pub fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// The daemon lives.
pub fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// How often the supervisor wants to hear that the daemon lives, if it does. Half of what it allows
/// (sd_watchdog_enabled(3)).
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
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
