//! What can be typed after `loopdesk completions`, `loopdesk guide` and `loopdesk man`.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, ValueEnum};

use crate::guide::TOPICS;

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell that reads the script.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// The shells that completions are written for.
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
    /// What to read about.
    #[arg(value_parser = topics())]
    pub(crate) topic: Option<String>,
}

/// The topics of the guide, each with its summary in the help.
fn topics() -> PossibleValuesParser {
    let topics = TOPICS.iter();
    PossibleValuesParser::new(
        topics.map(|topic| PossibleValue::new(topic.name).help(topic.summary())),
    )
}

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Where to write `loopdesk.1`, a page for each command, and one in section 7 for each topic of
    /// the guide; made if it doesn't exist.
    pub(crate) dir: Option<PathBuf>,
}
