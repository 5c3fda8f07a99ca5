//! `loopdeskd exec-proxy`: the helper of `loopdesk exec`, a process beside one command.
//!
//! ```text
//! launch     the first process: makes the certificates, starts the helper, and ends
//! helper     the helper: sets everything up, says that it is ready, ends with its command
//!   authority   the certificates of one run; the key that signed them ends with the first process
//!   folder      what the command reads: certificates to trust, settings for PHP
//!   lifetime    when the command ends
//! door       accepts the command's connections: password, peer, CONNECT, whole URLs
//!   target      for an origin of the account, or for others
//! inspect    ends TLS where Zendesk would, and serves HTTP there
//!   hop         one connection to `proxy.sock` for each
//!   ticket      the rights of a local key, asked for again after the daemon has restarted
//! tunnel     passes bytes on to others, unseen
//! forward    sends requests that name a whole URL of others
//! ```
//!
//! A module uses only those below it, and the daemon's own listener, egress and peer code.

mod authority;
mod door;
mod folder;
mod forward;
mod helper;
mod hop;
mod inspect;
mod launch;
mod lifetime;
mod target;
mod ticket;
mod tunnel;

use std::io::Write as _;
use std::process::ExitCode;

use loopdesk_protocol::exec::Reply;
use loopdesk_protocol::{Kind, Problem};

/// Starts the helper for the assignment on standard input.
pub(crate) fn launch() -> ExitCode {
    finish(launch::run())
}

/// Is the helper, until its command ends.
pub(crate) fn serve() -> ExitCode {
    finish(helper::run())
}

fn finish(done: Result<(), Problem>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let code = problem.kind.exit_code();
            // If nobody reads it, nobody waits for the command either.
            let _unheard = answer(&Reply::Failed(problem));
            ExitCode::from(code)
        }
    }
}

/// Answers `loopdesk exec`.
fn answer(reply: &Reply) -> Result<(), Problem> {
    let failed = |error: &dyn std::fmt::Display| {
        Problem::new(
            Kind::Internal,
            format!("`loopdesk exec` doesn't listen: {error}"),
        )
    };
    let text = zeroize::Zeroizing::new(serde_json::to_vec(reply).map_err(|e| failed(&e))?);
    let mut output = std::io::stdout().lock();
    output.write_all(&text).map_err(|e| failed(&e))?;
    output.flush().map_err(|e| failed(&e))
}

/// What a step of the start says if the system fails it.
fn failed(what: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Kind::Daemon,
        format!("`loopdesk exec` can't start: {what}: {error}"),
    )
}
