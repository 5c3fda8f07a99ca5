//! `loopdesk account list`: one line per account.

use loopdesk_protocol::account::Person;
use loopdesk_protocol::config::Effective;
use loopdesk_protocol::status::{self, State, Status};
use serde::Serialize;

use crate::config_report::valid_config;
use crate::context::Context;
use crate::error::CliError;
use crate::labels::state;
use crate::problems::no_account;
use crate::ui::output::{Output, problem_text};
use crate::ui::text::{DIM, Text};

pub(super) async fn run(context: &Context, output: &mut Output) -> Result<(), CliError> {
    let report = context.link.check_config(None).await?;
    let config = valid_config(&report)?;
    let status: Option<Status> = match context.link.running().await? {
        Some(client) => Some(client.get(status::CALL).await?),
        None => None,
    };
    let list = AccountListOutput::new(config, status.as_ref());
    output.result(&list, || text(&list))
}

#[derive(Debug, Serialize)]
struct AccountListOutput<'a> {
    daemon_running: bool,
    accounts: Vec<AccountRow<'a>>,
}

#[derive(Debug, Serialize)]
struct AccountRow<'a> {
    name: &'a str,
    default: bool,
    origin: &'a str,
    base_urls: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<&'a Person>,
}

impl<'a> AccountListOutput<'a> {
    fn new(config: &'a Effective, status: Option<&'a Status>) -> Self {
        let accounts = config.accounts.iter().map(|account| {
            let session = status.and_then(|s| s.accounts.iter().find(|a| a.name == account.name));
            AccountRow {
                name: &account.name,
                default: config.default_account.as_ref() == Some(&account.name),
                origin: &account.api_origin,
                base_urls: &account.base_urls,
                state: session.map(|session| session.state),
                person: session.and_then(|session| session.person.as_ref()),
            }
        });
        Self {
            daemon_running: status.is_some(),
            accounts: accounts.collect(),
        }
    }
}

fn text(list: &AccountListOutput<'_>) -> Text {
    if list.accounts.is_empty() {
        return problem_text(&no_account());
    }
    let widest = |a: usize, b: &str| a.max(b.chars().count());
    let names = list.accounts.iter().map(|row| row.name).fold(0, widest);
    let origins = list.accounts.iter().map(|row| row.origin).fold(0, widest);
    let mut text = Text::new();
    for row in &list.accounts {
        let mark = if row.default { "*" } else { " " };
        text = text
            .plain(format!("{mark} "))
            .strong(format!("{:<names$}", row.name))
            .plain(format!("  {}", row.origin));
        if let Some(state) = row.state {
            let gap = origins + 2 - row.origin.chars().count();
            let (style, words) = state::session(state);
            text = text.plain(" ".repeat(gap)).styled(style, words);
        }
        if let Some(person) = row.person {
            text = text.plain(format!(", {}", person.name));
        }
        text = text.end();
    }
    if list.accounts.iter().any(|row| row.default) {
        text = text.styled(DIM, "* default account").end();
    }
    if !list.daemon_running {
        text = text
            .styled(
                DIM,
                "loopdesk isn't running, so the state of the accounts is unknown",
            )
            .end();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, plain};

    #[test]
    fn rows_are_aligned_and_say_who_is_logged_in() {
        let report = testing::report();
        let config = report.config.as_ref().unwrap();
        let status = testing::status();
        insta::assert_snapshot!(plain(&text(&AccountListOutput::new(config, Some(&status)))), @"
        * acme     https://acme.zendesk.com          active, Ada Lovelace
          sandbox  https://acme-sandbox.zendesk.com  signed out
        * default account
        ");
        insta::assert_snapshot!(plain(&text(&AccountListOutput::new(config, None))), @"
        * acme     https://acme.zendesk.com
          sandbox  https://acme-sandbox.zendesk.com
        * default account
        loopdesk isn't running, so the state of the accounts is unknown
        ");
    }
}
