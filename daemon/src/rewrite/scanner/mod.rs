//! Finds the URLs that scripts follow in a stream of JSON and points them at the local base.
//!
//! A state machine over bytes, which jumps over the insides of strings: it keeps only the beginning
//! of a URL that may still turn out to be one of ours, and gives the same result however the text is
//! split into chunks. Everything except the origin of such a URL is passed on unchanged. Most text
//! is read by [`compact`], a second way through the same grammar that takes several steps at once.
//!
//! The content of a string isn't validated, only its end is found; everything else must be valid by
//! RFC 8259. After a syntax error nothing is known about the rest, so the rest isn't changed.

mod compact;
mod cut;
mod fields;
mod nesting;
#[cfg(test)]
mod properties;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod reference;
#[cfg(test)]
mod tests;
mod token;
mod trail;

use std::mem;

use bytes::Bytes;

use self::cut::ChunkEdits;
use self::fields::{Classes, FieldTree};
use self::nesting::Nesting;
use self::token::{KeyBuffer, Literal, Number, stop};
use self::trail::FieldTrail;
use super::origins::OriginsView;
use super::prefix::PrefixMatch;
use crate::config::RewriteClass;

/// Rewrites one body.
pub(super) struct Scanner {
    /// The classes of URLs to rewrite.
    classes: Classes,
    tree: &'static FieldTree,
    /// Where addresses lead, and their local bases from the client's point of view.
    view: OriginsView,
    state: ScanState,
    nesting: Nesting,
    trail: FieldTrail,
    /// Whether the next value is an address to rewrite, if it is a string.
    watched: bool,
    /// The key that is being read, if it doesn't lie in one chunk.
    name: KeyBuffer,
    /// The beginning of a watched string, as long as it may become a complete prefix.
    held: Vec<u8>,
}

impl Scanner {
    /// A scanner of addresses in fields of `classes`, for the client that has `view`.
    pub(super) fn new(classes: &[RewriteClass], view: OriginsView) -> Self {
        let tree = FieldTree::of_all();
        Self {
            classes: Classes::of(classes),
            tree,
            view,
            state: ScanState::Start(0),
            nesting: Nesting::default(),
            trail: FieldTrail::new(tree),
            watched: false,
            name: KeyBuffer::default(),
            held: Vec::new(),
        }
    }

    /// Reads the next chunk and returns what can be passed on: the chunk itself if nothing in it
    /// changes, and possibly nothing.
    pub(super) fn push(&mut self, chunk: &Bytes) -> Bytes {
        if self.state == ScanState::Broken {
            return chunk.clone();
        }
        let mut cut = ChunkEdits::new(chunk);
        self.scan(chunk, &mut cut);
        cut.finish()
    }

    /// Ends the text, and returns what was held back.
    pub(super) fn finish(&mut self) -> Bytes {
        self.state = ScanState::Broken;
        Bytes::from(mem::take(&mut self.held))
    }

    /// Whether [`finish`](Self::finish) would return anything.
    pub(super) fn holds_back(&self) -> bool {
        !self.held.is_empty()
    }

    fn scan(&mut self, chunk: &[u8], cut: &mut ChunkEdits<'_>) {
        let mut state = self.state;
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            state = match state {
                ScanState::Text => match stop(&chunk[at..]) {
                    Some(found) => {
                        at += found + 1;
                        if chunk[at - 1] == b'"' {
                            self.closed()
                        } else {
                            ScanState::TextEscape
                        }
                    }
                    None => break,
                },
                ScanState::TextEscape => {
                    at += 1;
                    ScanState::Text
                }
                ScanState::Name => {
                    let end = stop(&chunk[at..]).map(|found| at + found);
                    let part = &chunk[at..end.unwrap_or(chunk.len())];
                    at += part.len() + 1;
                    match end.map(|end| chunk[end]) {
                        Some(b'"') if self.name.is_empty() => {
                            self.named(part);
                            ScanState::Colon
                        }
                        Some(b'"') => {
                            self.name.push(part);
                            let name = mem::take(&mut self.name);
                            self.named(name.as_bytes());
                            ScanState::Colon
                        }
                        Some(backslash) => {
                            self.name.push(part);
                            self.name.push(&[backslash]);
                            ScanState::NameEscape
                        }
                        None => {
                            self.name.push(part);
                            break;
                        }
                    }
                }
                ScanState::NameEscape => {
                    self.name.push(&[byte]);
                    at += 1;
                    ScanState::Name
                }
                ScanState::Url => match self.url(chunk, &mut at, cut) {
                    Some(next) => next,
                    None => break,
                },
                ScanState::Number(number) => match number.next(byte) {
                    Some(next) => {
                        at += 1;
                        ScanState::Number(next)
                    }
                    None if number.is_whole() => self.scalar_closed(),
                    None => ScanState::Broken,
                },
                ScanState::Literal(literal) if literal.is_whole() => self.scalar_closed(),
                ScanState::Literal(literal) => {
                    at += 1;
                    literal
                        .next(byte)
                        .map_or(ScanState::Broken, ScanState::Literal)
                }
                ScanState::Start(seen) => match BYTE_ORDER_MARK.get(usize::from(seen)) {
                    Some(mark) if *mark == byte => {
                        at += 1;
                        ScanState::Start(seen + 1)
                    }
                    Some(_) if seen > 0 => ScanState::Broken,
                    _ => ScanState::Between,
                },
                ScanState::AfterScalar => match byte {
                    b'0'..=b'9' | b'a'..=b'z' | b'-' => ScanState::Broken,
                    _ => ScanState::Between,
                },
                ScanState::Broken => break,
                _ if is_space(byte) => {
                    at += 1;
                    continue;
                }
                ScanState::Between | ScanState::Value => {
                    at += 1;
                    self.open(byte)
                }
                ScanState::FirstElement => {
                    at += 1;
                    match byte {
                        b']' => self.close(),
                        byte => self.open(byte),
                    }
                }
                ScanState::FirstName | ScanState::NextName => {
                    at += 1;
                    match byte {
                        b'"' => ScanState::Name,
                        b'}' if state == ScanState::FirstName => self.close(),
                        _ => ScanState::Broken,
                    }
                }
                ScanState::Colon => {
                    at += 1;
                    if byte == b':' {
                        ScanState::Value
                    } else {
                        ScanState::Broken
                    }
                }
                ScanState::AfterValue if byte == b',' => self.compact(chunk, &mut at),
                ScanState::AfterValue => {
                    at += 1;
                    match (byte, self.nesting.in_object()) {
                        (b'}', true) | (b']', false) => self.close(),
                        _ => ScanState::Broken,
                    }
                }
            };
        }
        self.state = state;
    }

    /// Reads the beginning of a watched string. `None` if the chunk ends before it is known.
    ///
    /// Keeping the rare case out of the loop makes the loop a third faster.
    #[inline(never)]
    fn url(&mut self, chunk: &[u8], at: &mut usize, cut: &mut ChunkEdits<'_>) -> Option<ScanState> {
        let held = self.held.len();
        let prefixes = self.view.prefixes();
        let rest = &chunk[*at..];
        // What is held is a proper part of a prefix, so the longest one is never exceeded.
        let wanted = &rest[..rest.len().min(prefixes.longest() - held)];
        let begun = if held == 0 {
            wanted
        } else {
            self.held.extend_from_slice(wanted);
            &self.held
        };
        let mut next = ScanState::Text;
        let found = match prefixes.find(begun) {
            PrefixMatch::Whole(prefix) => self
                .view
                .base_of(prefix.origin())
                .map(|base| (prefix, base)),
            PrefixMatch::Part => {
                if held == 0 {
                    self.held.extend_from_slice(wanted);
                }
                cut.hold(*at);
                return None;
            }
            PrefixMatch::Nothing => None,
        };
        match found {
            Some((prefix, base)) => {
                let from_chunk = prefix.len() - held;
                cut.replace(*at..*at + from_chunk, &prefix.localised(&base));
                *at += from_chunk;
            }
            None => {
                cut.replace(*at..*at, &[&self.held[..held]]);
                // In a prefix, `/` follows. Here it is any other byte, perhaps a quotation mark
                // that doesn't end the string.
                if self.held[..held].ends_with(b"\\") {
                    next = ScanState::TextEscape;
                }
            }
        }
        self.held.clear();
        Some(next)
    }

    /// A key has been read: determines what its value would be.
    fn named(&mut self, name: &[u8]) {
        let classes = if self.trail.reaches(self.nesting.depth()) {
            self.trail.named(name)
        } else {
            self.tree.anywhere(name)
        };
        self.watched = self.classes.has_one_of(classes);
    }

    /// The first byte of a value.
    fn open(&mut self, byte: u8) -> ScanState {
        let watched = mem::take(&mut self.watched);
        match byte {
            b'"' if watched => ScanState::Url,
            b'"' => ScanState::Text,
            b'{' | b'[' => {
                let is_object = byte == b'{';
                if self.trail.reaches(self.nesting.depth()) {
                    self.trail.enter(self.nesting.in_object(), is_object);
                }
                match (self.nesting.push(is_object), is_object) {
                    (true, true) => ScanState::FirstName,
                    (true, false) => ScanState::FirstElement,
                    (false, _) => ScanState::Broken,
                }
            }
            byte => Number::first(byte)
                .map(ScanState::Number)
                .or_else(|| Literal::first(byte).map(ScanState::Literal))
                .unwrap_or(ScanState::Broken),
        }
    }

    /// The last byte of a container.
    fn close(&mut self) -> ScanState {
        self.nesting.pop();
        self.trail.leave(self.nesting.depth());
        self.closed()
    }

    /// Ends a number or literal.
    fn scalar_closed(&self) -> ScanState {
        if self.nesting.depth() == 0 {
            ScanState::AfterScalar
        } else {
            ScanState::AfterValue
        }
    }

    /// Ends a value.
    fn closed(&self) -> ScanState {
        if self.nesting.depth() == 0 {
            ScanState::Between
        } else {
            ScanState::AfterValue
        }
    }
}

/// Where in the grammar the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ScanState {
    /// At the very beginning, after this many bytes of a byte order mark.
    Start(u8),
    /// Between values at the top level; several are allowed there.
    Between,
    /// After a number or literal at the top level. Another one may not follow immediately.
    AfterScalar,
    /// Before a value.
    Value,
    /// After `[`.
    FirstElement,
    /// After `{`.
    FirstName,
    /// After the comma in an object.
    NextName,
    /// In a key.
    Name,
    /// In a key, after a backslash.
    NameEscape,
    /// After a key.
    Colon,
    /// At the beginning of a watched string.
    Url,
    /// In a string.
    Text,
    /// In a string, after a backslash.
    TextEscape,
    /// In a number.
    Number(Number),
    /// In `true`, `false` or `null`.
    Literal(Literal),
    /// In a container, after a value.
    AfterValue,
    /// After a syntax error.
    Broken,
}

/// White space between values (RFC 8259 section 2).
#[inline(always)]
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// RFC 8259 section 8.1 lets readers ignore it, and every client does.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
