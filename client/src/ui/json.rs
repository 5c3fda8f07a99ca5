//! JSON that a terminal shows and never obeys: the same values, in visible characters.

use std::io;

use loopdesk_protocol::text::is_invisible;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// `value` on one line, without its end.
///
/// # Errors
/// Where the value has no form in JSON.
pub(crate) fn line<T: Serialize>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut line = Vec::new();
    value.serialize(&mut Serializer::with_formatter(
        &mut line,
        EscapingFormatter,
    ))?;
    Ok(line)
}

/// Escapes what serde_json leaves as it is: it knows the controls below U+0020 only.
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
                // RFC 8259 section 7: beyond U+FFFF, a pair.
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
