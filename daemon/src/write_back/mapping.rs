//! Finds local URLs in a text and points them at Zendesk, however the text is split.
//!
//! Unlike in an answer, the position of a URL in a text doesn't matter, nor does the kind of text:
//! a link to this machine is useless to anyone else, wherever it is found.

use std::mem;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use memchr::memchr2;

use super::bases::{Bases, SCHEME};
use crate::body::{BodyError, Filter, FilterStep};
use crate::config::Origin;
use crate::percent;

/// Maps one body.
#[derive(Debug)]
pub(super) struct Mapping {
    bases: Bases,
    /// Whether URLs may be percent-encoded, as in a form.
    percent: bool,
    /// The end of what has been read, if a URL may begin there.
    held: Vec<u8>,
    changed: bool,
}

impl Mapping {
    pub(super) fn new(bases: Bases, percent: bool) -> Self {
        Self {
            bases,
            percent,
            held: Vec::new(),
            changed: false,
        }
    }

    /// Reads the next chunk and returns what can be passed on.
    pub(super) fn push(&mut self, chunk: &Bytes) -> Bytes {
        if self.held.is_empty() {
            return self.map(chunk);
        }
        let mut joined = mem::take(&mut self.held);
        joined.extend_from_slice(chunk);
        self.map(&Bytes::from(joined))
    }

    /// Ends the text, and returns what was held back.
    pub(super) fn finish(&mut self) -> Bytes {
        Bytes::from(mem::take(&mut self.held))
    }

    /// Whether anything was replaced.
    pub(super) fn has_changed(&self) -> bool {
        self.changed
    }

    fn map(&mut self, text: &Bytes) -> Bytes {
        let mut edited = BytesMut::new();
        let (mut done, mut at) = (0, 0);
        while let Some(found) = memchr2(b'h', b'H', &text[at..]) {
            at += found;
            match self.read(&text[at..]) {
                UrlMatch::Local(url, origin) => {
                    edited.extend_from_slice(&text[done..at]);
                    edited.extend_from_slice(&url.spelled(&text[at..], origin));
                    at += url.authority.end;
                    done = at;
                    self.changed = true;
                }
                UrlMatch::Part => {
                    self.held = text[at..].to_vec();
                    break;
                }
                UrlMatch::Nothing => at += 1,
            }
        }
        let end = text.len() - self.held.len();
        if edited.is_empty() {
            return text.slice(done..end);
        }
        edited.extend_from_slice(&text[done..end]);
        edited.freeze()
    }

    /// What a text begins with.
    fn read(&self, text: &[u8]) -> UrlMatch<'_> {
        let mut units = Units {
            text,
            at: 0,
            percent: self.percent,
        };
        match self.url(&mut units) {
            Ok((url, origin)) => UrlMatch::Local(url, origin),
            Err(UrlEnd::Text) => UrlMatch::Part,
            Err(UrlEnd::Mismatch) => UrlMatch::Nothing,
        }
    }

    fn url(&self, units: &mut Units<'_>) -> Result<(Url, &Origin), UrlEnd> {
        let (mut colon, mut slash) = (0..0, 0..0);
        for expected in SCHEME.bytes() {
            let start = units.at;
            if units.next()?.to_ascii_lowercase() != expected {
                return Err(UrlEnd::Mismatch);
            }
            match expected {
                b':' => colon = start..units.at,
                b'/' => slash = start..units.at,
                _ => (),
            }
        }
        let start = units.at;
        let mut authority = String::new();
        let end = loop {
            let end = units.at;
            match units.next()? {
                b'/' => break end,
                byte if byte.is_ascii_graphic() && authority.len() < self.bases.longest() => {
                    authority.push(char::from(byte.to_ascii_lowercase()));
                }
                _ => return Err(UrlEnd::Mismatch),
            }
        };
        let origin = self.bases.find(&authority).ok_or(UrlEnd::Mismatch)?;
        units.path()?;
        let url = Url {
            colon,
            slash,
            authority: start..end,
        };
        Ok((url, origin))
    }
}

impl Filter for Mapping {
    fn next(&mut self, input: &mut Bytes) -> Result<FilterStep, BodyError> {
        Ok(FilterStep::of(self.push(&mem::take(input))))
    }

    fn finish(&mut self) -> Result<Bytes, BodyError> {
        Ok(Self::finish(self))
    }

    fn is_finished(&self) -> bool {
        self.held.is_empty()
    }

    fn trailers(&self, trailers: &mut HeaderMap) {
        trailers.clear();
    }
}

enum UrlMatch<'a> {
    /// A local URL, and where it leads.
    Local(Url, &'a Origin),
    /// A part of one, at which the text ends.
    Part,
    Nothing,
}

/// The positions of a URL's parts, from which its spelling follows.
struct Url {
    colon: Range<usize>,
    slash: Range<usize>,
    authority: Range<usize>,
}

impl Url {
    /// An origin in the spelling of this URL.
    fn spelled(&self, text: &[u8], origin: &Origin) -> Vec<u8> {
        let mut spelled = Vec::new();
        for byte in origin.to_string().bytes() {
            match byte {
                b':' => spelled.extend_from_slice(&text[self.colon.clone()]),
                b'/' => spelled.extend_from_slice(&text[self.slash.clone()]),
                byte => spelled.push(byte),
            }
        }
        spelled
    }
}

/// A text, one character of its URL at a time.
struct Units<'a> {
    text: &'a [u8],
    at: usize,
    percent: bool,
}

impl Units<'_> {
    fn next(&mut self) -> Result<u8, UrlEnd> {
        let rest = &self.text[self.at..];
        let (byte, length) = match rest.first().ok_or(UrlEnd::Text)? {
            b'\\' => {
                // JSON in a string of JSON doubles the backslash before a slash.
                let most = rest.len().min(BACKSLASHES);
                let backslashes = rest[..most].iter().take_while(|b| **b == b'\\').count();
                match rest.get(backslashes) {
                    Some(b'/') => (b'/', backslashes + 1),
                    None => return Err(UrlEnd::Text),
                    Some(_) => return Err(UrlEnd::Mismatch),
                }
            }
            b'%' if self.percent => match (rest.get(1), rest.get(2)) {
                (Some(high), Some(low)) => (percent::byte(*high, *low).ok_or(UrlEnd::Mismatch)?, 3),
                _ => return Err(UrlEnd::Text),
            },
            byte => (*byte, 1),
        };
        self.at += length;
        Ok(byte)
    }

    /// What follows the slash after the authority.
    fn path(&mut self) -> Result<(), UrlEnd> {
        let mut path = Vec::new();
        loop {
            path.push(self.next()?);
            if PATHS.contains(&path.as_slice()) {
                return Ok(());
            }
            if !PATHS.iter().any(|known| known.starts_with(&path)) {
                return Err(UrlEnd::Mismatch);
            }
        }
    }
}

/// Why a text doesn't match a local URL.
#[derive(Debug)]
enum UrlEnd {
    /// The text ends.
    Text,
    /// It has other characters.
    Mismatch,
}

/// The paths of the local URLs that loopdesk makes.
const PATHS: [&[u8]; 3] = [b"api/", b"attachments/", b"hc/article_attachments/"];

/// JSON in JSON in JSON is the deepest nesting that makes sense.
const BACKSLASHES: usize = 3;
