//! Lines of words in styles.

use anstyle::Style;

use crate::markdown::{Reference, Span};
use crate::ui::text::{STRONG, Text};

/// The words of a line that is still to be wrapped.
#[derive(Debug, Default)]
pub(super) struct StyledWords(Vec<StyledWord>);

/// What stays on one line, with its styles.
#[derive(Debug, Default)]
struct StyledWord {
    pieces: Vec<(Style, String)>,
    width: usize,
}

/// One line as it is shown.
#[derive(Debug, Default)]
pub(super) struct WrappedLine {
    pub(super) text: Text,
    pub(super) width: usize,
}

impl StyledWords {
    pub(super) fn of(line: &[Span]) -> Self {
        Self::styled(line, Style::new())
    }

    /// The words in `style`, where they have none of their own.
    pub(super) fn styled(line: &[Span], style: Style) -> Self {
        let mut words = Self(vec![StyledWord::default()]);
        for span in line {
            match span {
                Span::Plain(text) => words.add(style, text),
                Span::Strong(text) => words.add(STRONG, text),
                Span::Emphasis(text) => words.add(style.italic(), text),
                // Short code is copied from the screen: it stays on one line.
                Span::Code(text) if width(text) <= KEPT => words.glue(style, &format!("`{text}`")),
                Span::Code(text) => words.add(style, &format!("`{text}`")),
                Span::Reference(Reference::Topic(name)) => {
                    words.add(style, " ");
                    words.glue(style, &format!("(`loopdesk guide {name}`)"));
                }
                Span::Reference(Reference::Web(address)) => {
                    words.add(style, &format!(" <{address}>"));
                }
            }
        }
        words.0.retain(|word| word.width > 0);
        words
    }

    /// The words in lines of at most `room` columns, but for longer words.
    pub(super) fn wrapped(&self, room: usize) -> Vec<WrappedLine> {
        let mut lines = Vec::new();
        let mut line = WrappedLine::default();
        for word in &self.0 {
            if line.width > 0 && line.width + 1 + word.width > room {
                lines.push(std::mem::take(&mut line));
            }
            if line.width > 0 {
                line.text = line.text.plain(" ");
                line.width += 1;
            }
            for (style, text) in &word.pieces {
                line.text = match *style == Style::new() {
                    true => line.text.plain(text),
                    false => line.text.styled(*style, text),
                };
            }
            line.width += word.width;
        }
        if line.width > 0 {
            lines.push(line);
        }
        lines
    }

    /// The columns of the longest word.
    pub(super) fn longest(&self) -> usize {
        self.0.iter().map(|word| word.width).max().unwrap_or(0)
    }

    /// The columns of all words in one line.
    pub(super) fn total(&self) -> usize {
        let words: usize = self.0.iter().map(|word| word.width).sum();
        words + self.0.len().saturating_sub(1)
    }

    /// Adds text that may be wrapped at its spaces.
    fn add(&mut self, style: Style, text: &str) {
        for (index, part) in text.split(' ').enumerate() {
            if index > 0 {
                self.0.push(StyledWord::default());
            }
            self.glue(style, part);
        }
    }

    /// Adds text to the last word.
    fn glue(&mut self, style: Style, text: &str) {
        if let (Some(word), false) = (self.0.last_mut(), text.is_empty()) {
            word.width += width(text);
            word.pieces.push((style, text.to_owned()));
        }
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// About half of a line: beyond that, unbroken code tears holes into the text.
const KEPT: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plain;

    #[test]
    fn lines_break_at_spaces_and_not_in_short_code() {
        let line = [
            Span::Plain("Run ".to_owned()),
            Span::Code("loopdesk key list".to_owned()),
            Span::Plain(", or ".to_owned()),
            Span::Strong("not at all".to_owned()),
            Span::Plain(".".to_owned()),
        ];
        let words = StyledWords::of(&line);
        let lines: Vec<_> = words
            .wrapped(22)
            .iter()
            .map(|line| (plain(&line.text), line.width))
            .collect();
        let expected = [
            ("Run", 3),
            ("`loopdesk key list`,", 20),
            ("or not at all.", 14),
        ];
        assert_eq!(
            lines,
            expected.map(|(text, width)| (text.to_owned(), width))
        );
        assert_eq!((words.longest(), words.total()), (20, 39));
    }
}
