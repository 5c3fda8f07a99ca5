//! What the system is told about this process before it holds a secret.

use std::io;

use loopdesk_protocol::{Kind, Problem};
use rustix::process::{Resource, Rlimit, setrlimit};

/// Sees to it that no memory of this process ends up in a core dump, and on Linux that no other
/// process of this user can look into it by /proc or ptrace (D4). macOS protects the memory of
/// signed programs by itself; ptrace's `PT_DENY_ATTACH` would only keep debuggers away.
///
/// # Errors
/// As the system says; a daemon must not go on without.
pub fn apply() -> Result<(), Problem> {
    without_cores().map_err(|error| {
        Problem::new(
            Kind::Daemon,
            format!("core dumps, which would hold tokens, can't be turned off: {error}"),
        )
        .hint("ulimit -c 0; loopdeskd")
    })
}

fn without_cores() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    // The limit doesn't hold for a core that is piped to a program (core(5)): this does.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}
