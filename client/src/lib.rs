//! loopdesk: the command line of the daemon `loopdeskd`.
//!
//! ```text
//! lib        what was typed is parsed; the exit code
//! dispatch   each command's way to its module
//! commands   a file or folder each; none uses another
//! context    the process's surroundings; config_change: an edit, checked before it counts
//! daemon_client: the daemon, over its control socket; config_file: the configuration's text
//! problems, labels, config_report, lookup, base_url: what several commands say
//! args       what can be typed
//! ui         streams, styles, tables, time, questions, secrets
//! ```
//!
//! A module uses only what stands below it.
//!
//! The command line decides little: the daemon holds the sessions, and `loopdeskd check-config`
//! alone judges a configuration. A command's name is that of its file in `commands`, and of the
//! handler on the daemon's side.
//!
//! # `--json`
//!
//! A command prints one JSON object on one line of standard output; `login` prints one for each
//! event. Each command's long help names the fields. Those that a field's documentation in
//! `loopdesk_protocol` calls absent are left out, others are always there; fields may be added. A
//! failure is one line on standard error, `{"error":{"kind","message","hints","exit_code"}}`, and
//! notices are not printed at all.
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
use loopdesk_protocol::{Kind, Problem};

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::{self, Output};

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
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
        .map_err(|e| Problem::new(Kind::Internal, format!("the runtime can't start: {e}")))?;
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
    // A thread that still reads standard input would hold the process until the next line.
    runtime.shutdown_background();
    result
}

/// Help and version are no failures; what can't be parsed is one of kind `usage`.
fn not_a_command(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|arg| arg == "--json");
    if error.use_stderr() && json {
        return Output::of_process(true).failure(&usage(&error.to_string()).into());
    }
    let printed = error.print();
    if error.use_stderr() {
        // Nobody is left to tell where the stream is closed.
        return ExitCode::from(Kind::Usage.exit_code());
    }
    match printed {
        Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => {
            Output::of_process(json).failure(&output::write_failed(&failed).into())
        }
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// The whole of what the parser says: its sentence, then its tips and how the command is used.
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
