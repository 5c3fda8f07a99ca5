//! JSON as servers write it: keys without escapes, and everything whole in its chunk.
//!
//! [`Scanner::scan`] can stop after any byte, so it has to ask after each part of the grammar which
//! one it is in. Here a member is read in one go, and what follows a part is looked at right behind
//! it, which takes less than half the time: the processor rarely has to guess. Anything unusual ends
//! the run, in a state that the scanner goes on from.

use super::token::{stop, whole_integer, whole_literal};
use super::{ScanState, Scanner, is_space};

impl Scanner {
    /// Reads from the end of a value in a container, as far as the text is compact. Returns where
    /// in the grammar the next byte stands.
    #[inline(never)]
    pub(super) fn compact(&mut self, text: &[u8], at: &mut usize) -> ScanState {
        let mut here = *at;
        let mut in_object = self.nesting.in_object();
        let mut next = Expected::Delimiter;
        let state = loop {
            next = match next {
                _ if text.get(here).is_some_and(|byte| is_space(*byte)) => {
                    here += 1;
                    next
                }
                Expected::Delimiter => match text.get(here) {
                    Some(b',') if in_object => {
                        here += 1;
                        Expected::Name
                    }
                    Some(b',') => {
                        here += 1;
                        Expected::Value
                    }
                    Some(byte) if *byte == end(in_object) => {
                        here += 1;
                        let state = self.close();
                        if state != ScanState::AfterValue {
                            break state;
                        }
                        in_object = self.nesting.in_object();
                        Expected::Delimiter
                    }
                    _ => break ScanState::AfterValue,
                },
                Expected::Name => {
                    let Some(name) = text.get(here..).and_then(whole_name) else {
                        break ScanState::NextName;
                    };
                    here += name.len() + QUOTES_AND_COLON;
                    self.named(name);
                    if self.watched {
                        break ScanState::Value;
                    }
                    Expected::Value
                }
                Expected::Value => match text.get(here) {
                    Some(b'"') => match end_of_string(text, here + 1) {
                        Ok(end) => {
                            here = end;
                            Expected::Delimiter
                        }
                        Err(state) => {
                            here = text.len();
                            break state;
                        }
                    },
                    Some(byte @ (b'{' | b'[')) => {
                        let first = self.open(*byte);
                        here += 1;
                        in_object = *byte == b'{';
                        match text.get(here) {
                            _ if first == ScanState::Broken => break first,
                            Some(byte) if *byte == end(in_object) => Expected::Delimiter,
                            Some(b'"') if in_object => Expected::Name,
                            Some(b'"' | b'{' | b'[' | b'0'..=b'9') if !in_object => Expected::Value,
                            _ => break first,
                        }
                    }
                    Some(_) => {
                        let rest = &text[here..];
                        match whole_literal(rest).or_else(|| whole_integer(rest)) {
                            Some(length) => {
                                here += length;
                                Expected::Delimiter
                            }
                            None => break ScanState::Value,
                        }
                    }
                    None => break ScanState::Value,
                },
            }
        };
        *at = here;
        state
    }
}

/// What the next byte belongs to.
#[derive(Clone, Copy)]
enum Expected {
    /// What separates values, or ends their container.
    Delimiter,
    /// A key with its colon.
    Name,
    Value,
}

/// The last byte of a container.
fn end(is_object: bool) -> u8 {
    if is_object { b'}' } else { b']' }
}

/// The key that a text begins with, if it has no escapes and the colon follows.
#[inline(always)]
fn whole_name(text: &[u8]) -> Option<&[u8]> {
    let inside = text.strip_prefix(b"\"")?;
    let (name, rest) = inside.split_at(stop(inside)?);
    rest.starts_with(b"\":").then_some(name)
}

/// Where a string has ended whose inside begins at `at`; if the text ends first, where in the
/// string that is.
#[inline(always)]
fn end_of_string(text: &[u8], mut at: usize) -> Result<usize, ScanState> {
    loop {
        let rest = text.get(at..).ok_or(ScanState::TextEscape)?;
        at += stop(rest).ok_or(ScanState::Text)? + 1;
        if text[at - 1] == b'"' {
            return Ok(at);
        }
        // What the backslash escapes may lie in the next chunk.
        at += 1;
    }
}

/// `"":`
const QUOTES_AND_COLON: usize = 3;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::tests::{rewritten, scanner};
    use super::*;
    use crate::config::RewriteClass;

    /// A page with whatever is read in one go, and places where that ends.
    const PAGE: &str = r#"{"users":[{"id":360001,"url":"https://acme.zendesk.com/api/v2/users/1.json","name":"Zoë \"Z\" \\","n":0,"rate":-1.5e+3,"active":true,"photo":{"content_url":"https:\/\/acme.zendesk.com\/attachments\/1","x":{}},"tags":["a",null,[],[{}],false,1], "role" : "end-user"}],"links":{"next":"https://acme.zendesk.com/api/v2/users?page=2"},"next_page":null,"count":1}"#;

    #[test]
    fn s2_a_page_is_read_in_one_go_up_to_what_is_rewritten() {
        let mut scanner = scanner(&[RewriteClass::Records]);
        let start = scanner.push(&Bytes::from_static(br#"{"id":1"#));
        assert_eq!(start.len(), 7);
        for (rest, length, state) in [
            (
                r#","a":"b\"c","d":[],"e":[{"f":0},null],"url":"x"#,
                44,
                ScanState::Value,
            ),
            (r#","a":[1,"b"#, 10, ScanState::Text),
            (r#"],"c\"":1"#, 2, ScanState::NextName),
            (",\n  \"d\": true}", 14, ScanState::Between),
        ] {
            let mut at = 0;
            let found = scanner.compact(rest.as_bytes(), &mut at);
            assert_eq!(at, length, "{rest}");
            assert!(found == state, "{rest}");
            scanner.watched = false;
        }
    }

    /// One byte at a time, nothing is compact.
    #[test]
    fn s2_both_ways_read_alike_whatever_is_wrong_wherever() {
        let classes = RewriteClass::ALL.map(|(_, class)| class);
        let check = |text: &[u8]| {
            let bytes = rewritten(&classes, text.chunks(1));
            for size in [text.len().max(1), 100, 37] {
                let found = rewritten(&classes, text.chunks(size));
                assert_eq!(
                    found.escape_ascii().to_string(),
                    bytes.escape_ascii().to_string()
                );
            }
            bytes
        };
        assert_eq!(
            check(PAGE.as_bytes())
                .windows(9)
                .filter(|w| w == b"localhost")
                .count(),
            3
        );
        for at in 0..PAGE.len() {
            let (before, after) = PAGE.as_bytes().split_at(at);
            check(&[before, &after[1..]].concat());
            for byte in b"\"\\{}[],: 0x" {
                check(&[before, &[*byte], after].concat());
                check(&[before, &[*byte], &after[1..]].concat());
            }
        }
    }

    #[test]
    fn s2_both_ways_read_alike_wherever_a_chunk_ends() {
        let classes = RewriteClass::ALL.map(|(_, class)| class);
        let whole = rewritten(&classes, [PAGE.as_bytes()]);
        for at in 0..=PAGE.len() {
            let (start, end) = PAGE.as_bytes().split_at(at);
            assert_eq!(rewritten(&classes, [start, end]), whole, "{at}");
        }
    }
}
