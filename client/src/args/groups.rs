//! `loopdesk --help` lists its commands in groups, which clap has no notion of.

use std::fmt::Write as _;

use anstyle::Style;
use clap::Command;

/// The commands under each heading, in the order of `--help`.
pub(crate) const GROUPS: &[(&str, &[&str])] = &[
    ("Start here", &["login", "env", "exec", "guide"]),
    ("Accounts", &["account", "refresh", "logout"]),
    ("Keys", &["key", "explain"]),
    ("Service", &["service", "config", "unlock", "wait"]),
    ("Inspect", &["status", "version"]),
    ("More", &["completions", "man", "help"]),
];

/// clap's own help with a heading before the first command of each group.
pub(super) fn help_template(commands: Command) -> String {
    let style = *commands.get_styles().get_header();
    let list = commands.help_template("{subcommands}").render_help();
    let list = with_headings(&list.ansi().to_string(), style);
    format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{list}\n{style}Options:{style:#}\n\
         {{options}}{{after-help}}"
    )
}

fn with_headings(list: &str, style: Style) -> String {
    let mut text = String::with_capacity(list.len() * 2);
    for line in list.lines() {
        let plain = anstream::adapter::strip_str(line).to_string();
        let name = plain.split_whitespace().next().unwrap_or_default();
        // The further lines of a description are indented more.
        let is_command = plain.starts_with("  ") && !plain.starts_with("   ");
        let group = GROUPS
            .iter()
            .find(|(_, names)| names.first() == Some(&name));
        if let Some((heading, _)) = group.filter(|_| is_command) {
            let _ = writeln!(text, "\n{style}{heading}:{style:#}");
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn every_command_is_listed_in_the_order_of_its_group() {
        let mut command = Cli::command();
        command.build();
        let declared: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
        let grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| *names).collect();
        assert_eq!(declared.iter().collect::<Vec<_>>(), grouped);
    }

    #[test]
    fn headings_stand_before_the_first_command_of_a_group() {
        let help = Cli::command().term_width(60).render_help().to_string();
        assert!(help.contains("\nStart here:\n  login "), "{help}");
        assert!(help.contains("\n\nInspect:\n  status "), "{help}");
        assert!(help.contains("\n\nOptions:\n      --json "), "{help}");
    }
}
