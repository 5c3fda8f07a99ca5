//! Finds the URLs that scripts follow in a stream of JSON and points them at the local base.
//!
//! A state machine over bytes: it reads each byte once, keeps only the beginning of a URL that may
//! still turn out to be one of ours, and gives the same result however the text is split into
//! chunks. Everything except the origin of such a URL is passed on unchanged.
//!
//! The content of a string isn't validated, only its end is found; everything else must be valid by
//! RFC 8259. After a syntax error nothing is known about the rest, so the rest isn't changed.

mod cut;
mod fields;
mod nesting;
pub(super) mod prefix;
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

use self::cut::Cut;
use self::fields::{Classes, Tree};
use self::nesting::Nesting;
use self::prefix::Found;
use self::token::{Literal, Name, Number, stop};
use self::trail::Trail;
use super::origins::View;
use crate::config::RewriteClass;

/// Rewrites one body.
pub(super) struct Scanner {
    /// The classes of URLs to rewrite.
    classes: Classes,
    tree: &'static Tree,
    /// Where addresses lead, and their local bases from the client's point of view.
    view: View,
    state: State,
    nesting: Nesting,
    trail: Trail,
    /// Whether the next value is an address to rewrite, if it is a string.
    watched: bool,
    /// The key that is being read, if it doesn't lie in one chunk.
    name: Name,
    /// The beginning of a watched string, as long as it may become a complete prefix.
    held: Vec<u8>,
}

impl Scanner {
    /// A scanner of addresses in fields of `classes`, for the client that has `view`.
    pub(super) fn new(classes: &[RewriteClass], view: View) -> Self {
        let tree = Tree::of_all();
        Self {
            classes: Classes::of(classes),
            tree,
            view,
            state: State::Start(0),
            nesting: Nesting::default(),
            trail: Trail::new(tree),
            watched: false,
            name: Name::default(),
            held: Vec::new(),
        }
    }

    /// Reads the next chunk and returns what can be passed on: the chunk itself if nothing in it
    /// changes, and possibly nothing.
    pub(super) fn push(&mut self, chunk: &Bytes) -> Bytes {
        if self.state == State::Broken {
            return chunk.clone();
        }
        let mut cut = Cut::new(chunk);
        self.scan(chunk, &mut cut);
        cut.finish()
    }

    /// Ends the text, and returns what was held back.
    pub(super) fn finish(&mut self) -> Bytes {
        self.state = State::Broken;
        Bytes::from(mem::take(&mut self.held))
    }

    /// Whether [`finish`](Self::finish) would return anything.
    pub(super) fn holds_back(&self) -> bool {
        !self.held.is_empty()
    }

    fn scan(&mut self, chunk: &[u8], cut: &mut Cut<'_>) {
        let mut state = self.state;
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            state = match state {
                State::Text => match stop(&chunk[at..]) {
                    Some(found) => {
                        at += found + 1;
                        if chunk[at - 1] == b'"' {
                            self.closed()
                        } else {
                            State::TextEscape
                        }
                    }
                    None => break,
                },
                State::TextEscape => {
                    at += 1;
                    State::Text
                }
                State::Name => {
                    let end = stop(&chunk[at..]).map(|found| at + found);
                    let part = &chunk[at..end.unwrap_or(chunk.len())];
                    at += part.len() + 1;
                    match end.map(|end| chunk[end]) {
                        Some(b'"') if self.name.is_empty() => {
                            self.named(part);
                            State::Colon
                        }
                        Some(b'"') => {
                            self.name.push(part);
                            let name = mem::take(&mut self.name);
                            self.named(name.as_bytes());
                            State::Colon
                        }
                        Some(backslash) => {
                            self.name.push(part);
                            self.name.push(&[backslash]);
                            State::NameEscape
                        }
                        None => {
                            self.name.push(part);
                            break;
                        }
                    }
                }
                State::NameEscape => {
                    self.name.push(&[byte]);
                    at += 1;
                    State::Name
                }
                State::Url => match self.url(chunk, &mut at, cut) {
                    Some(next) => next,
                    None => break,
                },
                State::Number(number) => match number.next(byte) {
                    Some(next) => {
                        at += 1;
                        State::Number(next)
                    }
                    None if number.is_whole() => self.scalar_closed(),
                    None => State::Broken,
                },
                State::Literal(literal) if literal.is_whole() => self.scalar_closed(),
                State::Literal(literal) => {
                    at += 1;
                    literal.next(byte).map_or(State::Broken, State::Literal)
                }
                State::Start(seen) => match BYTE_ORDER_MARK.get(usize::from(seen)) {
                    Some(mark) if *mark == byte => {
                        at += 1;
                        State::Start(seen + 1)
                    }
                    Some(_) if seen > 0 => State::Broken,
                    _ => State::Between,
                },
                State::AfterScalar => match byte {
                    b'0'..=b'9' | b'a'..=b'z' | b'-' => State::Broken,
                    _ => State::Between,
                },
                State::Broken => break,
                _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => {
                    at += 1;
                    continue;
                }
                State::Between | State::Value => {
                    at += 1;
                    self.open(byte)
                }
                State::FirstElement => {
                    at += 1;
                    match byte {
                        b']' => self.close(),
                        byte => self.open(byte),
                    }
                }
                State::FirstName | State::NextName => {
                    at += 1;
                    match byte {
                        b'"' => State::Name,
                        b'}' if state == State::FirstName => self.close(),
                        _ => State::Broken,
                    }
                }
                State::Colon => {
                    at += 1;
                    if byte == b':' {
                        State::Value
                    } else {
                        State::Broken
                    }
                }
                State::AfterValue => {
                    at += 1;
                    match (byte, self.nesting.in_object()) {
                        (b',', true) => State::NextName,
                        (b',', false) => State::Value,
                        (b'}', true) | (b']', false) => self.close(),
                        _ => State::Broken,
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
    fn url(&mut self, chunk: &[u8], at: &mut usize, cut: &mut Cut<'_>) -> Option<State> {
        let held = self.held.len();
        let prefixes = self.view.prefixes();
        // What is held is a proper part of a prefix, so the longest one is never exceeded.
        let wanted = prefixes.longest() - held;
        let rest = &chunk[*at..];
        self.held.extend_from_slice(&rest[..wanted.min(rest.len())]);
        let mut next = State::Text;
        let found = match prefixes.find(&self.held) {
            Found::Whole(prefix) => self
                .view
                .base_of(prefix.origin())
                .map(|base| (prefix, base)),
            Found::Part => {
                cut.hold(*at);
                return None;
            }
            Found::Nothing => None,
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
                    next = State::TextEscape;
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
    fn open(&mut self, byte: u8) -> State {
        let watched = mem::take(&mut self.watched);
        match byte {
            b'"' if watched => State::Url,
            b'"' => State::Text,
            b'{' | b'[' => {
                let is_object = byte == b'{';
                if self.trail.reaches(self.nesting.depth()) {
                    self.trail.enter(self.nesting.in_object(), is_object);
                }
                match (self.nesting.push(is_object), is_object) {
                    (true, true) => State::FirstName,
                    (true, false) => State::FirstElement,
                    (false, _) => State::Broken,
                }
            }
            byte => Number::first(byte)
                .map(State::Number)
                .or_else(|| Literal::first(byte).map(State::Literal))
                .unwrap_or(State::Broken),
        }
    }

    /// The last byte of a container.
    fn close(&mut self) -> State {
        self.nesting.pop();
        self.trail.leave(self.nesting.depth());
        self.closed()
    }

    /// Ends a number or literal.
    fn scalar_closed(&self) -> State {
        if self.nesting.depth() == 0 {
            State::AfterScalar
        } else {
            State::AfterValue
        }
    }

    /// Ends a value.
    fn closed(&self) -> State {
        if self.nesting.depth() == 0 {
            State::Between
        } else {
            State::AfterValue
        }
    }
}

/// Where in the grammar the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
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

/// RFC 8259 section 8.1 lets readers ignore it, and every client does.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
