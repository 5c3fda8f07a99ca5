//! loopdesk: the command line of the daemon `loopdeskd`.
//!
//! ```text
//! lib        parses the arguments, sets the exit code
//! dispatch   runs the module of each command
//! commands   one file or folder each; none uses another
//! context    the environment of a command; config_change: edits, checked before they are saved
//! daemon_client: access to the daemon; config_file: the configuration's text
//! problems, labels, config_report, lookup, base_url: texts that several commands share
//! args       the arguments of every command
//! ui         output, input, styles, tables, times, questions, secrets
//! ```
//!
//! A module uses only modules below it.
//!
//! The command line decides little: the daemon owns the sessions, and only `loopdeskd check-config`
//! checks a configuration. A command has the name of its file in `commands`, and of the handler in
//! the daemon.
//!
//! # `--json`
//!
//! A command prints one JSON object on one line of standard output; `login` prints one per event.
//! `--help` names the fields. Fields that `loopdesk_protocol` documents as absent may be missing,
//! all others are always present, and fields may be added. A failure is one line on standard error,
//! `{"error":{"kind","message","hints","exit_code"}}`. Notes and warnings aren't printed.
//!
//! # Exit codes
//!
//! 0 for success, else that of [`loopdesk_protocol::Kind`].

mod args;
mod base_url;
mod commands;
mod config_change;
mod config_file;
mod config_report;
mod context;
mod daemon_client;
mod dispatch;
mod error;
mod guide;
mod labels;
mod lookup;
mod markdown;
mod problems;
#[cfg(test)]
mod testing;
mod ui;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use loopdesk_protocol::exec::restore_environment;
use loopdesk_protocol::{Kind, Problem};

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::{self, Output};

/// Runs the command in the process's arguments.
pub fn main() -> ExitCode {
    restore_environment();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_a_command(&error),
    };
    let mut output = Output::of_process(cli.json);
    match run(&cli, &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output.failure(&error),
    }
}

fn run(cli: &Cli, output: &mut Output) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Problem::new(Kind::Internal, format!("failed to start the runtime: {e}")))?;
    let result = runtime.block_on(async {
        let mut context = Context::from_env()?;
        if !matches!(
            cli.command,
            Command::Completions(_) | Command::Guide(_) | Command::Man(_)
        ) {
            context.paths.check_root()?;
        }
        dispatch::run(&cli.command, &mut context, output).await
    });
    // A thread that reads standard input would keep the process alive until the next line.
    runtime.shutdown_background();
    result
}

/// Prints help or version, or a failure of kind `usage`.
fn not_a_command(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|arg| arg == "--json");
    if error.use_stderr() && json {
        return Output::of_process(true).failure(&usage(&error.to_string()).into());
    }
    let printed = error.print();
    if error.use_stderr() {
        // If standard error is closed, there is nothing left to do.
        return ExitCode::from(Kind::Usage.exit_code());
    }
    match printed {
        Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => {
            Output::of_process(json).failure(&output::write_failed(&failed).into())
        }
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// The parser's message, with its tips and the usage as hints.
fn usage(text: &str) -> Problem {
    let line = |paragraph: &str| {
        let words = paragraph.split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    };
    let mut paragraphs = text.split("\n\n").map(line);
    let message = paragraphs.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let told = paragraphs.filter(|hint| !hint.is_empty() && !hint.starts_with("For more"));
    let hints = told.map(|hint| hint.strip_prefix("tip: ").unwrap_or(&hint).to_owned());
    let problem = hints.fold(Problem::new(Kind::Usage, message), Problem::hint);
    problem.hint("run `loopdesk help`")
}
