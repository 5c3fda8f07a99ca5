//! `loopdesk account set NAME access key`: shows which programs it would lock out, and asks.

use loopdesk_protocol::config::Report;
use loopdesk_protocol::key::{CALLERS, Callers, KeyList, KeylessCaller, LIST, OfAccount};
use loopdesk_protocol::status::Access;
use loopdesk_protocol::{Client, Kind, Problem};

use crate::args::account::AccountSetArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::labels::callers;
use crate::problems::unknown_account;
use crate::ui::confirm;
use crate::ui::output::Output;
use crate::ui::text::Text;
use crate::ui::time::Clock;

/// Whether the setting makes the account require a local key.
pub(super) fn requires_key(args: &AccountSetArgs) -> bool {
    let value = args.setting.value.as_deref();
    args.setting.key == "access"
        && value.is_some_and(|value| value.trim_matches(['"', '\'']) == Access::Key.name())
}

/// Asks before locking out programs that are served today. Returns them if a daemon knows them.
pub(super) async fn confirm_refusals(
    args: &AccountSetArgs,
    context: &mut Context,
    output: &mut Output,
) -> Result<Option<Vec<KeylessCaller>>, CliError> {
    let name = &args.name;
    let report = context.link.check_config(None).await?;
    if already_requires_key(&report, name)? {
        return Ok(None);
    }
    let callers = match context.link.running().await? {
        Some(client) => Some(show_callers(name, &client, output, &context.clock).await?),
        None => {
            output.note(&Text::from(
                "loopdesk isn't running, so it isn't known which programs send no key.",
            ));
            None
        }
    };
    if args.yes {
        return Ok(callers);
    }
    let question = format!("Make `{name}` refuse programs that send no key? [y/N] ");
    match confirm::yes_or_no(&question, false, &mut context.keyboard, output).await? {
        Some(true) => Ok(callers),
        Some(false) => Err(Problem::new(Kind::Usage, "nothing was changed")
            .hint(format!(
                "first run `loopdesk key create NAME --account {name} --scope tickets:read` for \
                 each script"
            ))
            .into()),
        None => Err(Problem::new(
            Kind::Usage,
            format!(
                "`{name}` would refuse programs that send no key, and there is no terminal to ask on"
            ),
        )
        .hint(format!(
            "run `loopdesk account set {name} access key --yes`"
        ))
        .into()),
    }
}

/// Whether the account requires a key already. A configuration with errors can't tell; it is
/// checked when the change is made.
fn already_requires_key(report: &Report, name: &str) -> Result<bool, Problem> {
    let Some(config) = &report.config else {
        return Ok(false);
    };
    let known = config.accounts.iter().map(|account| account.name.as_str());
    match config.accounts.iter().find(|account| account.name == name) {
        Some(account) => Ok(account.access == Access::Key),
        None => Err(unknown_account(name, known)),
    }
}

/// Shows which programs were served without a key, and warns if the account has no keys.
async fn show_callers(
    name: &str,
    client: &Client,
    output: &mut Output,
    clock: &Clock,
) -> Result<Vec<KeylessCaller>, CliError> {
    let request = OfAccount {
        account: Some(name.to_owned()),
    };
    let callers: Callers = client.post(CALLERS, &request).await?;
    output.note(&callers::table(name, &callers.callers, clock));
    let keys: KeyList = client.get(LIST).await?;
    if !keys.keys.iter().any(|key| key.account == name) {
        output.warn(format!(
            "`{name}` has no keys yet, so it would serve no program. Run `loopdesk key create NAME \
             --account {name} --scope tickets:read` to create one."
        ));
    }
    Ok(callers.callers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Daemon, Home, Serving, home_with_checker};
    use loopdesk_protocol::call::Empty;
    use loopdesk_protocol::config::RELOAD;
    use loopdesk_protocol::key::Use;

    fn home() -> Home {
        let home = home_with_checker();
        std::fs::create_dir_all(home.paths.config_dir()).unwrap();
        std::fs::write(home.paths.config_file(), "[accounts.acme]\n").unwrap();
        home
    }

    fn config(home: &Home) -> String {
        std::fs::read_to_string(home.paths.config_file()).unwrap()
    }

    fn serve(home: &Home, keys: &KeyList) -> Serving {
        let caller = |process: Option<&str>, at: &str, requests| KeylessCaller {
            last: Use {
                at: at.parse().unwrap(),
                process: process.map(ToOwned::to_owned),
            },
            requests,
        };
        let callers = Callers {
            account: "acme".to_owned(),
            callers: vec![
                caller(Some("python3 (4711)"), "2026-11-23T16:57:00Z", 1204),
                caller(None, "2026-11-23T15:00:00Z", 1),
            ],
        };
        Daemon::new(home)
            .json(CALLERS, &callers)
            .json(LIST, keys)
            .json(RELOAD, &Empty {})
            .serve()
    }

    #[tokio::test]
    async fn d2_programs_to_be_locked_out_are_shown_first() {
        let home = home();
        let daemon = serve(&home, &testing::keys());
        let ran = home.run_typing("account set acme access key", "\n").await;
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        insta::assert_snapshot!(ran.err, @"
        These programs used `acme` without a key lately, and would be refused:
          PROGRAM         LAST REQUEST  REQUESTS
          python3 (4711)  3 min ago     1204
          (unknown)       2 h ago       1
        Make `acme` refuse programs that send no key? [y/N] error: nothing was changed
        Hint: first run `loopdesk key create NAME --account acme --scope tickets:read` for each script
        ");
        assert_eq!(daemon.asked(CALLERS).remove(0).1, r#"{"account":"acme"}"#);
        assert!(daemon.asked(RELOAD).is_empty());
        assert_eq!(config(&home), "[accounts.acme]\n");

        let ran = home.run_typing("account set acme access key", "y\n").await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(config(&home), "[accounts.acme]\naccess = \"key\"\n");
        assert_eq!(daemon.asked(RELOAD).len(), 1);
    }

    #[tokio::test]
    async fn d2_without_a_terminal_it_takes_a_yes() {
        let home = home();
        let _daemon = serve(&home, &KeyList::default());
        for line in [
            "account set acme access key",
            "account set acme access key --json",
        ] {
            let ran = home.run(line).await;
            assert_eq!(ran.code, 2);
            let fix = "`loopdesk account set acme access key --yes`";
            assert!(ran.err.contains(fix), "{}", ran.err);
        }
        assert_eq!(config(&home), "[accounts.acme]\n");
        let ran = home.run("account set acme access key --yes").await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.err.contains("`acme` has no keys yet"), "{}", ran.err);
        let ran = home.run("account set acme access key --yes --json").await;
        assert_eq!(ran.json()["callers"][0]["requests"], 1204);
        assert_eq!(config(&home), "[accounts.acme]\naccess = \"key\"\n");
    }

    #[tokio::test]
    async fn d2_nothing_else_is_asked_about() {
        let home = home();
        for line in [
            "account set acme access user",
            "account set acme access --unset",
            "account set acme port 8490",
        ] {
            let ran = home.run(line).await;
            assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line}");
        }
        let ran = home.run("account set acme access key --yes").await;
        assert!(ran.err.contains("isn't running"), "{}", ran.err);
        assert_eq!(ran.code, 0);
        assert_eq!(home.run("account set acne access key --yes").await.code, 2);

        let mut report = testing::report();
        report.config.as_mut().unwrap().accounts[0].access = Access::Key;
        let home = Home::new().with_report(&report);
        std::fs::create_dir_all(home.paths.config_dir()).unwrap();
        std::fs::write(
            home.paths.config_file(),
            "[accounts.acme]\naccess = 'key'\n",
        )
        .unwrap();
        let ran = home.run("account set acme access key").await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "nothing changes");
    }
}
