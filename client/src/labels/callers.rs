//! Programs that were served without a key.

use loopdesk_protocol::key::KeylessCaller;

use crate::ui::table::{Cell, Table};
use crate::ui::text::Text;
use crate::ui::time::Clock;

pub(crate) fn table(name: &str, callers: &[KeylessCaller], clock: &Clock) -> Text {
    if callers.is_empty() {
        return Text::from(format!(
            "No program has used `{name}` without a key lately."
        ));
    }
    let table = Table::new(["  PROGRAM", "LAST REQUEST", "REQUESTS"]);
    let table = callers.iter().fold(table, |table, caller| {
        let process = caller.last.process.as_deref().unwrap_or("(unknown)");
        table.row([
            Cell::new(format!("  {process}")),
            Cell::new(clock.relative(caller.last.at)),
            Cell::new(caller.requests.to_string()),
        ])
    });
    Text::from(format!(
        "These programs used `{name}` without a key lately, and would be refused:\n"
    ))
    .then(&table.text())
}
