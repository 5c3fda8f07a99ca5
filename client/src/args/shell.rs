//! Arguments of `loopdesk completions`, `loopdesk guide` and `loopdesk man`.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, ValueEnum};

use crate::guide::TOPICS;

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell to write the script for.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// The shells with completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

#[derive(Args, Debug)]
pub(crate) struct GuideArgs {
    /// The topic to read about.
    #[arg(value_parser = topics())]
    pub(crate) topic: Option<String>,
}

/// The guide's topics, with their summaries for the help.
fn topics() -> PossibleValuesParser {
    let topics = TOPICS.iter();
    PossibleValuesParser::new(
        topics.map(|topic| PossibleValue::new(topic.name).help(topic.summary())),
    )
}

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// The folder for `loopdesk.1`, a page per command, and one in section 7 per topic of the
    /// guide; created if missing.
    pub(crate) dir: Option<PathBuf>,
}
