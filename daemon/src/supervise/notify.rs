//! What the supervisor is told, by systemd's notification protocol (sd_notify(3)).
//!
//! The command line speaks the same protocol when it starts the daemon itself. Without
//! `NOTIFY_SOCKET` nothing is sent.

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// The daemon serves, or knows why not.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The daemon reads its configuration again; [`ready`] follows.
pub fn reloading() {
    // `Type=notify-reload` takes a message without the time for one of an older reload.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the supervisor isn't told of the reload"),
    }
}

/// The daemon is about to end.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Tells a supervisor that wants to hear it, by its `WatchdogSec=`, that the daemon lives, until
/// `stop`.
pub async fn keep_alive(stop: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    // Half of what is allowed, as sd_watchdog_enabled(3) recommends.
    let mut ticks = tokio::time::interval(limit / 2);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        send(&[NotifyState::Watchdog]);
    }
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
