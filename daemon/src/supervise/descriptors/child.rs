//! Gives a program that the daemon starts the limit of descriptors with which the daemon was started.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Resource, setrlimit};

use super::CALLERS;

/// Has `command` run with the caller's limit: some programs close all that they could have open, or
/// use select(2).
pub(crate) fn give_back(command: &mut Command) {
    let Some(limit) = CALLERS.get().copied() else {
        return;
    };
    let set = move || setrlimit(Resource::Nofile, limit).map_err(Into::into);
    #[expect(
        unsafe_code,
        reason = "only the child can set its limit before its program begins"
    )]
    // SAFETY: between fork and exec only what is async-signal-safe may be done: this is one system
    // call on a value of its own, without memory or locks.
    unsafe {
        command.pre_exec(set);
    }
}
