//! `loopdesk config`: checks, shows and changes the configuration.

mod allow_hosts;
mod edit;

use std::path::{Path, PathBuf};

use loopdesk_protocol::call::Empty;
use loopdesk_protocol::config::{Layer, RELOAD, Report, ReportFile};
use loopdesk_protocol::{Kind, Problem};
use serde::Serialize;

use crate::args::config::{ConfigCheckArgs, ConfigCommand, ConfigSetArgs};
use crate::config_change::{self, ConfigChange, alternatives};
use crate::config_report::{
    diagnostic, effective, error_files, error_list, file_of, used_files, valid_config,
};
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;
use crate::ui::text::{GOOD, Text, WARN, count};

pub(crate) async fn run(
    command: &ConfigCommand,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    match command {
        ConfigCommand::Check(args) => check(args, context, output).await,
        ConfigCommand::Path => path(context, output).await,
        ConfigCommand::Show => show(context, output).await,
        ConfigCommand::Set(args) => set(args, context, output).await,
        ConfigCommand::Edit => edit::run(context, output).await,
        ConfigCommand::Reload => reload(context, output).await,
    }
}

async fn check(
    args: &ConfigCheckArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let absolute = |file: &PathBuf| std::path::absolute(file).unwrap_or_else(|_| file.clone());
    let file = args.file.as_ref().map(absolute);
    let report = context.link.check_config(file.as_deref()).await?;
    output.result(&report, || checked(&report))?;
    if report.errors.is_empty() {
        Ok(())
    } else {
        Err(CliError::Reported(Kind::Config))
    }
}

fn checked(report: &Report) -> Text {
    if !report.errors.is_empty() {
        let files = error_files(report).join(" and ");
        return error_list(report).plain(format!(
            " in {files}. A running daemon keeps using the last good configuration."
        ));
    }
    let files = used_files(report);
    let accounts = report.config.as_ref().map_or(0, |c| c.accounts.len());
    if files.is_empty() {
        return Text::new().plain(format!(
            "`{}` doesn't exist, so all settings have their defaults and there are no accounts.\n\
             Run `loopdesk account add` to add one.",
            report.path
        ));
    }
    let mut text = Text::new();
    for warning in &report.warnings {
        let place = diagnostic(file_of(report, warning), warning);
        text = text.styled(WARN, "Warning:").plain(" ").then(&place).end();
    }
    text.styled(GOOD, "No errors").plain(format!(
        " in {}, which has {}.",
        files.join(" over "),
        count(accounts, "account", "accounts")
    ))
}

async fn path(context: &Context, output: &mut Output) -> Result<(), CliError> {
    let path = context.paths.config_file();
    // Only the daemon's program knows where the machine-wide file is.
    let report = context.link.check_config(None).await;
    let files = report.map(|report| report.files).unwrap_or_default();
    let location = ConfigPathOutput {
        path: &path,
        exists: path.exists(),
        files: &files,
    };
    output.result(&location, || located(&location))
}

#[derive(Serialize)]
struct ConfigPathOutput<'a> {
    path: &'a Path,
    exists: bool,
    files: &'a [ReportFile],
}

/// The user's file comes first, so that scripts can take the first line.
fn located(location: &ConfigPathOutput<'_>) -> Text {
    let text = Text::from(location.path.to_string_lossy());
    let mut files = location.files.iter();
    match files.find(|file| file.layer == Layer::System && file.exists) {
        Some(file) => text.end().plain(&file.path),
        None => text,
    }
}

async fn show(context: &Context, output: &mut Output) -> Result<(), CliError> {
    let report = context.link.check_config(None).await?;
    let config = valid_config(&report)?;
    output.result(config, || effective::text(config, &used_files(&report)))
}

async fn set(
    args: &ConfigSetArgs,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let setting = &args.setting;
    if allow_hosts::requires_key(setting) {
        allow_hosts::confirm_refusals(args, context, output).await?;
    }
    let changed = config_change::apply(context, alternatives(&[], setting)).await?;
    let done = match &setting.value {
        Some(value) => format!("Set `{}` to {value}", setting.key),
        None => format!("Removed `{}`", setting.key),
    };
    output.result(&changed, || changed.text(&done))?;
    changed.reload_result()
}

async fn reload(context: &Context, output: &mut Output) -> Result<(), CliError> {
    let Some(client) = context.link.running().await? else {
        return Err(Problem::new(
            Kind::Daemon,
            "loopdesk isn't running, so it can't reload the configuration",
        )
        .hint("run `loopdesk wait` to start it with the current configuration")
        .into());
    };
    client.post(RELOAD, &Empty {}).await?;
    let reloaded = ConfigChange::reloaded(&context.paths.config_file());
    output.result(&reloaded, || {
        Text::from(format!("The daemon has loaded `{}`.", reloaded.path()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Daemon, Home};
    use loopdesk_protocol::call::Empty;
    use loopdesk_protocol::config::Diagnostic;

    fn wrong() -> Report {
        Report {
            path: "/home/ada/config.toml".to_owned(),
            exists: true,
            files: Vec::new(),
            warnings: Vec::new(),
            errors: vec![
                Diagnostic {
                    path: "/home/ada/config.toml".to_owned(),
                    line: 3,
                    column: 1,
                    message: "unknown key `prot`: did you mean `port`?".to_owned(),
                    snippet: "3 | prot = 1\n  | ^^^^".to_owned(),
                },
                Diagnostic {
                    path: "/home/ada/config.toml".to_owned(),
                    line: 9,
                    column: 8,
                    message: "`x` isn't a port".to_owned(),
                    snippet: "9 | port = \"x\"\n  |        ^^^".to_owned(),
                },
            ],
            config: None,
        }
    }

    #[tokio::test]
    async fn every_error_is_shown_with_its_place() {
        let home = Home::new().with_report(&wrong());
        let ran = home.run("config check").await;
        assert_eq!((ran.code, ran.err.as_str()), (3, ""));
        insta::assert_snapshot!(ran.out, @r#"
        /home/ada/config.toml:3:1: unknown key `prot`: did you mean `port`?
            3 | prot = 1
              | ^^^^

        /home/ada/config.toml:9:8: `x` isn't a port
            9 | port = "x"
              |        ^^^

        2 errors in `/home/ada/config.toml`. A running daemon keeps using the last good configuration.
        "#);
        let ran = home.run("config check --json").await;
        assert_eq!(ran.code, 3);
        assert_eq!(ran.json()["errors"][1]["column"], 8);
        // Commands that need the configuration say the same, as their own failure.
        let ran = home.run("account list").await;
        assert_eq!((ran.code, ran.out.as_str()), (3, ""));
        insta::assert_snapshot!(ran.err, @r#"
        error: the configuration `/home/ada/config.toml` can't be used:
          3:1: unknown key `prot`: did you mean `port`?
            3 | prot = 1
              | ^^^^
          9:8: `x` isn't a port
            9 | port = "x"
              |        ^^^
        Hint: correct the file, then run `loopdesk config check`
        "#);
    }

    #[tokio::test]
    async fn a_good_file_and_a_missing_one_are_told_apart() {
        let home = Home::new().with_report(&testing::report());
        let ran = home.run("config check").await;
        assert_eq!(ran.code, 0);
        assert_eq!(
            ran.out,
            "No errors in `/home/ada/.config/loopdesk/config.toml`, which has 2 accounts.\n"
        );
        let mut missing = testing::report();
        missing.exists = false;
        missing.config.as_mut().unwrap().accounts.clear();
        let home = Home::new().with_report(&missing);
        let ran = home.run("config check").await;
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains("`loopdesk account add`"), "{}", ran.out);
        let ran = home.run("account list").await;
        assert!(ran.out.contains("account add acme"), "{}", ran.out);
    }

    #[tokio::test]
    async fn path_show_and_reload_say_what_is_in_use() {
        let home = Home::new().with_report(&testing::report());
        let path = home.paths.config_file();
        let ran = home.run("config path").await;
        assert_eq!(ran.out, format!("{}\n", path.display()));
        let ran = home.run("config path --json").await;
        assert_eq!(ran.json()["exists"], false);
        let ran = home.run("config show --json").await;
        assert_eq!(ran.json()["accounts"][1]["port"], 8490);
        assert_eq!(home.run("config reload").await.code, 6);
        let daemon = Daemon::new(&home).json(RELOAD, &Empty {}).serve();
        let ran = home.run("config reload").await;
        assert_eq!((ran.code, daemon.asked(RELOAD).len()), (0, 1));
        assert!(ran.out.contains("has loaded"), "{}", ran.out);
    }
}
