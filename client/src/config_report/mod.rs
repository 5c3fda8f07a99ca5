//! The result of checking the configuration, as text: its errors, or its settings.

pub(crate) mod effective;

use loopdesk_protocol::config::{Diagnostic, Effective, Report};
use loopdesk_protocol::{Kind, Problem};

use crate::ui::text::{BAD, Text, count};

/// The configuration in a report, or its errors as a problem.
pub(crate) fn valid_config(report: &Report) -> Result<&Effective, Problem> {
    match &report.config {
        Some(config) if report.errors.is_empty() => Ok(config),
        _ => Err(as_problem(report)),
    }
}

/// The existing files, the one with precedence first.
pub(crate) fn used_files(report: &Report) -> Vec<String> {
    let own = report.exists.then_some(report.path.as_str());
    let system = report.system().map(|file| file.path.as_str());
    let below = system.filter(|path| Some(*path) != own);
    own.into_iter()
        .chain(below)
        .map(|path| format!("`{path}`"))
        .collect()
}

/// The files with errors.
pub(crate) fn error_files(report: &Report) -> Vec<String> {
    let files = report.errors.iter();
    let mut files: Vec<_> = files.map(|e| format!("`{}`", file_of(report, e))).collect();
    files.dedup();
    files
}

/// Older daemons know only one file.
pub(crate) fn file_of<'a>(report: &'a Report, error: &'a Diagnostic) -> &'a str {
    if error.path.is_empty() {
        &report.path
    } else {
        &error.path
    }
}

/// The errors of a draft.
pub(crate) fn draft_errors(report: &Report) -> Text {
    error_list(report).plain(" in the draft.")
}

/// Every error with its location, and their number.
pub(crate) fn error_list(report: &Report) -> Text {
    let mut text = Text::new();
    for error in &report.errors {
        text = text.then(&diagnostic(file_of(report, error), error)).end();
    }
    text.styled(BAD, count(report.errors.len(), "error", "errors"))
}

pub(crate) fn diagnostic(path: &str, error: &Diagnostic) -> Text {
    Text::new()
        .strong(format!("{path}:{}:{}", error.line, error.column))
        .plain(format!(": {}", error.message))
        .end()
        .plain(indented(&error.snippet))
        .end()
}

fn as_problem(report: &Report) -> Problem {
    let files = error_files(report);
    let mut message = format!("the configuration {} can't be used:", files.join(" and "));
    for error in &report.errors {
        let Diagnostic { line, column, .. } = error;
        let file = match files.len() {
            0 | 1 => String::new(),
            _ => format!("{}:", file_of(report, error)),
        };
        message.push_str(&format!("\n  {file}{line}:{column}: {}\n", error.message));
        message.push_str(&indented(&error.snippet));
    }
    Problem::new(Kind::Config, message).hint("correct the file, then run `loopdesk config check`")
}

fn indented(snippet: &str) -> String {
    let lines = snippet.lines().map(|line| format!("    {line}"));
    lines.collect::<Vec<_>>().join("\n")
}
