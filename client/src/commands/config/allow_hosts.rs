//! `loopdesk config set allow-hosts`: shows which programs it would lock out, and asks.

use loopdesk_protocol::key::{CALLERS, Callers, OfAccount};
use loopdesk_protocol::{Kind, Problem};

use crate::args::config::{ConfigSetArgs, SettingArgs};
use crate::config_file::values;
use crate::context::Context;
use crate::error::CliError;
use crate::labels::callers;
use crate::ui::confirm;
use crate::ui::output::Output;
use crate::ui::text::Text;

/// Whether the setting makes every program that connects by TCP need a key.
pub(super) fn requires_key(setting: &SettingArgs) -> bool {
    let value = setting.value.as_deref();
    let values = value.map(|value| values(KEY, value)).unwrap_or_default();
    let first = values.first().map(ToString::to_string);
    setting.key == KEY && first.is_some_and(|first| first.trim() != "[]")
}

/// Asks before locking out programs that are served today; lists them if a daemon knows them.
pub(super) async fn confirm_refusals(
    args: &ConfigSetArgs,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let report = context.link.check_config(None).await?;
    let accounts = match report.config {
        Some(config) if !config.allow_hosts.is_empty() => return Ok(()),
        Some(config) => config.accounts.into_iter().map(|a| Some(a.name)).collect(),
        // With errors it can't tell; they are reported when the change is made.
        None => vec![None],
    };
    match context.link.running().await? {
        Some(client) => {
            for account in accounts {
                let request = OfAccount { account };
                let served: Callers = client.post(CALLERS, &request).await?;
                output.note(&callers::table(
                    &served.account,
                    &served.callers,
                    &context.clock,
                ));
            }
        }
        None => output.note(&Text::from(
            "loopdesk isn't running, so it isn't known which programs send no key.",
        )),
    }
    if args.yes {
        return Ok(());
    }
    let question = "Make loopdesk refuse programs that connect by TCP and send no key? [y/N] ";
    match confirm::yes_or_no(question, false, &mut context.keyboard, output).await? {
        Some(true) => Ok(()),
        Some(false) => Err(Problem::new(Kind::Usage, "nothing was changed")
            .hint("first run `loopdesk key create NAME --scope tickets:read` for each script")
            .into()),
        None => Err(Problem::new(
            Kind::Usage,
            "with `allow-hosts`, loopdesk would refuse programs that connect by TCP and send no key, \
             and there is no terminal to ask on",
        )
        .hint("run the command with `--yes`")
        .into()),
    }
}

const KEY: &str = "allow-hosts";

#[cfg(test)]
mod tests {
    use loopdesk_protocol::call::Empty;
    use loopdesk_protocol::config::RELOAD;
    use loopdesk_protocol::key::{KeylessCaller, Use};

    use super::*;
    use crate::testing::{Daemon, home_with_checker};

    #[tokio::test]
    async fn d1_who_would_be_refused_by_allow_hosts_is_shown_and_asked_about() {
        let home = home_with_checker();
        std::fs::create_dir_all(home.paths.config_dir()).unwrap();
        let callers = Callers {
            account: "acme".to_owned(),
            callers: vec![KeylessCaller {
                last: Use {
                    at: "2026-11-23T16:57:00Z".parse().unwrap(),
                    process: Some("python3 report.py (4711)".to_owned()),
                },
                requests: 3,
            }],
        };
        let daemon = Daemon::new(&home)
            .json(CALLERS, &callers)
            .json(RELOAD, &Empty {})
            .serve();
        let line = "config set allow-hosts host.docker.internal:8484";
        let ran = home.run_typing(line, "\n").await;
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
        assert!(
            ran.err.contains("programs that connect by TCP"),
            "{}",
            ran.err
        );
        assert!(daemon.asked(RELOAD).is_empty());
        assert!(!home.paths.config_file().exists());
        let ran = home.run(line).await;
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("--yes"), "{}", ran.err);
        for line in [
            "config set allow-hosts host.docker.internal:8484 --yes",
            "config set allow-hosts []",
            "config set allow-hosts --unset",
        ] {
            let ran = home.run(line).await;
            assert_eq!(ran.code, 0, "{line}: {}", ran.err);
        }
    }
}
