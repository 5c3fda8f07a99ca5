//! Styled text without control characters.

use anstyle::{AnsiColor, Style};
use loopdesk_protocol::text::is_invisible;

/// Styled text. Control characters are removed from everything added, so that no name in Zendesk
/// and no server's message can move the cursor or overwrite a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(String);

impl Text {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds `text` without a style.
    #[must_use]
    pub(crate) fn plain(mut self, text: impl AsRef<str>) -> Self {
        push_clean(&mut self.0, text.as_ref());
        self
    }

    /// Adds `text` in `style`.
    #[must_use]
    pub(crate) fn styled(mut self, style: Style, text: impl AsRef<str>) -> Self {
        self.0.push_str(&style.render().to_string());
        push_clean(&mut self.0, text.as_ref());
        self.0.push_str(&style.render_reset().to_string());
        self
    }

    /// Adds `text` in bold.
    #[must_use]
    pub(crate) fn strong(self, text: impl AsRef<str>) -> Self {
        self.styled(STRONG, text)
    }

    /// Adds another text.
    #[must_use]
    pub(crate) fn then(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// Ends the line.
    #[must_use]
    pub(crate) fn end(mut self) -> Self {
        self.0.push('\n');
        self
    }

    /// Adds a line of two columns.
    #[must_use]
    pub(crate) fn row(self, name: &str, value: impl AsRef<str>) -> Self {
        let indent = format!("\n{:width$}", "", width = NAME_WIDTH + 2);
        let value = value.as_ref().replace('\n', &indent);
        self.styled(DIM, format!("  {name:<NAME_WIDTH$}"))
            .plain(value)
            .end()
    }

    /// The text with its escape sequences.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: AsRef<str>> From<T> for Text {
    fn from(text: T) -> Self {
        Self::new().plain(text)
    }
}

/// Important.
pub(crate) const STRONG: Style = Style::new().bold();
/// Unimportant.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Working.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Needs attention.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
/// Broken.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// `1 key`, `2 keys`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn push_clean(to: &mut String, text: &str) {
    to.extend(
        text.chars()
            .map(|c| if has_no_glyph(c) { '\u{fffd}' } else { c }),
    );
}

/// Except for line feeds in our own texts; foreign texts lose theirs on input.
fn has_no_glyph(c: char) -> bool {
    c != '\n' && is_invisible(c)
}

/// The longest name of a row and two spaces.
const NAME_WIDTH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_gets_through() {
        let text = Text::new()
            .plain("a\x1b[2Jb\r\u{9b}c\n\u{202e}\u{61c}\u{200b}\u{2028}")
            .strong("\x07bell");
        assert!(!text.as_str().contains("\x1b[2J"));
        assert!(!text.as_str().contains([
            '\r', '\u{9b}', '\u{202e}', '\u{7}', '\u{61c}', '\u{200b}', '\u{2028}'
        ]));
        assert!(text.as_str().contains("c\n"));
    }

    #[test]
    fn further_lines_of_a_value_are_aligned() {
        let text = Text::new().row("base URL", "one\ntwo");
        let plain = anstream::adapter::strip_str(text.as_str()).to_string();
        assert_eq!(plain, "  base URL        one\n                  two\n");
    }
}
