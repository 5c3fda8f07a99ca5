//! The only module that prints.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;

use loopdesk_protocol::{Kind, Problem};
use serde::Serialize;

use crate::error::CliError;
use crate::ui::json;
use crate::ui::text::{BAD, STRONG, Text, WARN};

/// Standard output and error: text for people, or JSON for programs.
pub(crate) struct Output {
    json: bool,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// The file behind `out`, to check its permissions.
    file: Option<File>,
}

impl Output {
    /// The process's streams, with colours on a terminal that supports them.
    pub(crate) fn of_process(json: bool) -> Self {
        Self {
            json,
            out: Box::new(anstream::stdout()),
            err: Box::new(anstream::stderr()),
            file: io::stdout()
                .as_fd()
                .try_clone_to_owned()
                .map(File::from)
                .ok(),
        }
    }

    #[cfg(test)]
    pub(crate) fn to(
        json: bool,
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
    ) -> Self {
        Self {
            json,
            out: Box::new(Strip(out)),
            err: Box::new(Strip(err)),
            file: None,
        }
    }

    /// Whether the output is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// The command's result: `value` as JSON, or `human` as text.
    pub(crate) fn result<T: Serialize>(
        &mut self,
        value: &T,
        human: impl FnOnce() -> Text,
    ) -> Result<(), CliError> {
        if self.json {
            self.json_line(value)
        } else {
            self.print(&human())
        }
    }

    /// One JSON object on a line.
    pub(crate) fn json_line<T: Serialize>(&mut self, value: &T) -> Result<(), CliError> {
        let mut line = json::line(value).map_err(|e| {
            Problem::new(Kind::Internal, format!("failed to encode the answer: {e}"))
        })?;
        line.push(b'\n');
        self.write(&line)
    }

    /// Prints text on standard output, ending its last line.
    pub(crate) fn print(&mut self, text: &Text) -> Result<(), CliError> {
        self.write(with_newline(text).as_bytes())
    }

    /// Prints additional information on standard error, so that it doesn't get into a pipe.
    pub(crate) fn note(&mut self, text: &Text) {
        if !self.json {
            self.write_err(text);
        }
    }

    /// Prints a question, whose answer is typed on the same line.
    pub(crate) fn prompt(&mut self, question: &str) {
        let question = Text::from(question);
        // If standard error is closed, the user can't be asked.
        drop(
            self.err
                .write_all(question.as_str().as_bytes())
                .and_then(|()| self.err.flush()),
        );
    }

    /// Prints a file for another program, byte for byte.
    pub(crate) fn file(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.write(bytes)
    }

    /// Prints a line that can't be printed again, so even a closed pipe is an error.
    pub(crate) fn print_once(&mut self, line: &[u8]) -> io::Result<()> {
        self.out.write_all(line)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    /// Whether standard output is a file that other users can read.
    pub(crate) fn is_readable_by_others(&self) -> bool {
        let metadata = self.file.as_ref().and_then(|file| file.metadata().ok());
        metadata.is_some_and(|m| m.is_file() && m.permissions().mode() & OTHERS_READ != 0)
    }

    /// Prints a warning.
    pub(crate) fn warn(&mut self, text: impl AsRef<str>) {
        self.note(&Text::new().styled(WARN, "Warning:").plain(" ").plain(text));
    }

    /// Prints a problem as a warning, with its hints.
    pub(crate) fn warning(&mut self, problem: &Problem) {
        self.note(&warning_text(problem));
    }

    /// Prints an error after which the command goes on.
    pub(crate) fn problem(&mut self, problem: &Problem) {
        self.problem_with(problem, problem.kind.exit_code());
    }

    fn problem_with(&mut self, problem: &Problem, exit_code: u8) {
        if self.json {
            let mut error = ErrorOutput::from(problem);
            error.error.exit_code = exit_code;
            let mut line = json::line(&error).unwrap_or_default();
            line.push(b'\n');
            drop(self.err.write_all(&line).and_then(|()| self.err.flush()));
        } else {
            self.write_err(&problem_text(problem));
        }
    }

    /// Prints the command's failure. Returns its exit code.
    pub(crate) fn failure(&mut self, error: &CliError) -> ExitCode {
        match error {
            CliError::Problem(problem) | CliError::Command(problem, _) => {
                self.problem_with(problem, error.exit_code());
            }
            CliError::Reported(_) => {}
        }
        ExitCode::from(error.exit_code())
    }

    /// How many columns the terminal has that standard output is.
    pub(crate) fn columns(&self) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(self.file.as_ref()?).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        match self.out.write_all(bytes).and_then(|()| self.out.flush()) {
            // As in `loopdesk status | head -1`: the reader has what it wanted, and the exit code
            // still tells the result.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(write_failed(&error).into()),
            Ok(()) => Ok(()),
        }
    }

    fn write_err(&mut self, text: &Text) {
        let text = with_newline(text);
        // If standard error is closed, there is nothing left to do.
        drop(
            self.err
                .write_all(text.as_bytes())
                .and_then(|()| self.err.flush()),
        );
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

/// The problem of a failed write to standard output.
pub(crate) fn write_failed(error: &io::Error) -> Problem {
    let message = format!("failed to write to standard output: {error}");
    let problem = Problem::new(Kind::Trouble, message);
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    problem.hint(if full.contains(&error.kind()) {
        "free some space where the output goes, or send it elsewhere"
    } else {
        "check where the output goes"
    })
}

/// `error: …` with its hints, as every command prints them.
pub(crate) fn problem_text(problem: &Problem) -> Text {
    with_hints(Text::new().styled(BAD, "error:"), problem)
}

/// `Warning: …` with its hints.
pub(crate) fn warning_text(problem: &Problem) -> Text {
    with_hints(Text::new().styled(WARN, "Warning:"), problem)
}

fn with_hints(text: Text, problem: &Problem) -> Text {
    let text = text.plain(" ").plain(&problem.message).end();
    problem.hints.iter().fold(text, |text, hint| {
        text.styled(STRONG, "Hint:").plain(" ").plain(hint).end()
    })
}

/// A failure as JSON.
#[derive(Serialize)]
struct ErrorOutput<'a> {
    error: ErrorOutputBody<'a>,
}

#[derive(Serialize)]
struct ErrorOutputBody<'a> {
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    message: &'a str,
    hints: &'a [String],
    exit_code: u8,
}

impl<'a> From<&'a Problem> for ErrorOutput<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self {
            error: ErrorOutputBody {
                kind: problem.kind,
                code: problem.code.as_deref(),
                message: &problem.message,
                hints: &problem.hints,
                exit_code: problem.kind.exit_code(),
            },
        }
    }
}

fn with_newline(text: &Text) -> String {
    let text = text.as_str();
    format!("{}\n", text.strip_suffix('\n').unwrap_or(text))
}

/// The permission bits of group and others to read (inode(7)).
const OTHERS_READ: u32 = 0o044;

/// A stream without colours.
#[cfg(test)]
struct Strip<W>(W);

#[cfg(test)]
impl<W: Write> Write for Strip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stripped = anstream::adapter::strip_bytes(bytes).into_vec();
        self.0.write_all(&stripped)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
