//! Protects this process before it holds a secret.

use std::io;

use loopdesk_protocol::{Kind, Problem};
use rustix::process::{Resource, Rlimit, setrlimit};

/// Keeps this process's memory out of core dumps, and on Linux keeps other processes of this user
/// from reading it by /proc or ptrace (D4). macOS protects the memory of signed programs by itself;
/// ptrace's `PT_DENY_ATTACH` would only keep debuggers away.
///
/// # Errors
/// If core dumps can't be turned off; a daemon must not go on then.
pub fn apply() -> Result<(), Problem> {
    without_cores().map_err(|error| {
        Problem::new(
            Kind::Daemon,
            format!("core dumps, which would hold tokens, can't be turned off: {error}"),
        )
        .hint("run `ulimit -c 0`, then `loopdeskd`")
    })
}

fn without_cores() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    // The limit doesn't apply to a core that is piped to a program (core(5)); this flag does.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}
