//! `loopdesk guide`: the user's guide on the terminal, without a network.

use serde::Serialize;

use crate::args::shell::GuideArgs;
use crate::error::CliError;
use crate::guide::{TOPICS, Topic, topic};
use crate::markdown::{Document, terminal};
use crate::ui::output::Output;
use crate::ui::table::{Cell, Table};
use crate::ui::text::Text;

pub(crate) fn run(args: &GuideArgs, output: &mut Output) -> Result<(), CliError> {
    match args.topic.as_deref().and_then(topic) {
        Some(Topic { name, source }) => {
            let page = TopicPage {
                topic: name,
                text: source,
            };
            let width = output.columns().unwrap_or(WIDTH).min(WIDEST);
            output.result(&page, || terminal::render(&Document::parse(source), width))
        }
        None => {
            let topics = TOPICS.iter().map(|topic| TopicSummary {
                topic: topic.name,
                summary: topic.summary(),
            });
            let topics = TopicList {
                topics: topics.collect(),
            };
            output.result(&topics, || list(&topics.topics))
        }
    }
}

#[derive(Serialize)]
struct TopicList {
    topics: Vec<TopicSummary>,
}

#[derive(Serialize)]
struct TopicSummary {
    topic: &'static str,
    summary: &'static str,
}

/// A page, in Markdown.
#[derive(Serialize)]
struct TopicPage {
    topic: &'static str,
    text: &'static str,
}

fn list(topics: &[TopicSummary]) -> Text {
    let rows = topics.iter().fold(Table::new(["", ""]), |table, one| {
        table.row([one.topic, one.summary].map(Cell::new))
    });
    rows.text()
        .end()
        .plain("`loopdesk guide TOPIC` prints one of these.")
}

/// Where the output is no terminal: what mail and consoles show.
const WIDTH: usize = 80;

/// Longer lines are hard to read.
const WIDEST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Home;

    #[tokio::test]
    async fn without_a_topic_the_topics_are_listed() {
        let home = Home::new();
        let ran = home.run("guide").await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        insta::assert_snapshot!(ran.out, @"
    commands         The commands that you use most, and JSON for programs.
    clients          Point scripts and client libraries at loopdesk.
    exec             Run a program unmodified, without giving it a credential: `loopdesk exec`.
    keys             Give each script a key with only the rights that it needs.
    configuration    Accounts and settings, for you or a whole machine.
    service          Keep loopdesk running with systemd or launchd.
    network          Proxies, certificates and names between loopdesk and Zendesk.
    notifications    Hear of a session's trouble before a script does.
    vault            Where loopdesk keeps your session and the key that opens it.
    security         Who gets in, what is protected, and what isn't.
    troubleshooting  Find out what is wrong: states, errors, exit codes and logs.
    uninstall        Remove loopdesk and everything it has stored.

    `loopdesk guide TOPIC` prints one of these.
    ");
        let json = home.run("guide --json").await.json();
        assert_eq!(json["topics"].as_array().unwrap().len(), TOPICS.len());
    }

    #[tokio::test]
    async fn every_topic_fits_80_columns() {
        let home = Home::new();
        for Topic { name, source } in TOPICS {
            let ran = home.run(&format!("guide {name}")).await;
            assert_eq!((ran.code, ran.err.as_str()), (0, ""));
            for line in ran.out.lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
                assert_eq!(line, line.trim_end(), "{name}");
            }
            let json = home.run(&format!("guide {name} --json")).await.json();
            assert_eq!(
                (&json["topic"], &json["text"]),
                (&(*name).into(), &(*source).into())
            );
        }
    }

    #[tokio::test]
    async fn code_lists_and_references_are_shown_as_text() {
        let home = Home::new();
        let ran = home.run("guide network").await;
        for part in [
            "Network\n\nProxies, certificates",
            "\n- `http://`, `https://`",
            "service (`loopdesk guide service`)",
        ] {
            assert!(ran.out.contains(part), "{part}: {}", ran.out);
        }
        assert!(
            !ran.out.contains("**") && !ran.out.contains("]("),
            "{}",
            ran.out
        );
    }
}
