//! Why a command failed.

use std::io;
use std::path::Path;

use loopdesk_protocol::{Kind, Problem, client};

/// A command's failure.
#[derive(Debug)]
pub(crate) enum CliError {
    /// Not printed yet.
    Problem(Problem),
    /// The command of `exec` can't be run. Not printed yet; the exit code is a shell's.
    Command(Problem, u8),
    /// Already printed; only the exit code is left.
    Reported(Kind),
}

impl CliError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Problem(problem) => problem.kind.exit_code(),
            Self::Command(_, code) => *code,
            Self::Reported(kind) => kind.exit_code(),
        }
    }
}

impl From<Problem> for CliError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<client::ClientError> for CliError {
    fn from(error: client::ClientError) -> Self {
        Self::Problem(from_daemon(error))
    }
}

/// The problem of a failed call to the daemon.
pub(crate) fn from_daemon(error: client::ClientError) -> Problem {
    match error {
        client::ClientError::Problem(problem) => problem,
        client::ClientError::Unreachable { .. } => Problem::new(Kind::Daemon, error.to_string())
            .hint("run this command again, or `loopdesk wait` to start the daemon"),
        client::ClientError::Broken(_) => Problem::new(Kind::Daemon, error.to_string())
            .hint("run this command again; if that doesn't help, run `loopdesk version`"),
    }
}

/// The problem of a file that can't be used.
pub(crate) fn file(kind: Kind, doing: &str, path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        kind,
        format!("failed to {doing} `{}`: {error}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_the_problems_kinds() {
        let problem = Problem::new(Kind::Timeout, "");
        assert_eq!(CliError::from(problem).exit_code(), 8);
        assert_eq!(CliError::Reported(Kind::Trouble).exit_code(), 1);
        let broken = client::ClientError::Broken(String::new());
        assert_eq!(CliError::from(broken).exit_code(), 6);
        let login = client::ClientError::Problem(Problem::new(Kind::Login, ""));
        assert_eq!(CliError::from(login).exit_code(), 4);
    }
}
