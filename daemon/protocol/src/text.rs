//! Cleans foreign text, so that it can't do harm in a terminal, a log or a page.
//!
//! Names in Zendesk, names of processes and errors of proxies are foreign, and go through
//! [`line()`] on input.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

/// Whether a character has no glyph: it is a control character, ends a line, reorders what follows
/// (Unicode annex 9), or is invisible.
///
/// These are the categories Cc, Cf, Zl and Zp and the property Default_Ignorable_Code_Point of
/// Unicode 16, except the visible characters of Cf that enclose numbers.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// `text` on one line, without invisible characters, with single spaces, and of limited length.
pub fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LINE_MAX));
    let words = text.split(|c: char| c.is_whitespace() || is_invisible(c));
    for word in words.filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > LINE_MAX * 4 {
            break;
        }
    }
    if let Some((end, _)) = line.char_indices().nth(LINE_MAX) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// [`line()`] for a deserialized field.
pub(crate) fn one_line<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Cow::<str>::deserialize(from).map(|text| line(&text))
}

/// [`line()`] for a deserialized optional field.
pub(crate) fn one_line_or_none<'de, D>(from: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    Option::<Cow<str>>::deserialize(from).map(|text| text.map(|text| line(&text)))
}

/// In characters: a sentence or two.
const LINE_MAX: usize = 160;

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    /// What another library's tables call unseen.
    static UNSEEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]").unwrap()
    });

    fn is_unseen(c: char) -> bool {
        // Of Cf, but marks before or around a number, each with a shape.
        let has_a_shape = matches!(c, '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{110bd}' | '\u{110cd}');
        !has_a_shape && UNSEEN.is_match(c.encode_utf8(&mut [0; 4]))
    }

    #[test]
    fn d7_every_character_without_a_glyph_is_known() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            if is_unseen(c) {
                assert!(is_invisible(c), "U+{:04X}", u32::from(c));
            } else if c.is_alphanumeric() {
                assert!(!is_invisible(c), "U+{:04X}", u32::from(c));
            }
        }
    }

    #[test]
    fn d7_a_name_keeps_its_letters_and_nothing_else() {
        for (name, clean) in [
            ("Ann O’Hara-Šimić", "Ann O’Hara-Šimić"),
            ("  Ann\n  admin  ", "Ann admin"),
            ("Ann\u{2028}error: x", "Ann error: x"),
            ("\u{61c}Ann\u{200b}\u{202e}nnA", "Ann nnA"),
            ("A\u{1b}[2Jnn\u{9b}1m", "A [2Jnn 1m"),
            ("\r\n\t", ""),
        ] {
            assert_eq!(line(name), clean, "{name:?}");
        }
        let long = line(&"ä ".repeat(1000));
        assert_eq!(long.chars().count(), LINE_MAX + 1);
        assert!(long.ends_with('…'));
    }

    proptest! {
        #[test]
        fn d7_a_line_is_clean_short_and_stays_itself(text in any::<String>()) {
            let once = line(&text);
            prop_assert!(!once.contains(is_unseen), "{once:?}");
            prop_assert!(once.chars().count() <= LINE_MAX + 1);
            prop_assert_eq!(line(&once), once);
        }
    }
}
