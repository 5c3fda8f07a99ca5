//! The guide's tables, made from `matrix.toml` for clients.md and from `exec.toml` for exec.md.

use std::fmt::Write as _;

use super::exec::{self, Programs};
use super::matrix::{Matrix, Verdict};

/// The table in Markdown.
pub fn table(matrix: &Matrix) -> String {
    let mut text = String::from(
        "| client | version | verdict | what to change | `loopdesk env --for` |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for row in &matrix.clients {
        let verdict = match row.verdict {
            Verdict::Works => "works",
            Verdict::Edit => "works after this edit",
            Verdict::Not => "not yet",
        };
        let failures = row.fails.values().map(|failure| &failure.remark);
        let remarks = failures.chain(row.lacks.values().filter(|remark| !remark.is_empty()));
        let mut change = row.change.clone();
        for remark in remarks {
            write!(change, ". {remark}").expect("a String takes all");
        }
        writeln!(
            text,
            "| {} | {} | {verdict} | {change} | `{}` |",
            row.name, row.version, row.id
        )
        .expect("a String takes all");
    }
    text.push_str(
        "\nThese can't be pointed here, since they have Zendesk's address in their code; most run under\n\
         [`loopdesk exec`](exec.md#what-works):\n\n\
         | client | version | why | what to do |\n\
         | --- | --- | --- | --- |\n",
    );
    for one in &matrix.elsewhere {
        writeln!(
            text,
            "| {} | {} | {} | {} |",
            one.name, one.version, one.why, one.instead
        )
        .expect("a String takes all");
    }
    text
}

/// The table of what `loopdesk exec` runs, in Markdown.
pub fn table_of_exec(programs: &Programs) -> String {
    let mut text = String::from(
        "| program | version | under `loopdesk exec` | to know |\n| --- | --- | --- | --- |\n",
    );
    for program in &programs.all {
        let verdict = match program.exec {
            exec::Verdict::Works => "works",
            exec::Verdict::Setting => "works with this setting",
            exec::Verdict::Not => "can't",
        };
        writeln!(
            text,
            "| {} | {} | {verdict} | {} |",
            program.name, program.version, program.remark,
        )
        .expect("a String takes all");
    }
    text
}

/// The line of the page before the table of `exec`.
pub const BEGIN_EXEC: &str = "<!-- made by tests/clients/table from tests/clients/exec.toml -->\n";

/// The line of the page before the table.
pub const BEGIN: &str = "<!-- made by tests/clients/table from tests/clients/matrix.toml -->\n";

/// The line after it.
pub const END: &str = "<!-- end of the table -->\n";
