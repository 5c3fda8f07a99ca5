//! The one place that prints.

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
    /// What `out` writes to, to be looked at.
    file: Option<File>,
}

impl Output {
    /// The process's streams; colours only where they are a terminal and wanted.
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

    /// Whether programs read this.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// What the command was run for: `value` to a program, `human` to a person.
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
        let mut line = json::line(value)
            .map_err(|e| Problem::new(Kind::Internal, format!("the answer can't be shown: {e}")))?;
        line.push(b'\n');
        self.write(&line)
    }

    /// Text on standard output, its last line ended.
    pub(crate) fn print(&mut self, text: &Text) -> Result<(), CliError> {
        self.write(with_newline(text).as_bytes())
    }

    /// What a person should know besides; on standard error, never in the way of a pipe.
    pub(crate) fn note(&mut self, text: &Text) {
        if !self.json {
            self.write_err(text);
        }
    }

    /// A question, whose answer follows on the same line.
    pub(crate) fn prompt(&mut self, question: &str) {
        let question = Text::from(question);
        // Nobody is left to ask where standard error is closed.
        drop(
            self.err
                .write_all(question.as_str().as_bytes())
                .and_then(|()| self.err.flush()),
        );
    }

    /// A file for another program on standard output, byte for byte.
    pub(crate) fn file(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.write(bytes)
    }

    /// A line that is said this once: whoever reads it must get it, so a reader that is gone is an
    /// error here.
    pub(crate) fn print_once(&mut self, line: &[u8]) -> io::Result<()> {
        self.out.write_all(line)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    /// Whether standard output is a file that other users may read.
    pub(crate) fn is_readable_by_others(&self) -> bool {
        let metadata = self.file.as_ref().and_then(|file| file.metadata().ok());
        metadata.is_some_and(|m| m.is_file() && m.permissions().mode() & OTHERS_READ != 0)
    }

    /// What a person should mind although the command goes on.
    pub(crate) fn warn(&mut self, text: impl AsRef<str>) {
        self.note(&Text::new().styled(WARN, "Warning:").plain(" ").plain(text));
    }

    /// The same with its hints.
    pub(crate) fn warning(&mut self, problem: &Problem) {
        self.note(&warning_text(problem));
    }

    /// A failure that the command survives.
    pub(crate) fn problem(&mut self, problem: &Problem) {
        if self.json {
            let mut line = json::line(&Failure::from(problem)).unwrap_or_default();
            line.push(b'\n');
            drop(self.err.write_all(&line).and_then(|()| self.err.flush()));
        } else {
            self.write_err(&problem_text(problem));
        }
    }

    /// The command's failure; its exit code.
    pub(crate) fn failure(&mut self, error: &CliError) -> ExitCode {
        match error {
            CliError::Problem(problem) => self.problem(problem),
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
            // `loopdesk status | head -1`: the reader has what it wanted, and the exit code still
            // tells how the command went.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(write_failed(&error).into()),
            Ok(()) => Ok(()),
        }
    }

    fn write_err(&mut self, text: &Text) {
        let text = with_newline(text);
        // Nobody is left to tell where standard error is closed.
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

/// That standard output doesn't take what the command says.
pub(crate) fn write_failed(error: &io::Error) -> Problem {
    let message = format!("failed to write to standard output: {error}");
    let problem = Problem::new(Kind::Trouble, message);
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    problem.hint(if full.contains(&error.kind()) {
        "make room where the output goes, or send it elsewhere"
    } else {
        "see where the output goes"
    })
}

/// `error: …` and its hints, as every command prints them.
pub(crate) fn problem_text(problem: &Problem) -> Text {
    with_hints(Text::new().styled(BAD, "error:"), problem)
}

/// The same of what doesn't stop anything.
pub(crate) fn warning_text(problem: &Problem) -> Text {
    with_hints(Text::new().styled(WARN, "Warning:"), problem)
}

fn with_hints(text: Text, problem: &Problem) -> Text {
    let text = text.plain(" ").plain(&problem.message).end();
    problem.hints.iter().fold(text, |text, hint| {
        text.styled(STRONG, "Hint:").plain(" ").plain(hint).end()
    })
}

/// A failure as programs read it.
#[derive(Serialize)]
struct Failure<'a> {
    error: FailureBody<'a>,
}

#[derive(Serialize)]
struct FailureBody<'a> {
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    message: &'a str,
    hints: &'a [String],
    exit_code: u8,
}

impl<'a> From<&'a Problem> for Failure<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self {
            error: FailureBody {
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

/// A stream that shows no colour.
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
