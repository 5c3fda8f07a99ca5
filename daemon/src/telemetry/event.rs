//! Formats one event as a line of the log: without secrets, and without terminal control sequences.

use std::borrow::Cow;
use std::io::{self, Write};

use loopdesk_protocol::text::is_invisible;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::queue::{LogLine, Queue};
use super::redact;

/// Turns each event into a line, for the queue.
pub(super) struct Events {
    pub(super) queue: Queue,
    /// Whether our own colours are kept.
    pub(super) is_coloured: bool,
}

impl<'a> MakeWriter<'a> for Events {
    type Writer = EventLine<'a>;

    fn make_writer(&'a self) -> EventLine<'a> {
        EventLine {
            events: self,
            level: Level::INFO,
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> EventLine<'a> {
        EventLine {
            events: self,
            level: *meta.level(),
        }
    }
}

/// One event. Each call must get a complete one, as `fmt::Layer` does: a secret split between two
/// calls may be too short to recognise in both.
pub(super) struct EventLine<'a> {
    events: &'a Events,
    level: Level,
}

impl Write for EventLine<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.events.queue.push(LogLine {
            level: self.level,
            text: line(text, self.events.is_coloured),
        });
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `text` as one line, with its line end. Secrets are removed first: a part of one might not be
/// recognised.
pub(super) fn line(text: &[u8], is_coloured: bool) -> Vec<u8> {
    let text = redact::bytes(text);
    let text = String::from_utf8_lossy(&text);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let end = (0..=LINE_MAX.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    let text = text.get(..end.unwrap_or_default()).unwrap_or_default();
    let mut line = escaped(text, is_coloured).into_owned();
    line.push('\n');
    line.into_bytes()
}

fn escaped(text: &str, is_coloured: bool) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(is_invisible) {
        let (before, after) = rest.split_at(at);
        line.push_str(before);
        if let Some(colour) = colour(after).filter(|_| is_coloured) {
            line.push_str(colour);
            rest = after.get(colour.len()..).unwrap_or_default();
            continue;
        }
        let mut letters = after.chars();
        line.extend(letters.next().into_iter().flat_map(char::escape_default));
        rest = letters.as_str();
    }
    line.push_str(rest);
    Cow::Owned(line)
}

/// The colour sequence that `text` begins with: `ESC [ … m`.
fn colour(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("\u{1b}[")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    rest.get(end..)?.strip_prefix('m')?;
    text.get(..end + 3)
}

/// Longer journal entries need a file descriptor; no useful line is that long.
const LINE_MAX: usize = 48 << 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str, is_coloured: bool) -> String {
        String::from_utf8(line(text.as_bytes(), is_coloured)).unwrap()
    }

    #[test]
    fn d7_an_event_is_one_line_whatever_it_tells() {
        for (text, line) in [
            ("refused\n", "refused\n"),
            ("a\nERROR forged\n", "a\\nERROR forged\n"),
            ("\u{1b}[2J\u{9b}1m", "\\u{1b}[2J\\u{9b}1m\n"),
            (
                "\u{202e}a\u{2028}b\u{61c}\u{200b}",
                "\\u{202e}a\\u{2028}b\\u{61c}\\u{200b}\n",
            ),
        ] {
            assert_eq!(shown(text, false), line);
        }
        let coloured = "\u{1b}[2m12:00\u{1b}[0m \u{1b}[1;32m INFO\u{1b}[0m a\u{1b}[2J\u{1b}[";
        let line = shown(coloured, true);
        assert!(
            line.starts_with("\u{1b}[2m12:00\u{1b}[0m \u{1b}[1;32m INFO"),
            "{line:?}"
        );
        assert!(line.ends_with("a\\u{1b}[2J\\u{1b}[\n"), "{line:?}");
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        assert_eq!(shown(&"ä".repeat(LINE_MAX), false).len(), LINE_MAX + 1);
    }

    proptest! {
        #[test]
        fn d7_no_text_makes_two_lines_or_moves_a_cursor(text in any::<String>()) {
            let line = shown(&text, false);
            prop_assert!(!line.trim_end_matches('\n').contains(is_invisible), "{line:?}");
            prop_assert_eq!(line.matches('\n').count(), 1);
        }
    }
}
