//! The user's guide: the pages in `client/guide`, as they are read on the project's site.

use loopdesk_protocol::VERSION;

use crate::markdown::{Document, roff};

/// One page of the guide.
#[derive(Debug)]
pub(crate) struct Topic {
    /// What is typed after `loopdesk guide`, and the name of the page's file.
    pub(crate) name: &'static str,
    /// The page, in Markdown: a title, a paragraph that sums it up in one line, then the sections.
    pub(crate) source: &'static str,
}

impl Topic {
    /// What the page tells, in one sentence.
    pub(crate) fn summary(&self) -> &'static str {
        self.source.lines().nth(2).unwrap_or_default()
    }

    /// The page's name as a manual page: `loopdesk-keys`.
    pub(crate) fn page_name(&self) -> String {
        format!("loopdesk-{}", self.name)
    }

    /// The manual page.
    pub(crate) fn manual(&self) -> String {
        let head = roff::ManHeader {
            name: &self.page_name(),
            section: "7",
            summary: self.summary(),
            source: &format!("loopdesk {VERSION}"),
        };
        roff::render(&Document::parse(self.source), &head)
    }
}

/// The topic of that name.
pub(crate) fn topic(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

macro_rules! topics {
    ($($name:literal)*) => {
        /// Every topic, in the order of reading.
        pub(crate) static TOPICS: &[Topic] = &[$(Topic {
            name: $name,
            source: include_str!(concat!("../guide/", $name, ".md")),
        }),*];
    };
}

topics! {
    "commands"
    "clients"
    "exec"
    "keys"
    "configuration"
    "service"
    "network"
    "notifications"
    "vault"
    "security"
    "troubleshooting"
    "uninstall"
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use clap::CommandFactory;
    use loopdesk_protocol::conditions;

    use super::*;
    use crate::args::{Cli, EXIT_CODES};

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("guide")
    }

    #[test]
    fn every_page_is_a_topic_and_the_index_has_its_summary() {
        let mut files: Vec<_> = std::fs::read_dir(folder())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "README.md")
            .collect();
        let mut names: Vec<_> = TOPICS.iter().map(|t| format!("{}.md", t.name)).collect();
        names.sort();
        files.sort();
        assert_eq!(names, files);
        let index = std::fs::read_to_string(folder().join("README.md")).unwrap();
        for Topic { name, source } in TOPICS {
            let summary = topic(name).unwrap().summary();
            let row = format!("| [{name}]({name}.md) | {summary} |");
            assert!(index.contains(&row), "{row}");
            assert!(source.starts_with("# ") && summary.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn every_command_that_the_guide_and_the_readme_name_exists() {
        let readme = folder().join("../../README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        let pages = TOPICS.iter().map(|topic| topic.source);
        let mut cli = Cli::command();
        cli.build();
        let mut count = 0;
        for line in pages.chain([readme.as_str()]).flat_map(commands) {
            let mut command = &cli;
            // What follows `--` belongs to another program.
            let words = line.split_whitespace();
            let words = words.take_while(|word| !["|", "--"].contains(word));
            for word in words.clone() {
                match command.find_subcommand(word) {
                    Some(next) => command = next,
                    None if word.chars().all(char::is_uppercase) => break,
                    None => {
                        assert!(!command.has_subcommands(), "loopdesk {line}: {word}");
                        break;
                    }
                }
            }
            for option in words.filter_map(|word| word.strip_prefix("--")) {
                let mut all = command.get_arguments();
                let known = all.any(|argument| argument.get_long() == Some(option));
                assert!(known, "loopdesk {line}: {option}");
            }
            count += 1;
        }
        assert!(count > 100, "{count}");
    }

    /// What follows `loopdesk` in the code of a page, be it a line of a block or a piece of a line.
    fn commands(page: &str) -> Vec<&str> {
        let mut in_block = false;
        let mut found = Vec::new();
        for line in page.lines() {
            in_block ^= line.starts_with("```");
            let codes: Vec<_> = match in_block {
                true => vec![line],
                false => line.split('`').skip(1).step_by(2).collect(),
            };
            for code in codes {
                let starts = code.trim_start().strip_prefix("loopdesk ");
                let within = code.split_once("$(loopdesk ").map(|(_, rest)| rest);
                let rest = starts.or(within).map(|rest| rest.split([')', '#']));
                found.extend(rest.and_then(|mut rest| rest.next()));
            }
        }
        found
    }

    #[test]
    fn o3_the_page_on_trouble_has_every_condition_and_exit_code() {
        let page = topic("troubleshooting").unwrap().source;
        for row in conditions::TABLE {
            assert!(
                page.contains(&format!("\n| `{}` | ", row.code)),
                "{}",
                row.code
            );
        }
        for line in EXIT_CODES.lines() {
            let code: u8 = line.split_whitespace().next().unwrap().parse().unwrap();
            assert!(page.contains(&format!("\n| {code} | ")), "{line}");
        }
    }
}
