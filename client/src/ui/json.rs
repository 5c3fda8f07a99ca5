//! JSON without characters that a terminal would interpret.

use std::io;

use loopdesk_protocol::text::is_invisible;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// `value` on one line, without a line feed.
///
/// # Errors
/// If the value can't be represented in JSON.
pub(crate) fn line<T: Serialize>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut line = Vec::new();
    value.serialize(&mut Serializer::with_formatter(
        &mut line,
        EscapingFormatter,
    ))?;
    Ok(line)
}

/// Escapes all invisible characters; serde_json escapes only controls below U+0020.
struct EscapingFormatter;

impl Formatter for EscapingFormatter {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_invisible) {
            let (before, after) = rest.split_at(at);
            CompactFormatter.write_string_fragment(writer, before)?;
            let mut letters = after.chars();
            if let Some(letter) = letters.next() {
                // RFC 8259 section 7: a surrogate pair beyond U+FFFF.
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = letters.as_str();
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d7_what_a_terminal_would_obey_is_escaped_and_the_value_is_the_same() {
        let every: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        let line = String::from_utf8(line(&[every.as_str()]).unwrap()).unwrap();
        assert!(!line.contains(is_invisible));
        let read: Vec<String> = serde_json::from_str(&line).unwrap();
        assert!(read == [every]);
        let plain = serde_json::json!({"name": "Ann O\u{2019}Hara", "n": 1.5});
        assert_eq!(super::line(&plain).unwrap(), plain.to_string().into_bytes());
    }
}
