//! The table of the guide's page on clients, made from the matrix.

use std::fmt::Write as _;

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
        "\nThese have Zendesk's address in their code:\n\n\
         | client | version | why it can't be pointed here | what comes nearest |\n\
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

/// The line of the page before the table.
pub const BEGIN: &str = "<!-- made by tests/clients/table from tests/clients/matrix.toml -->\n";

/// The line after it.
pub const END: &str = "<!-- end of the table -->\n";
