//! `loopdesk account show`: an account's settings, and the state of its session.

use std::collections::BTreeMap;

use loopdesk_protocol::config::{AccountSettings, Effective, Source};
use loopdesk_protocol::status::{self, Status};
use serde::Serialize;

use crate::args::account::AccountShowArgs;
use crate::config_report::effective::account_text;
use crate::config_report::valid_config;
use crate::context::Context;
use crate::error::CliError;
use crate::labels;
use crate::problems::unknown_account;
use crate::ui::output::Output;
use crate::ui::text::{DIM, Text};

pub(super) async fn run(
    args: &AccountShowArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let report = context.link.check_config(None).await?;
    let config = valid_config(&report)?;
    let known = config.accounts.iter().map(|account| account.name.as_str());
    let found = config.accounts.iter().find(|a| a.name == args.name);
    let account = found.ok_or_else(|| unknown_account(&args.name, known))?;
    let session = match context.link.running().await? {
        None => None,
        Some(client) => {
            let status: Status = client.get(status::CALL).await?;
            status.accounts.into_iter().find(|a| a.name == args.name)
        }
    };
    let prefix = format!("accounts.{}.", args.name);
    let of_account = config.sources.iter();
    let of_account = of_account.filter_map(|(key, at)| Some((key.strip_prefix(&prefix)?, at)));
    let shown = AccountShowOutput {
        account,
        session,
        sources: of_account.collect(),
    };
    output.result(&shown, || text(&shown, config, context))
}

#[derive(Serialize)]
struct AccountShowOutput<'a> {
    account: &'a AccountSettings,
    session: Option<status::AccountStatus>,
    /// Where each setting comes from, defaults left out.
    sources: BTreeMap<&'a str, &'a Source>,
}

fn text(shown: &AccountShowOutput<'_>, config: &Effective, context: &Context) -> Text {
    let text = account_text(shown.account, config).end();
    match &shown.session {
        Some(session) => text.then(&labels::account::summary(session, &context.clock)),
        None => text.styled(
            DIM,
            "loopdesk isn't running, so its session isn't known. `loopdesk wait` starts it.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{self, Daemon, Home};
    use loopdesk_protocol::status;

    #[tokio::test]
    async fn settings_come_first_and_the_session_if_a_daemon_runs() {
        let home = Home::new().with_report(&testing::report());
        let ran = home.run("account show acme --json").await;
        assert_eq!(ran.json()["account"]["access_token_ttl"], 172_800);
        assert!(ran.json()["session"].is_null());
        let _daemon = Daemon::new(&home)
            .json(status::CALL, &testing::status())
            .serve();
        let ran = home.run("account show acme").await;
        insta::assert_snapshot!(ran.out, @r#"
        # requests go to https://acme.zendesk.com, logins to https://acme.zendesk.com
        # scripts use http://127.0.0.1:8484
        [accounts.acme]
        subdomain = "acme"  # default
        client-id = "loopdesk"  # /home/ada/.config/loopdesk/config.toml:4
        scopes = ["read", "write"]  # default
        grant = "authorization-code"  # default
        access = "user"  # default
        rewrite = ["pagination", "jobs", "attachments"]  # default
        access-token-ttl = "48h"  # default
        refresh-token-ttl = "90d"  # default
        read-only-grant = false  # default
        token-encoding = "json"  # default

        acme (default): active
          Zendesk         https://acme.zendesk.com
          user            Ada Lovelace <ada@example.com>, admin
          scopes          read write
          access token    expires in 46 h (2026-11-25 16:00)
          next refresh    in 22 h (2026-11-24 16:00)
          login lasts     until Sun 2027-02-21 (in 89 days) if this computer stays off
          base URL        http://localhost:8484
                          http://127.0.0.1:8484
          serves          all of your programs
        "#);
        assert_eq!(home.run("account show acne").await.code, 2);
    }
}
