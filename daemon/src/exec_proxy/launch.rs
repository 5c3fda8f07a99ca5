//! The first process of the helper: makes the certificates, starts the helper, and ends.
//!
//! `loopdesk exec` waits for its end before it becomes the command. By then the system has taken this
//! process's memory back, and the authority's key with it. The helper is nobody's child any more, so a
//! command that waits for its children never meets it.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use loopdesk_protocol::exec::{Assignment, HELPER};
use loopdesk_protocol::{Kind, Problem};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::authority::Identity;
use super::failed;
use crate::clock::Clock;
use crate::config::Origin;
use crate::supervise::hardening;

/// What the helper gets.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Equipment {
    pub(super) assignment: Assignment,
    pub(super) identity: Identity,
}

/// Reads the assignment and starts the helper.
///
/// # Errors
/// Why the helper didn't start.
pub(super) fn run() -> Result<(), Problem> {
    hardening::apply()?;
    let assignment: Assignment = read()?;
    let origins = origins(&assignment)?;
    let identity = Identity::make(&origins, Clock::system().now())?;
    let equipment = Equipment {
        assignment,
        identity,
    };
    let text = serde_json::to_vec(&equipment);
    let text = Zeroizing::new(text.map_err(|error| failed("the helper can't be told", &error))?);
    // As it was called: the program may have been replaced, and its name may matter.
    let program = std::env::args_os().next().unwrap_or_default();
    let mut helper = Command::new(program)
        .args([HELPER, SERVE])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| failed("the helper can't be started", &error))?;
    let mut input = helper.stdin.take();
    let written = input
        .as_mut()
        .map_or(Ok(()), |input| input.write_all(&text));
    written.map_err(|error| failed("the helper has ended", &error))
}

/// Reads what this process was given.
pub(super) fn read<T: for<'de> Deserialize<'de>>() -> Result<T, Problem> {
    let mut text = Zeroizing::new(Vec::new());
    let read = std::io::stdin().take(INPUT_MAX).read_to_end(&mut text);
    read.map_err(|error| failed("its input can't be read", &error))?;
    // The parser's message quotes what it can't read.
    serde_json::from_slice(&text).map_err(|_| {
        Problem::new(
            Kind::Daemon,
            format!("`loopdeskd {HELPER}` is for `loopdesk exec`"),
        )
        .hint("run `loopdesk exec -- COMMAND`")
        .hint("if that fails, install `loopdesk` and `loopdeskd` of the same version")
    })
}

/// The account's origins.
pub(super) fn origins(assignment: &Assignment) -> Result<Vec<Origin>, Problem> {
    let origins = assignment.plan.origins.iter().map(|origin| origin.parse());
    let origins: Result<Vec<_>, String> = origins.collect();
    origins.map_err(|why| Problem::new(Kind::Daemon, why))
}

/// What makes a process the helper itself.
const SERVE: &str = "--serve";

/// An assignment is a few names, and an identity a few kilobytes.
const INPUT_MAX: u64 = 1 << 20;
