//! How much memory a process has.

use crate::daemon::Daemon;

/// The resident memory of a daemon, in KiB.
///
/// # Panics
/// If the system can't tell.
pub fn resident(daemon: &Daemon) -> u64 {
    of(daemon, "VmRSS:")
}

/// The peak resident memory of a daemon, in KiB.
///
/// # Panics
/// If the system can't tell.
pub fn peak(daemon: &Daemon) -> u64 {
    of(daemon, "VmHWM:")
}

fn of(daemon: &Daemon, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid()));
    let status = status.expect("the daemon's memory can be read");
    let value = status.lines().find_map(|line| line.strip_prefix(field));
    let number = value.and_then(|value| value.split_whitespace().next());
    let number = number.and_then(|number| number.parse().ok());
    number.expect("a number of KiB")
}
