//! Changes of the configuration: checked before they are saved, then loaded by the daemon.

use std::path::Path;

use loopdesk_protocol::call::Empty;
use loopdesk_protocol::config::{RELOAD, Report};
use loopdesk_protocol::{Kind, Problem};
use serde::Serialize;

use crate::args::config::SettingArgs;
use crate::config_file::{ConfigEdit, ConfigFile, parse, values};
use crate::context::Context;
use crate::error::{self, CliError};
use crate::ui::text::Text;

/// A change that was saved.
#[derive(Debug, Serialize)]
pub(crate) struct ConfigChange {
    path: String,
    /// Whether a running daemon uses the change.
    reloaded: bool,
    #[serde(skip)]
    report: Option<Report>,
    #[serde(skip)]
    not_reloaded: Option<Problem>,
}

impl ConfigChange {
    pub(crate) fn reloaded(path: &Path) -> Self {
        Self {
            reloaded: true,
            ..Self::unchanged(path)
        }
    }

    pub(crate) fn unchanged(path: &Path) -> Self {
        Self {
            path: path.to_string_lossy().into_owned(),
            reloaded: false,
            report: None,
            not_reloaded: None,
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The configuration after the change.
    pub(crate) fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// What was done, where, and whether the daemon uses it.
    pub(crate) fn text(&self, done: &str) -> Text {
        let daemon = if self.reloaded {
            " The daemon has loaded it."
        } else {
            ""
        };
        Text::from(format!("{done} in `{}`.{daemon}", self.path))
    }

    /// Fails if a running daemon couldn't load the change.
    pub(crate) fn reload_result(self) -> Result<(), CliError> {
        match self.not_reloaded {
            None => Ok(()),
            Some(mut problem) => {
                problem.message = format!(
                    "the change is saved, but the daemon couldn't load it: {}",
                    problem.message
                );
                Err(problem.hint("run `loopdesk config reload`").into())
            }
        }
    }
}

/// What a setting's new value may mean, most likely first.
pub(crate) fn alternatives(tables: &[&str], setting: &SettingArgs) -> Vec<Vec<ConfigEdit>> {
    let keys = tables.iter().copied().chain(setting.key.split('.'));
    let keys: Vec<String> = keys.map(ToOwned::to_owned).collect();
    match &setting.value {
        None => vec![vec![ConfigEdit::Unset(keys)]],
        Some(value) => values(&setting.key, value)
            .into_iter()
            .map(|value| vec![ConfigEdit::Set(keys.clone(), value)])
            .collect(),
    }
}

/// Makes the first of `alternatives` that leaves the configuration without errors.
pub(crate) async fn apply(
    context: &Context,
    alternatives: Vec<Vec<ConfigEdit>>,
) -> Result<ConfigChange, CliError> {
    let path = context.paths.config_file();
    let file = open(&path).await?;
    let report = write(context, &file, &alternatives).await?;
    drop(file);
    Ok(reload_daemon(context, &path, report).await)
}

/// Makes a running daemon load the changed file.
pub(crate) async fn reload_daemon(context: &Context, path: &Path, report: Report) -> ConfigChange {
    let told = match context.link.running().await {
        Ok(Some(client)) => client
            .post(RELOAD, &Empty {})
            .await
            .map(|_| true)
            .map_err(error::from_daemon),
        Ok(None) => Ok(false),
        Err(problem) => Err(problem),
    };
    let path = path.to_string_lossy().into_owned();
    ConfigChange {
        reloaded: matches!(told, Ok(true)),
        not_reloaded: told.err(),
        report: Some(Report {
            path: path.clone(),
            ..report
        }),
        path,
    }
}

/// Opens the file and locks it until the returned value is dropped.
pub(crate) async fn open(path: &Path) -> Result<ConfigFile, Problem> {
    // May block: another command may hold the lock for a moment.
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || ConfigFile::open(&path))
        .await
        .map_err(|e| Problem::new(Kind::Internal, e.to_string()))?
}

async fn write(
    context: &Context,
    file: &ConfigFile,
    alternatives: &[Vec<ConfigEdit>],
) -> Result<Report, Problem> {
    let mut first = None;
    for edits in alternatives {
        let mut document = parse(file.text())?;
        for edit in edits {
            edit.apply(&mut document)?;
        }
        let draft = file.draft(&document.to_string())?;
        let mut report = context.link.check_config(Some(draft.path())).await?;
        let (name, path) = (
            draft.path().to_string_lossy(),
            file.path().to_string_lossy(),
        );
        for error in &mut report.errors {
            error.message = error.message.replace(&*name, &path);
        }
        if report.errors.is_empty() {
            draft.replace()?;
            return Ok(report);
        }
        first.get_or_insert(report);
    }
    match first {
        Some(report) => Err(refused(context, file, &report).await),
        None => Err(Problem::new(Kind::Internal, "no change was given")),
    }
}

/// Why the change was refused: because of the change, or because of errors the file already had.
async fn refused(context: &Context, file: &ConfigFile, report: &Report) -> Problem {
    let before = context.link.check_config(None).await;
    let old: Vec<_> = before.map(|before| before.errors).unwrap_or_default();
    let is_old = |message: &str| old.iter().any(|error| error.message == message);
    let mut messages: Vec<_> = report.errors.iter().map(|e| e.message.as_str()).collect();
    messages.retain(|message| !is_old(message));
    if messages.is_empty() {
        let message = format!(
            "nothing was changed, since `{}` already has errors",
            file.path().display()
        );
        return Problem::new(Kind::Config, message)
            .hint("run `loopdesk config check`, correct the file, then run this command again");
    }
    let message = format!("nothing was changed: {}", messages.join("\n  and: "));
    Problem::new(Kind::Config, message)
        .hint("run the command with another value; `loopdesk config show` shows the current ones")
}

#[cfg(test)]
mod tests {
    use loopdesk_protocol::call::Empty;
    use loopdesk_protocol::config::RELOAD;

    use crate::testing::{Daemon, Home, home_with_checker};

    fn config(home: &Home) -> String {
        std::fs::read_to_string(home.paths.config_file()).unwrap_or_default()
    }

    #[tokio::test]
    async fn an_account_is_added_and_a_running_daemon_loads_it() {
        let home = home_with_checker();
        let line = "account add acme --subdomain acme --client-id loopdesk \
                    --scopes read,write --port 8490 --default";
        let ran = home.run(line).await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let expected = format!(
            "Added account acme (https://acme.zendesk.com) to `{}`.\nNext: loopdesk login acme\n",
            home.paths.config_file().display()
        );
        assert_eq!(ran.out, expected);
        insta::assert_snapshot!(config(&home), @r#"
        default-account = "acme"

        [accounts.acme]
        subdomain = "acme"
        client-id = "loopdesk"
        scopes = ["read", "write"]
        port = 8490
        "#);

        let ran = home.run(line).await;
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("`acme` already exists"), "{}", ran.err);

        let daemon = Daemon::new(&home).json(RELOAD, &Empty {}).serve();
        let line = "account add sandbox --subdomain acme-sandbox --client-id loopdesk --json";
        let ran = home.run(line).await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(ran.json()["reloaded"], true);
        assert_eq!(ran.json()["account"]["name"], "sandbox");
        assert_eq!(daemon.asked(RELOAD).len(), 1);
    }

    #[tokio::test]
    async fn a_refused_change_changes_nothing() {
        let home = home_with_checker();
        let ran = home.run("config set vault bad").await;
        assert_eq!(ran.code, 3);
        insta::assert_snapshot!(ran.err, @"
        error: nothing was changed: that is bad
        Hint: run the command with another value; `loopdesk config show` shows the current ones
        ");
        assert!(!home.paths.config_file().exists());

        std::fs::write(home.paths.config_file(), "# bad\n").unwrap();
        let ran = home.run("config set vault keyfile").await;
        assert_eq!(ran.code, 3);
        assert!(ran.err.contains("already has errors"), "{}", ran.err);
        assert_eq!(config(&home), "# bad\n");
        // A change that repairs the file is accepted.
        std::fs::write(home.paths.config_file(), "vault = \"bad\" # why\n").unwrap();
        assert_eq!(home.run("config set vault keyfile").await.code, 0);
        assert_eq!(config(&home), "vault = \"keyfile\" # why\n");
    }

    #[tokio::test]
    async fn a_number_becomes_text_where_text_is_expected() {
        let home = home_with_checker();
        std::fs::create_dir_all(home.paths.config_dir()).unwrap();
        std::fs::write(home.paths.config_file(), "[accounts.acme]\n").unwrap();
        for line in [
            "account set acme client-id 12345",
            "account set acme port 8490",
            "account set acme scopes read,tickets:write",
            "account set acme port --unset",
        ] {
            let ran = home.run(line).await;
            assert_eq!(ran.code, 0, "{line}: {}", ran.err);
        }
        insta::assert_snapshot!(config(&home), @r#"
        [accounts.acme]
        client-id = "12345"
        scopes = ["read", "tickets:write"]
        "#);
        let ran = home.run("account set acne port 8490").await;
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("loopdesk account list"), "{}", ran.err);
    }

    #[tokio::test]
    async fn a_daemon_that_refuses_to_reload_is_told_about() {
        use loopdesk_protocol::{Kind, Problem};
        let home = home_with_checker();
        let problem = Problem::new(Kind::Daemon, "port 8484 is taken");
        let _daemon = Daemon::new(&home).problem(RELOAD, &problem).serve();
        let ran = home.run("config set vault keyfile").await;
        assert_eq!(ran.code, 6);
        assert!(ran.out.starts_with("Set `vault` to keyfile"), "{}", ran.out);
        assert!(ran.err.contains("the change is saved"), "{}", ran.err);
        assert!(ran.err.contains("port 8484 is taken"), "{}", ran.err);
    }
}
