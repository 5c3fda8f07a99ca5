//! `loopdesk man`: manual pages, generated from the texts of `--help` and from the guide.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use loopdesk_protocol::{Kind, Problem, VERSION};
use serde::Serialize;

use crate::args::groups::GROUPS;
use crate::args::shell::ManArgs;
use crate::args::{Cli, EXIT_CODES, NOTES};
use crate::error::{self, CliError};
use crate::guide::TOPICS;
use crate::ui::output::Output;
use crate::ui::text::{Text, count};

pub(crate) fn run(args: &ManArgs, output: &mut Output) -> Result<(), CliError> {
    let main = built();
    match &args.dir {
        None => {
            let page = page(&main).map_err(|e| unwritable(&e))?;
            if output.is_json() {
                output.json_line(&ManPageOutput { page })
            } else {
                output.file(page.as_bytes())
            }
        }
        Some(dir) => {
            let paths = write(&main, dir)?;
            output.result(&ManFilesOutput { paths: &paths }, || {
                let pages = count(paths.len(), "page", "pages");
                Text::from(format!("Wrote {pages} to `{}`.", dir.display()))
            })
        }
    }
}

#[derive(Serialize)]
struct ManPageOutput {
    page: String,
}

#[derive(Serialize)]
struct ManFilesOutput<'a> {
    paths: &'a [PathBuf],
}

/// All commands except `help`, with their full names.
fn built() -> Command {
    let mut main = Cli::command().disable_help_subcommand(true);
    main.build();
    main
}

fn write(main: &Command, dir: &Path) -> Result<Vec<PathBuf>, Problem> {
    std::fs::create_dir_all(dir).map_err(|e| {
        error::file(Kind::Usage, "make the folder", dir, &e).hint("name another folder")
    })?;
    let mut paths = Vec::new();
    let mut rest = vec![main];
    while let Some(command) = rest.pop() {
        rest.extend(command.get_subcommands());
        let page = page(command).map_err(|e| unwritable(&e))?;
        paths.push(save(dir, format!("{}.1", file_name(command)), &page)?);
    }
    for topic in TOPICS {
        let name = format!("{}.7", topic.page_name());
        paths.push(save(dir, name, &topic.manual())?);
    }
    paths.sort();
    Ok(paths)
}

fn save(dir: &Path, name: String, page: &str) -> Result<PathBuf, Problem> {
    let path = dir.join(name);
    std::fs::write(&path, page).map_err(|e| {
        error::file(Kind::Usage, "write", &path, &e).hint("name a folder that you can write to")
    })?;
    Ok(path)
}

/// `loopdesk-account-add`.
fn file_name(command: &Command) -> String {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned()
}

fn page(command: &Command) -> io::Result<String> {
    let man = clap_mangen::Man::new(command.clone())
        .title(file_name(command).to_uppercase())
        .source(format!("loopdesk {VERSION}"))
        .manual("loopdesk");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let is_main = command.get_name() == file_name(command);
    if command.has_subcommands() {
        section(&mut page, "COMMANDS", &commands(command))?;
    }
    if !is_main && let Some(more) = command.get_after_long_help() {
        section(&mut page, "OUTPUT", &more.to_string())?;
    }
    section(&mut page, "EXIT STATUS", EXIT_CODES)?;
    if is_main {
        section(&mut page, "NOTES", NOTES)?;
        section(&mut page, "SEE ALSO", &topics())?;
    } else {
        section(&mut page, "SEE ALSO", "loopdesk(1)")?;
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// The commands below `command`, those of the main page by their groups.
fn commands(command: &Command) -> String {
    let row = |one: &Command| {
        let about = one.get_about().map(ToString::to_string);
        let name = file_name(one);
        format!("  {name}(1)\n      {}", about.unwrap_or_default())
    };
    let rows = |names: &[&str]| {
        let found = names
            .iter()
            .filter_map(|name| command.find_subcommand(name));
        found.map(row).collect::<Vec<_>>().join("\n")
    };
    if command.get_name() != file_name(command) {
        let rows = command.get_subcommands().map(row);
        return rows.collect::<Vec<_>>().join("\n");
    }
    let groups = GROUPS
        .iter()
        .map(|(heading, names)| format!("{heading}:\n{}", rows(names)));
    groups.collect::<Vec<_>>().join("\n\n")
}

/// The pages of the guide.
fn topics() -> String {
    let rows = TOPICS
        .iter()
        .map(|topic| format!("{}(7)\n    {}", topic.page_name(), topic.summary()));
    rows.collect::<Vec<_>>().join("\n")
}

/// Paragraphs that the reader's terminal wraps; indented lines stay as they are.
fn section(page: &mut Vec<u8>, name: &str, text: &str) -> io::Result<()> {
    writeln!(page, ".SH \"{name}\"")?;
    let mut is_literal = false;
    for line in text.lines() {
        let stays = line.starts_with(' ');
        if stays != is_literal {
            writeln!(page, "{}", if stays { ".nf" } else { ".fi" })?;
            is_literal = stays;
        }
        if line.is_empty() {
            writeln!(page, ".PP")?;
            continue;
        }
        // A backslash starts an escape, a dot or quote at the start of a line a request.
        let escaped = line.replace('\\', "\\e").replace('-', "\\-");
        let guard = if line.starts_with(['.', '\'']) {
            "\\&"
        } else {
            ""
        };
        writeln!(page, "{guard}{escaped}")?;
        if !stays {
            writeln!(page, ".br")?;
        }
    }
    if is_literal {
        writeln!(page, ".fi")?;
    }
    Ok(())
}

fn unwritable(error: &io::Error) -> Problem {
    Problem::new(
        Kind::Internal,
        format!("failed to generate the manual: {error}"),
    )
    .hint("run `loopdesk help`")
}

#[cfg(test)]
mod tests {
    use crate::testing::Home;

    #[tokio::test]
    async fn the_main_page_has_the_exit_codes_and_the_commands() {
        let home = Home::new();
        let ran = home.run("man").await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        for part in [
            ".TH LOOPDESK 1  \"loopdesk ",
            ".SH \"EXIT STATUS\"",
            "  70  a bug in loopdesk",
            "loopdesk\\-unlock(1)",
            "client/schemas",
            "loopdesk\\-keys(7)",
        ] {
            assert!(ran.out.contains(part), "{part}: {}", ran.out);
        }
        assert_eq!(home.run("man --json").await.json()["page"], ran.out);
    }

    #[tokio::test]
    async fn every_command_gets_a_page_of_its_own() {
        let home = Home::new();
        let dir = home.path("man/man1");
        let ran = home.run(&format!("man {}", dir.display())).await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let ran = home.run(&format!("man {} --json", dir.display())).await;
        let paths = ran.json()["paths"].as_array().unwrap().len();
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), paths);
        for (name, part) in [
            ("loopdesk.1", "loopdesk\\-config(1)"),
            ("loopdesk-login.1", "\\-\\-client\\-secret\\-stdin"),
            ("loopdesk-config-edit.1", "VISUAL"),
            ("loopdesk-account-add.1", "EXIT STATUS"),
            ("loopdesk-key-create.1", "loopdesk key create exporter"),
            ("loopdesk-key.1", "loopdesk\\-key\\-revoke(1)"),
            ("loopdesk-explain.1", "update_many"),
            ("loopdesk-guide.1", "troubleshooting"),
            ("loopdesk-keys.7", "nightly\\-report"),
        ] {
            let page = std::fs::read_to_string(dir.join(name)).unwrap();
            assert!(page.contains(part), "{name}: {page}");
        }
        assert!(!dir.join("loopdesk-help.1").exists());
        let ran = home.run("man /dev/null/man1").await;
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("Hint:"), "{}", ran.err);
    }
}
