//! `loopdesk key confirm`: lets suspended keys act as the user who is logged in now.

use loopdesk_protocol::Client;
use loopdesk_protocol::key::{CONFIRM, Confirm, KeyList};

use crate::args::key::KeyConfirmArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::labels;
use crate::lookup;
use crate::ui::output::Output;
use crate::ui::table::{Cell, Table};
use crate::ui::text::{STRONG, Text};

pub(super) async fn run(
    args: &KeyConfirmArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = context.daemon(output).await?;
    let request = request(args, &client, output).await?;
    let confirmed: KeyList = client.post(CONFIRM, &request).await?;
    output.result(&confirmed, || text(&confirmed, request.account.as_deref()))
}

/// For a single key, the account is the key's, not the default.
async fn request(
    args: &KeyConfirmArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Confirm, CliError> {
    let Some(key) = &args.key else {
        return Ok(Confirm {
            account: args.account.clone(),
            name: None,
        });
    };
    let key = lookup::key_named(key, client, output).await?;
    Ok(Confirm {
        account: Some(args.account.clone().unwrap_or(key.account)),
        name: Some(key.name),
    })
}

fn text(confirmed: &KeyList, account: Option<&str>) -> Text {
    let Some(first) = confirmed.keys.first() else {
        let of = account.map(|name| format!(" of `{name}`"));
        return Text::from(format!(
            "There are no keys{} to confirm: all act as the user who is logged in.",
            of.unwrap_or_default()
        ));
    };
    let new = Table::new(["", "", ""]);
    let table = confirmed.keys.iter().fold(new, |table, key| {
        table.row([
            Cell::new(format!("  {}", key.name)).styled(STRONG),
            Cell::new(labels::key::rights(&key.rights)),
            Cell::new(key.note.as_deref().unwrap_or_default()),
        ])
    });
    Text::new()
        .plain("These keys now act as ")
        .strong(labels::person::label(&first.person))
        .plain(format!(" in `{}`:", first.account))
        .end()
        .then(&table.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Daemon, Home};
    use loopdesk_protocol::key::LIST;

    #[tokio::test]
    async fn r8_who_the_keys_act_for_now_is_said() {
        let home = Home::new();
        let mut keys = testing::keys();
        let daemon = Daemon::new(&home)
            .json(CONFIRM, &keys)
            .json(LIST, &keys)
            .serve();
        let ran = home.run("key confirm acme").await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        insta::assert_snapshot!(ran.out, @"
        These keys now act as Ada Lovelace <ada@example.com>, admin in `acme`:
          nightly-report  tickets:read
          sync            read, 2 rules, 1 denied  Ada's cron
        ");
        let ran = home.run("key confirm --key sync --json").await;
        assert_eq!(
            ran.json()["keys"].as_array().unwrap().len(),
            keys.keys.len()
        );
        let bodies: Vec<_> = daemon.asked(CONFIRM).into_iter().map(|(_, b)| b).collect();
        assert_eq!(
            bodies,
            [
                r#"{"account":"acme"}"#,
                r#"{"account":"sandbox","name":"sync"}"#
            ]
        );
        assert_eq!(home.run("key confirm --key x").await.code, 2);
        drop(daemon);
        keys.keys.clear();
        let home = Home::new();
        let _daemon = Daemon::new(&home).json(CONFIRM, &keys).serve();
        let ran = home.run("key confirm").await;
        assert!(
            ran.out.starts_with("There are no keys to confirm"),
            "{}",
            ran.out
        );
    }
}
