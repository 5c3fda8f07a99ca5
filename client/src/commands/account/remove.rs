//! `loopdesk account remove`: removes an account from the configuration, once it is logged out.

use loopdesk_protocol::config::Source;
use loopdesk_protocol::session::{LOGOUT, LogoutRequest};
use loopdesk_protocol::status::{self, State, Status};
use loopdesk_protocol::{Kind, Problem};

use crate::args::account::AccountRemoveArgs;
use crate::config_change;
use crate::config_file::ConfigEdit;
use crate::config_report::valid_config;
use crate::context::Context;
use crate::error::CliError;
use crate::problems::unknown_account;
use crate::ui::output::Output;
use crate::ui::text::count;

pub(super) async fn run(
    args: &AccountRemoveArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let name = &args.name;
    let report = context.link.check_config(None).await?;
    let config = valid_config(&report)?;
    let known = || config.accounts.iter().map(|account| account.name.as_str());
    if !known().any(|known| known == name) {
        return Err(unknown_account(name, known()).into());
    }
    if let Some(at) = config.account_of_system(name) {
        return Err(set_by_admin(name, at).into());
    }
    let keys = end_session(args, context, output).await?;

    let mut edits = vec![ConfigEdit::RemoveAccount(name.clone())];
    // A single account is the default even without this key; then nothing is unset.
    let was_default = config.default_account.as_ref() == Some(name);
    if was_default {
        edits.push(ConfigEdit::Unset(vec!["default-account".to_owned()]));
    }
    let changed = config_change::apply(context, vec![edits]).await?;
    output.result(&changed, || {
        changed.text(&format!("Removed account `{name}`"))
    })?;
    let others: Vec<_> = known().filter(|known| known != name).collect();
    if was_default && others.len() > 1 {
        output.warn(format!(
            "there is no default account now. Run `loopdesk config set default-account {}`, or \
             choose another one.",
            others.first().unwrap_or(&"NAME")
        ));
    }
    if keys > 0 {
        output.warn(format!(
            "`{name}` still has {}, which no longer {}. Run `loopdesk key list`, then `loopdesk \
             key revoke NAME` for each.",
            count(keys, "local key", "local keys"),
            if keys == 1 { "works" } else { "work" },
        ));
    }
    changed.reload_result()
}

fn set_by_admin(name: &str, at: &Source) -> Problem {
    let message = format!(
        "account `{name}` is set up for all users of this machine, so you can't remove it: line {} of `{}`",
        at.line, at.path
    );
    Problem::new(Kind::Usage, message)
        .hint(format!("run `loopdesk logout {name}` to end your session"))
        .hint(format!(
            "run `loopdesk account set {name} KEY --unset` to undo a setting of your own"
        ))
}

/// Logs the account out. Returns how many local keys it has.
async fn end_session(
    args: &AccountRemoveArgs,
    context: &Context,
    output: &mut Output,
) -> Result<usize, CliError> {
    let client = match context.link.running().await? {
        Some(client) => client,
        None if has_records(context) => context.daemon(output).await?,
        None => return Ok(0),
    };
    let status: Status = client.get(status::CALL).await?;
    let mut accounts = status.accounts.iter();
    let Some(account) = accounts.find(|account| account.name == args.name) else {
        return Ok(0);
    };
    match account.state {
        State::SignedOut => return Ok(account.keys),
        // There is nothing left to revoke; the logout deletes the record.
        State::Ended => {}
        State::Active
        | State::Rotating
        | State::Doubtful
        | State::Unsaved
        | State::Unreachable
        | State::Blocked
        | State::KeyMissing
            if args.forget => {}
        State::Active
        | State::Rotating
        | State::Doubtful
        | State::Unsaved
        | State::Unreachable
        | State::Blocked
        | State::KeyMissing => {
            let message = format!("account `{}` is still logged in", args.name);
            return Err(Problem::new(Kind::Usage, message)
                .hint(format!(
                    "run `loopdesk logout {}`, then run this command again",
                    args.name
                ))
                .into());
        }
    }
    let request = LogoutRequest {
        account: Some(args.name.clone()),
        forget: true,
    };
    client.post(LOGOUT, &request).await?;
    Ok(account.keys)
}

fn has_records(context: &Context) -> bool {
    std::fs::read_dir(context.paths.sessions_dir()).is_ok_and(|mut dir| dir.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Daemon, Home};
    use loopdesk_protocol::call::Empty;
    use loopdesk_protocol::config::{Layer, RELOAD};
    use loopdesk_protocol::session::LoggedOut;

    fn home() -> Home {
        let home = Home::new().with_report(&testing::report());
        std::fs::create_dir_all(home.paths.config_dir()).unwrap();
        std::fs::write(
            home.paths.config_file(),
            "default-account = \"acme\"\n\n[accounts.acme]\n\n[accounts.sandbox]\n",
        )
        .unwrap();
        home
    }

    fn text(home: &Home) -> String {
        std::fs::read_to_string(home.paths.config_file()).unwrap()
    }

    fn daemon(home: &Home, state: State) -> Daemon {
        let mut status = testing::status();
        status.accounts[0].state = state;
        let logged_out = LoggedOut {
            account: "acme".to_owned(),
            person: Some(testing::ada()),
            revoked: false,
        };
        Daemon::new(home)
            .json(status::CALL, &status)
            .json(LOGOUT, &logged_out)
            .json(RELOAD, &Empty {})
    }

    #[tokio::test]
    async fn a_session_is_not_left_behind() {
        let home = home();
        let daemon = daemon(&home, State::Active).serve();
        let ran = home.run("account remove acme").await;
        assert_eq!(ran.code, 2);
        assert!(
            ran.err.contains("run `loopdesk logout acme`"),
            "{}",
            ran.err
        );
        assert!(daemon.asked(LOGOUT).is_empty());
        assert!(text(&home).contains("[accounts.acme]"));

        let ran = home.run("account remove acme --forget").await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        let (_, body) = daemon.asked(LOGOUT).remove(0);
        assert_eq!(body, r#"{"account":"acme","forget":true}"#);
        assert_eq!(text(&home), "\n[accounts.sandbox]\n");
    }

    #[tokio::test]
    async fn d2_keys_that_are_left_without_an_account_are_pointed_out() {
        for (keys, said) in [
            (0, ""),
            (1, "`acme` still has 1 local key, which no longer works"),
            (2, "2 local keys"),
        ] {
            let home = home();
            let mut status = testing::status();
            status.accounts[0].state = State::SignedOut;
            status.accounts[0].keys = keys;
            let _daemon = Daemon::new(&home)
                .json(status::CALL, &status)
                .json(RELOAD, &Empty {})
                .serve();
            let ran = home.run("account remove acme").await;
            assert_eq!(ran.code, 0, "{}", ran.err);
            assert!(ran.err.contains(said), "{}", ran.err);
            assert_eq!(
                ran.err.contains("loopdesk key revoke"),
                keys > 0,
                "{}",
                ran.err
            );
        }
    }

    #[tokio::test]
    async fn the_machines_account_is_not_the_users_to_add_or_to_remove() {
        let mut report = testing::report();
        let system = Source {
            layer: Layer::System,
            path: "/etc/loopdesk/config.toml".to_owned(),
            line: 7,
        };
        let config = report.config.as_mut().unwrap();
        let key = "accounts.acme.subdomain".to_owned();
        config.sources.insert(key, system);
        let home = Home::new().with_report(&report);
        for (line, fix) in [
            ("remove acme --forget", "`loopdesk logout acme`"),
            ("add acme --url https://x --client-id c", "account set acme"),
        ] {
            let ran = home.run(&format!("account {line}")).await;
            assert_eq!(ran.code, 2, "{line}");
            let place = "line 7 of `/etc/loopdesk/config.toml`";
            assert!(
                ran.err.contains(place) && ran.err.contains(fix),
                "{}",
                ran.err
            );
            assert!(!home.paths.config_file().exists());
        }
        // But settings of one's own can be laid over it, and nothing else is written down.
        for (line, text) in [
            ("port 8491", "[accounts.acme]\nport = 8491\n"),
            (
                "read-only-grant true",
                "[accounts.acme]\nport = 8491\nread-only-grant = true\n",
            ),
            ("port --unset", "[accounts.acme]\nread-only-grant = true\n"),
        ] {
            let ran = home.run(&format!("account set acme {line}")).await;
            assert_eq!(ran.code, 0, "{}", ran.err);
            assert_eq!(self::text(&home), text, "{line}");
        }
        assert_eq!(home.run("account set acne port 8491").await.code, 2);
    }

    #[tokio::test]
    async fn without_a_session_the_account_just_goes() {
        for (state, logouts) in [(State::SignedOut, 0), (State::Ended, 1)] {
            let home = home();
            let daemon = daemon(&home, state).serve();
            let ran = home.run("account remove acme --json").await;
            assert_eq!(ran.code, 0, "{}", ran.err);
            assert_eq!(ran.json()["reloaded"], true);
            assert_eq!(daemon.asked(LOGOUT).len(), logouts, "{state:?}");
        }
        let home = home();
        assert_eq!(home.run("account remove sandbox").await.code, 0);
        assert!(!text(&home).contains("sandbox"));
        assert_eq!(home.run("account remove acne").await.code, 2);
    }
}
