//! Notifies the supervisor by systemd's protocol (sd_notify(3)).
//!
//! The command line speaks the same protocol when it starts the daemon itself. Without
//! `NOTIFY_SOCKET` nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;

/// The daemon is serving, or knows why it can't.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The daemon is reading its configuration again; [`ready`] follows.
pub fn reloading() {
    // Without the time, systemd takes the message for one of an older reload (sd_notify(3)).
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "can't notify the supervisor of the reload"),
    }
}

/// What the daemon is doing now.
pub fn status(text: &str) {
    send(&[NotifyState::Status(text)]);
}

/// The daemon is about to stop.
pub fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// The daemon is alive.
pub fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// How often the supervisor wants a sign of life, if it wants any. Half of what it allows
/// (sd_watchdog_enabled(3)).
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// Asks the supervisor to wait this much longer for the daemon to stop, whatever its unit allows.
pub fn extend(by: Duration) {
    let micros = u32::try_from(by.as_micros()).unwrap_or(u32::MAX);
    send(&[NotifyState::ExtendTimeoutUsec(micros)]);
}

/// Whether systemd or launchd started this process and will restart it.
pub fn is_supervised() -> bool {
    let own = std::process::id();
    is_supervised_by(|name| std::env::var(name).ok(), own)
}

fn is_supervised_by(variable: impl Fn(&str) -> Option<String>, own: u32) -> bool {
    // systemd passes its invocation id to each process of a service, and every program started from
    // there inherits it: a terminal, an editor, a cron job. A process that systemd itself started
    // also gets its own process id: since version 248 always, before that only with a watchdog
    // (systemd.exec(5)).
    let is_own = |name| variable(name).is_some_and(|pid| pid == own.to_string());
    let by_systemd = variable("INVOCATION_ID").is_some()
        && ["SYSTEMD_EXEC_PID", "WATCHDOG_PID"].into_iter().any(is_own);
    // launchd names the job.
    by_systemd || variable("XPC_SERVICE_NAME").is_some_and(|name| name.contains("loopdesk"))
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "can't notify the supervisor");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o2_only_what_a_supervisor_has_started_itself_counts_as_supervised() {
        let with = |variables: &[(&str, &str)]| {
            let value = |name: &str| {
                let known = variables.iter().find(|(known, _)| *known == name);
                known.map(|(_, value)| (*value).to_owned())
            };
            is_supervised_by(value, 42)
        };
        assert!(with(&[("INVOCATION_ID", "a"), ("SYSTEMD_EXEC_PID", "42")]));
        assert!(with(&[("INVOCATION_ID", "a"), ("WATCHDOG_PID", "42")]));
        assert!(with(&[("XPC_SERVICE_NAME", "loopdesk")]));
        // A terminal window is part of a service, too.
        assert!(!with(&[("INVOCATION_ID", "a"), ("SYSTEMD_EXEC_PID", "7")]));
        assert!(!with(&[("INVOCATION_ID", "a")]));
        assert!(!with(&[("SYSTEMD_EXEC_PID", "42")]));
        assert!(!with(&[("XPC_SERVICE_NAME", "com.apple.Terminal")]));
        assert!(!with(&[]));
    }
}
