//! `loopdesk config edit`: opens the configuration in an editor, and checks it before saving.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use loopdesk_protocol::config::Report;
use loopdesk_protocol::{Kind, Problem};
use serde::Serialize;
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config_change::{ConfigChange, open, reload_daemon};
use crate::config_report::draft_errors;
use crate::context::{Context, Environment};
use crate::error::{self, CliError};
use crate::ui::output::Output;
use crate::ui::shell;
use crate::ui::text::Text;

pub(super) async fn run(context: &mut Context, output: &mut Output) -> Result<(), CliError> {
    let path = context.paths.config_file();
    // Not locked during editing: other commands may change the file, which is noticed at the end.
    let before = open(&path).await?.text().to_owned();
    let mut draft = EditorDraft::new(&path, &before)?;
    let Some((text, report)) = edited(&mut draft, &before, context, output).await? else {
        let edited = ConfigEditOutput {
            changed: false,
            result: &ConfigChange::unchanged(&path),
        };
        return output.result(&edited, || {
            Text::from(format!("Nothing was changed in `{}`.", path.display()))
        });
    };
    let file = open(&path).await?;
    if file.text() != before {
        let message = format!(
            "`{}` was changed by another program during editing",
            path.display()
        );
        return Err(draft.kept(Problem::new(Kind::Config, message)).into());
    }
    if let Err(problem) = file
        .draft(&text)
        .and_then(crate::config_file::ConfigDraft::replace)
    {
        return Err(draft.kept(problem).into());
    }
    drop((file, draft));
    let changed = reload_daemon(context, &path, report).await;
    let edited = ConfigEditOutput {
        changed: true,
        result: &changed,
    };
    output.result(&edited, || changed.text("Saved the changes"))?;
    changed.reload_result()
}

#[derive(Serialize)]
struct ConfigEditOutput<'a> {
    #[serde(flatten)]
    result: &'a ConfigChange,
    /// Whether the editor changed the text.
    changed: bool,
}

/// The edited text, once it has no errors; `None` if it is still `before`.
async fn edited(
    draft: &mut EditorDraft,
    before: &str,
    context: &mut Context,
    output: &mut Output,
) -> Result<Option<(String, Report)>, CliError> {
    let editor = Editor::named(&context.env)?;
    // Ctrl-C in the editor must not end this command.
    let mut interrupts = signal(SignalKind::interrupt())
        .map_err(|e| Problem::new(Kind::Internal, format!("can't wait for signals: {e}")))?;
    loop {
        if let Err(problem) = editor.edit(&draft.path, &mut interrupts).await {
            return Err(draft.kept_if_not(before, problem).into());
        }
        let text = draft.text()?;
        if text == before {
            return Ok(None);
        }
        let report = match context.link.check_config(Some(&draft.path)).await {
            Ok(report) if report.errors.is_empty() => return Ok(Some((text, report))),
            Ok(report) => report,
            Err(problem) => return Err(draft.kept(problem).into()),
        };
        output.note(&draft_errors(&report));
        if !again(context, &mut interrupts, output).await {
            let message = format!(
                "`{}` was not changed",
                context.paths.config_file().display()
            );
            return Err(draft.kept(Problem::new(Kind::Config, message)).into());
        }
    }
}

/// Asks whether to edit again. `false` without a terminal.
async fn again(context: &mut Context, interrupts: &mut Signal, output: &mut Output) -> bool {
    if !context.keyboard.is_terminal() || output.is_json() {
        return false;
    }
    output.prompt("Edit again? [Y/n] ");
    let answer = tokio::select! {
        answer = context.keyboard.next_line() => answer,
        _ = interrupts.recv() => return false,
    };
    match answer {
        Ok(Some(answer)) => !answer.trim().to_ascii_lowercase().starts_with('n'),
        Ok(None) | Err(_) => false,
    }
}

/// The user's editor and its options.
#[derive(Debug)]
struct Editor {
    program: String,
    options: Vec<String>,
}

impl Editor {
    /// Split at whitespace and run without a shell, so that nothing in it becomes a command.
    fn named(env: &Environment) -> Result<Self, Problem> {
        let named = |name| env(name).filter(|v| v.to_str().is_none_or(|v| !v.trim().is_empty()));
        let words = match named("VISUAL").or_else(|| named("EDITOR")) {
            Some(words) => words.into_string().map_err(|words| {
                let message = format!("the name of the editor, `{}`, isn't UTF-8", words.display());
                Problem::new(Kind::Usage, message).hint(SET_EDITOR)
            })?,
            // POSIX guarantees it.
            None => "vi".to_owned(),
        };
        let mut words = words.split_whitespace().map(ToOwned::to_owned);
        Ok(Self {
            program: words.next().unwrap_or_default(),
            options: words.collect(),
        })
    }

    async fn edit(&self, file: &Path, interrupts: &mut Signal) -> Result<(), Problem> {
        let failed = |what: String| {
            Problem::new(Kind::Usage, format!("the editor `{}` {what}", self.program))
                .hint(SET_EDITOR)
        };
        let mut child = Command::new(&self.program)
            .args(&self.options)
            .arg(file)
            .spawn()
            .map_err(|e| failed(format!("can't be started: {e}")))?;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                _ = interrupts.recv() => {}
            }
        };
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(format!("failed ({status})"))),
            Err(error) => Err(failed(format!("can't be waited for: {error}"))),
        }
    }
}

/// The file that is edited; deleted on drop unless kept.
#[derive(Debug)]
struct EditorDraft {
    path: PathBuf,
    config: PathBuf,
    keep: bool,
}

impl EditorDraft {
    /// Next to the configuration, so that relative paths mean the same, and with the same
    /// extension, so that editors recognise it.
    fn new(config: &Path, text: &str) -> Result<Self, Problem> {
        let name = format!("config.draft-{}.toml", std::process::id());
        let path = config.with_file_name(name);
        let write = || {
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(text.as_bytes())
        };
        write().map_err(|e| {
            error::file(Kind::Config, "write", &path, &e)
                .hint("if the folder is read-only, edit the source that the file is generated from")
        })?;
        Ok(Self {
            config: config.to_owned(),
            path,
            keep: false,
        })
    }

    fn text(&mut self) -> Result<String, Problem> {
        std::fs::read_to_string(&self.path)
            .map_err(|e| self.kept(error::file(Kind::Config, "read", &self.path, &e)))
    }

    /// Keeps the draft, and says where it is.
    fn kept(&mut self, mut problem: Problem) -> Problem {
        self.keep = true;
        let quoted = |path: &Path| shell::quote(&path.to_string_lossy()).into_owned();
        let (draft, config) = (quoted(&self.path), quoted(&self.config));
        problem.message = format!(
            "{}; your draft is in `{}`",
            problem.message,
            self.path.display()
        );
        problem.hint(format!(
            "correct the draft, run `loopdesk config check {draft}`, then `mv {draft} {config}`"
        ))
    }

    fn kept_if_not(&mut self, before: &str, problem: Problem) -> Problem {
        match std::fs::read_to_string(&self.path) {
            Ok(text) if text == before => problem,
            Ok(_) | Err(_) => self.kept(problem),
        }
    }
}

impl Drop for EditorDraft {
    fn drop(&mut self) {
        if !self.keep {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

const SET_EDITOR: &str = "set VISUAL or EDITOR to an editor that runs until you close the file, such as \
                          `nano` or `code --wait`";

#[cfg(test)]
mod tests {
    use crate::testing::{Daemon, Home, Ran, home_with_checker, script};
    use loopdesk_protocol::call::Empty;
    use loopdesk_protocol::config::RELOAD;

    /// An editor that runs `body` in a shell on the file `$1`.
    fn home(body: &str) -> Home {
        let home = home_with_checker();
        std::fs::create_dir_all(home.paths.config_dir()).unwrap();
        std::fs::write(home.paths.config_file(), "# mine\n").unwrap();
        let editor = home.path("my-editor");
        script(&editor, body);
        home.with_var("EDITOR", editor.display().to_string())
    }

    fn config(home: &Home) -> String {
        std::fs::read_to_string(home.paths.config_file()).unwrap()
    }

    fn drafts(home: &Home) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(home.paths.config_dir()).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| *path != home.paths.config_file());
        paths
    }

    fn masked(home: &Home, ran: &Ran) -> String {
        let dir = home.paths.config_dir().display().to_string();
        let pid = std::process::id().to_string();
        ran.err.replace(&dir, "[DIR]").replace(&pid, "[PID]")
    }

    #[tokio::test]
    async fn the_edited_text_is_saved_and_the_daemon_loads_it() {
        let home = home("echo 'vault = \"keyfile\"' >> \"$1\"");
        let daemon = Daemon::new(&home).json(RELOAD, &Empty {}).serve();
        let ran = home.run("config edit").await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let path = home.paths.config_file();
        let said = format!(
            "Saved the changes in `{}`. The daemon has loaded it.\n",
            path.display()
        );
        assert_eq!(ran.out, said);
        assert_eq!(config(&home), "# mine\nvault = \"keyfile\"\n");
        assert_eq!(daemon.asked(RELOAD).len(), 1);
        assert!(drafts(&home).is_empty());
        let json = home.run("config edit --json").await.json();
        assert_eq!(
            (&json["changed"], &json["reloaded"]),
            (&true.into(), &true.into())
        );
    }

    #[tokio::test]
    async fn nothing_edited_changes_nothing() {
        let home = home("true");
        let ran = home.run("config edit").await;
        assert_eq!(ran.code, 0);
        assert!(ran.out.starts_with("Nothing was changed"), "{}", ran.out);
        assert!(drafts(&home).is_empty());
        assert_eq!(
            home.run("config edit --json").await.json()["changed"],
            false
        );
    }

    #[tokio::test]
    async fn a_draft_with_errors_is_kept_without_a_terminal() {
        let home = home("echo bad >> \"$1\"");
        let ran = home.run("config edit").await;
        assert_eq!((ran.code, ran.out.as_str()), (3, ""));
        insta::assert_snapshot!(masked(&home, &ran), @"
        [DIR]/config.draft-[PID].toml:1:1: that is bad


        1 error in the draft.
        error: `[DIR]/config.toml` was not changed; your draft is in `[DIR]/config.draft-[PID].toml`
        Hint: correct the draft, run `loopdesk config check [DIR]/config.draft-[PID].toml`, then `mv [DIR]/config.draft-[PID].toml [DIR]/config.toml`
        ");
        assert_eq!(config(&home), "# mine\n");
        let draft = drafts(&home).remove(0);
        assert_eq!(std::fs::read_to_string(draft).unwrap(), "# mine\nbad\n");
    }

    #[tokio::test]
    async fn at_a_terminal_the_draft_can_be_corrected() {
        // Wrong at first, right the second time.
        let home =
            home("if grep -q bad \"$1\"; then echo '# good' > \"$1\"; else echo bad > \"$1\"; fi");
        let ran = home.run_typing("config edit", "\n").await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.err.contains("that is bad"), "{}", ran.err);
        assert!(ran.err.ends_with("Edit again? [Y/n] "), "{}", ran.err);
        assert_eq!(config(&home), "# good\n");
        let ran = home.run_typing("config edit", "n\n").await;
        assert_eq!(ran.code, 3);
        assert_eq!(
            (config(&home).as_str(), drafts(&home).len()),
            ("# good\n", 1)
        );
    }

    #[tokio::test]
    async fn a_change_by_another_program_is_not_overwritten() {
        let home =
            home("echo '# ours' >> \"$1\"; echo '# theirs' > \"$(dirname \"$1\")/config.toml\"");
        let ran = home.run("config edit").await;
        assert_eq!(ran.code, 3);
        assert!(
            ran.err.contains("was changed by another program"),
            "{}",
            ran.err
        );
        assert_eq!(config(&home), "# theirs\n");
        assert_eq!(drafts(&home).len(), 1);
    }

    #[tokio::test]
    async fn the_editor_is_no_shell_and_its_failure_says_what_to_set() {
        let home = home("printf '%s|' \"$@\" > \"$(dirname \"$0\")/argv\"; exit 1");
        let editor = home.path("my-editor").display().to_string();
        let home = home.with_var("VISUAL", format!("{editor}  -a $(id);x"));
        let ran = home.run("config edit").await;
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("failed (exit status: 1)"), "{}", ran.err);
        assert!(
            ran.err.contains("Hint: set VISUAL or EDITOR"),
            "{}",
            ran.err
        );
        let argv = std::fs::read_to_string(home.path("argv")).unwrap();
        assert!(argv.starts_with("-a|$(id);x|/"), "{argv}");
        assert!(drafts(&home).is_empty(), "nothing in it is worth keeping");
        let home = home.with_var("VISUAL", "/nowhere/editor");
        let ran = home.run("config edit").await;
        assert!(ran.err.contains("can't be started"), "{}", ran.err);
    }
}
