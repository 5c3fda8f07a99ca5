//! Gives programs that the daemon starts the descriptor limit with which the daemon was started.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Resource, setrlimit};

use super::CALLERS;

/// Runs `command` with the caller's limit: some programs close every descriptor that they could
/// have open, or use select(2).
pub(crate) fn give_back(command: &mut Command) {
    let Some(limit) = CALLERS.get().copied() else {
        return;
    };
    let set = move || setrlimit(Resource::Nofile, limit).map_err(Into::into);
    #[expect(
        unsafe_code,
        reason = "only the child can set its limit before its program begins"
    )]
    // SAFETY: between fork and exec only async-signal-safe calls are allowed: this is one system
    // call on its own value, without memory or locks.
    unsafe {
        command.pre_exec(set);
    }
}
