//! `loopdesk key list`: one line per key.

use loopdesk_protocol::Client;
use loopdesk_protocol::key::{KeyList, KeyState, KeyStatus, LIST};
use loopdesk_protocol::status::{self, Status};

use crate::args::key::KeyListArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::labels;
use crate::problems::unknown_account;
use crate::ui::output::Output;
use crate::ui::table::{Cell, Table};
use crate::ui::text::{DIM, STRONG, Text};
use crate::ui::time::Clock;

pub(super) async fn run(
    args: &KeyListArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = context.daemon(output).await?;
    let mut keys: KeyList = client.get(LIST).await?;
    if let Some(name) = &args.account {
        only(&mut keys, name, &client).await?;
    }
    output.result(&keys, || {
        text(&keys, args.account.as_deref(), &context.clock)
    })
}

/// Removes the keys of other accounts. Keys outlive their account, so it need not exist.
async fn only(keys: &mut KeyList, name: &str, client: &Client) -> Result<(), CliError> {
    keys.keys.retain(|key| key.account == name);
    keys.keyless.retain(|account| account == name);
    if keys.keys.is_empty() {
        let status: Status = client.get(status::CALL).await?;
        let known = status.accounts.iter().map(|account| account.name.as_str());
        if !known.clone().any(|known| known == name) {
            return Err(unknown_account(name, known).into());
        }
    }
    Ok(())
}

fn text(keys: &KeyList, account: Option<&str>, clock: &Clock) -> Text {
    if keys.keys.is_empty() {
        let (of, option) = match account {
            Some(name) => (format!(" for `{name}`"), format!(" --account {name}")),
            None => (String::new(), String::new()),
        };
        return Text::new()
            .plain(format!("There are no keys{of} yet. To create one: "))
            .strong(format!(
                "loopdesk key create NAME --scope tickets:read{option}"
            ));
    }
    let table = Table::new([
        "NAME",
        "ACCOUNT",
        "RIGHTS",
        "CREATED",
        "LAST USED",
        "BY",
        "REQUESTS",
        "EXPIRES",
        "STATE",
        "CREATED FOR",
    ]);
    let table = keys
        .keys
        .iter()
        .fold(table, |t, key| t.row(row(key, clock)));
    let mut text = table.text();
    let suspended = keys
        .keys
        .iter()
        .filter(|key| key.state == KeyState::Suspended);
    let mut accounts: Vec<_> = suspended.map(|key| key.account.as_str()).collect();
    accounts.sort_unstable();
    accounts.dedup();
    for account in accounts {
        text = text.plain(format!(
            "The suspended keys of `{account}` were created for a different user than the one logged in \
             now. `loopdesk key confirm {account}` lets them act as that user."
        ));
        text = text.end();
    }
    let has_keys = |account: &&String| keys.keys.iter().any(|key| key.account == **account);
    for account in keys.keyless.iter().filter(has_keys) {
        let line = format!(
            "`{account}` also serves programs without a key. `loopdesk account set {account} access \
             key` makes it require one."
        );
        text = text.styled(DIM, line).end();
    }
    text
}

fn row(key: &KeyStatus, clock: &Clock) -> [Cell; 10] {
    let (style, state) = labels::key::state(key.state);
    let last = key.last_used.as_ref();
    let process = last.and_then(|last| last.process.clone());
    let is_suspended = key.state == KeyState::Suspended;
    let person = is_suspended.then(|| key.person.name.clone());
    [
        Cell::new(&key.name).styled(STRONG),
        Cell::new(&key.account),
        Cell::new(labels::key::rights(&key.rights)),
        Cell::new(clock.relative(key.created_at)),
        Cell::new(last.map_or_else(|| "never".to_owned(), |last| clock.relative(last.at))),
        Cell::new(process.unwrap_or_default()),
        Cell::new(key.requests.to_string()),
        Cell::new(
            key.expires_at
                .map_or_else(String::new, |then| clock.relative(then)),
        ),
        Cell::new(state).styled(style),
        Cell::new(person.unwrap_or_default()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Daemon, Home};

    #[tokio::test]
    async fn d2_every_key_is_on_a_line_with_what_to_know_of_it() {
        let home = Home::new();
        let _daemon = Daemon::new(&home)
            .json(LIST, &testing::keys())
            .json(status::CALL, &testing::status())
            .serve();
        let ran = home.run("key list").await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        insta::assert_snapshot!(ran.out, @"
        NAME            ACCOUNT  RIGHTS                   CREATED      LAST USED  BY              REQUESTS  EXPIRES     STATE      CREATED FOR
        nightly-report  acme     tickets:read             3 days ago   3 min ago  python3 (4711)  1204      in 87 days  active
        sync            sandbox  read, 2 rules, 1 denied  53 days ago  never                      0                     suspended  Ada Lovelace
        The suspended keys of `sandbox` were created for a different user than the one logged in now. `loopdesk key confirm sandbox` lets them act as that user.
        `acme` also serves programs without a key. `loopdesk account set acme access key` makes it require one.
        ");
        let ran = home.run("key list acme").await;
        insta::assert_snapshot!(ran.out, @"
        NAME            ACCOUNT  RIGHTS        CREATED     LAST USED  BY              REQUESTS  EXPIRES     STATE
        nightly-report  acme     tickets:read  3 days ago  3 min ago  python3 (4711)  1204      in 87 days  active
        `acme` also serves programs without a key. `loopdesk account set acme access key` makes it require one.
        ");
        let ran = home.run("key list sandbox").await;
        assert!(!ran.out.contains("without a key"), "{}", ran.out);
        let ran = home.run("key list sandbox --json").await;
        assert_eq!(ran.json()["keys"].as_array().unwrap().len(), 1);
        assert_eq!(ran.json()["keyless"].as_array().unwrap().len(), 0);
        assert_eq!(home.run("key list acne").await.code, 2);
    }

    #[tokio::test]
    async fn d2_without_a_key_the_command_that_makes_one_is_shown() {
        let home = Home::new();
        let _daemon = Daemon::new(&home)
            .json(LIST, &KeyList::default())
            .json(status::CALL, &testing::status())
            .serve();
        let ran = home.run("key list").await;
        assert_eq!(
            ran.out,
            "There are no keys yet. To create one: loopdesk key create NAME --scope tickets:read\n"
        );
        let ran = home.run("key list sandbox").await;
        assert!(ran.out.ends_with("--account sandbox\n"), "{}", ran.out);
    }
}
