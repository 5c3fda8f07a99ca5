//! Checks the names of the parts of a multipart body: for one that names another method, and for
//! one that requests side loads.
//!
//! Servers disagree about where a part begins: at which of two boundaries, at which line ends; old
//! versions of Rack even in the middle of a line. So no boundary is looked for. From
//! `Content-Disposition` or `Content-ID` to the next empty line, text counts as a part's head,
//! wherever it appears, and any name in it as a field's name; a file's name counts only as that of
//! a method. The requested side loads aren't read: no client requests them this way.

use super::BodyFinding;
use super::method_override_scan::WordScan;
use crate::percent;
use crate::rights::param_names::{INCLUDE, METHOD};
use crate::rights::side_loads::SideLoads;

/// The parts of a body, read byte by byte.
#[derive(Debug)]
pub(super) struct PartsScan {
    state: PartState,
    side_loads: SideLoads,
    /// How much of each header's name has been read.
    names: [usize; HEADERS.len()],
}

#[derive(Debug)]
enum PartState {
    Content,
    Head {
        words: Words,
        /// How many bytes of the empty line have been read.
        line_end: usize,
        /// The digits of a `%XX`.
        escape: Option<Escape>,
    },
}

#[derive(Debug)]
enum Escape {
    Percent,
    High(u8),
}

/// The words that are searched for in a part's head.
#[derive(Debug)]
struct Words {
    method: WordScan,
    include: WordScan,
    /// The first bytes of the parameter name that is being read.
    parameter: Vec<u8>,
    /// Whether a file's name is being read.
    in_file_name: bool,
}

impl Words {
    fn new() -> Self {
        Self {
            method: WordScan::new(METHOD),
            include: WordScan::new(INCLUDE),
            parameter: Vec::new(),
            in_file_name: false,
        }
    }

    fn push(&mut self, byte: u8, side_loads: SideLoads) -> Result<(), BodyFinding> {
        let is_method = self.method.push(byte);
        let is_include = self.include.push(byte) && !self.in_file_name;
        match byte {
            b'=' => {
                let name = self.parameter.to_ascii_lowercase();
                self.in_file_name = matches!(name.as_slice(), b"filename" | b"filename*");
                self.parameter.clear();
            }
            b if b.is_ascii_alphanumeric() || matches!(b, b'*' | b'_' | b'-') => {
                if self.parameter.len() < PARAMETER_MAX {
                    self.parameter.push(b);
                }
            }
            _ => self.parameter.clear(),
        }
        found(is_method, is_include, side_loads)
    }

    fn finish(&self, side_loads: SideLoads) -> Result<(), BodyFinding> {
        let is_include = self.include.is_whole() && !self.in_file_name;
        found(self.method.is_whole(), is_include, side_loads)
    }
}

fn found(is_method: bool, is_include: bool, side_loads: SideLoads) -> Result<(), BodyFinding> {
    if is_method {
        return Err(BodyFinding::Method);
    }
    match is_include && !side_loads.are_free() {
        true => Err(BodyFinding::SideLoad(side_loads.unread())),
        false => Ok(()),
    }
}

impl PartsScan {
    pub(super) fn new(side_loads: SideLoads) -> Self {
        Self {
            state: PartState::Content,
            side_loads,
            names: [0; HEADERS.len()],
        }
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// A method override, or a side load that the key doesn't cover.
    pub(super) fn push(&mut self, text: &[u8]) -> Result<(), BodyFinding> {
        text.iter().try_for_each(|byte| self.read(*byte))
    }

    /// Ends the body.
    ///
    /// # Errors
    /// A method override, or a side load that the key doesn't cover.
    pub(super) fn finish(&self) -> Result<(), BodyFinding> {
        match &self.state {
            PartState::Content => Ok(()),
            PartState::Head { words, .. } => words.finish(self.side_loads),
        }
    }

    fn read(&mut self, byte: u8) -> Result<(), BodyFinding> {
        let begins = self.is_header(byte);
        let side_loads = self.side_loads;
        match &mut self.state {
            PartState::Content if begins => {
                self.state = PartState::Head {
                    words: Words::new(),
                    line_end: 0,
                    escape: None,
                };
                Ok(())
            }
            PartState::Content => Ok(()),
            PartState::Head {
                words,
                line_end,
                escape,
            } => {
                *line_end = match (byte, *line_end) {
                    (b'\r', 2) => 3,
                    (b'\r', _) => 1,
                    (b'\n', 1) => 2,
                    (b'\n', 3) => {
                        let found = words.push(byte, side_loads);
                        self.state = PartState::Content;
                        return found;
                    }
                    _ => 0,
                };
                decode(escape, byte, &mut |byte| words.push(byte, side_loads))
            }
        }
    }

    /// Whether the name of one of the headers ends here.
    fn is_header(&mut self, byte: u8) -> bool {
        let byte = byte.to_ascii_lowercase();
        let mut found = false;
        for (read, name) in self.names.iter_mut().zip(HEADERS) {
            // No name contains its own beginning a second time, except for `content-` in one that
            // breaks off.
            *read = match name.as_bytes().get(*read) {
                Some(wanted) if *wanted == byte => *read + 1,
                _ => usize::from(name.as_bytes()[0] == byte),
            };
            found |= *read == name.len();
        }
        found
    }
}

/// Undoes encodings of a byte in a quoted name: `\_`, `%5F`. NUL is ignored.
fn decode(
    escape: &mut Option<Escape>,
    byte: u8,
    push: &mut impl FnMut(u8) -> Result<(), BodyFinding>,
) -> Result<(), BodyFinding> {
    match (escape.take(), percent::digit(byte)) {
        (Some(Escape::Percent), Some(_)) => {
            *escape = Some(Escape::High(byte));
            Ok(())
        }
        (Some(Escape::High(high)), Some(low)) => {
            let high = percent::digit(high).unwrap_or_default();
            push(high << 4 | low)
        }
        (Some(Escape::High(high)), None) => {
            push(b'%')?;
            push(high)?;
            decode(escape, byte, push)
        }
        (Some(Escape::Percent), None) => {
            push(b'%')?;
            decode(escape, byte, push)
        }
        (None, _) => match byte {
            b'%' => {
                *escape = Some(Escape::Percent);
                Ok(())
            }
            b'\\' | 0 => Ok(()),
            byte => push(byte),
        },
    }
}

/// The headers that name a part; Rack uses the second if the first gives no name.
const HEADERS: [&str; 2] = ["content-disposition", "content-id"];

/// Longer than the names that matter.
const PARAMETER_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route_table::scope::Scopes;

    fn finds(text: &str) -> bool {
        found_in(SideLoads::Anything, text).is_err()
    }

    fn found_in(side_loads: SideLoads, text: &str) -> Result<(), BodyFinding> {
        let mut parts = PartsScan::new(side_loads);
        let whole = parts.push(text.as_bytes()).and_then(|()| parts.finish());
        let mut parts = PartsScan::new(side_loads);
        let mut bytes = text.bytes();
        let cut = bytes.try_for_each(|byte| parts.push(&[byte]));
        let cut = cut.and_then(|()| parts.finish());
        assert_eq!(whole, cut, "{text}");
        whole
    }

    #[test]
    fn d2_a_part_that_brings_something_along_is_seen() {
        let tickets = SideLoads::Of(Scopes::parse("tickets:read").unwrap());
        for head in [
            "Content-Disposition: form-data; name=\"include\"",
            "content-disposition: form-data; name=include",
            "Content-Disposition: form-data; filename=\"a\"; name=\"Include[]\"",
            "Content-Disposition: form-data; name=\"incl%75de\"",
            "Content-ID: <include>",
        ] {
            assert!(found_in(tickets, &part(head)).is_err(), "{head}");
            assert_eq!(found_in(SideLoads::Anything, &part(head)), Ok(()), "{head}");
        }
        for head in [
            "Content-Disposition: form-data; name=\"file\"; filename=\"include.h\"",
            "Content-Disposition: form-data; name=\"included\"",
            "Content-Disposition: form-data; name=\"a\"\r\n\r\n#include <stdio.h>",
        ] {
            assert_eq!(found_in(tickets, &part(head)), Ok(()), "{head}");
        }
    }

    /// A body with one field whose head is `head`.
    fn part(head: &str) -> String {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"subject\"\r\n\r\nx\r\n\
             --b\r\n{head}\r\n\r\nDELETE\r\n--b--\r\n"
        )
    }

    #[test]
    fn d3_p9_another_method_in_a_part_is_seen() {
        for head in [
            "Content-Disposition: form-data; name=\"_method\"",
            "content-disposition:form-data;name=_method",
            "CONTENT-DISPOSITION: form-data; name='_METHOD'",
            "Content-Type: text/plain\r\nContent-Disposition: form-data; name=\"_method\"",
            "Content-Disposition: form-data;\r\n name=\"_method\"",
            "Content-Disposition: form-data;\n name=\"_method\"",
            "Content-Disposition: form-data; filename=\"a\"; name=\"_method\"",
            "Content-Disposition: form-data; name=\"\\_method\"",
            "Content-Disposition: form-data; name=\"%5Fmethod\"",
            "Content-Disposition: form-data; name*=UTF-8''%5fm%65thod",
            "Content-Disposition: form-data; name=\"[_method]\"",
            "Content-Disposition: form-data; name=\"_method[]\"",
            "X: Content-Disposition: form-data; name=\"_method\"",
            "Content-ID: _method",
            "Content-Disposition: form-data\r\nContent-ID: <_method>",
            "Content-Content-Disposition: form-data; name=\"_method\"",
            "Content-Disposition: form-data\n\nname=\"_method\"",
        ] {
            assert!(finds(&part(head)), "{head}");
        }
        assert!(finds("junk--b\r\nContent-ID: _method\r\n\r\nDELETE"));
        assert!(finds("Content-ID: _method"));
    }

    #[test]
    fn d3_p9_a_part_that_only_mentions_it_passes() {
        for head in [
            "Content-Disposition: form-data; name=\"file\"; filename=\"payment_method.rb\"",
            "Content-Disposition: form-data; name=\"payment_method\"",
            "Content-Disposition: form-data; name=\"_methods\"",
            "Content-Type: text/x-_method",
            "Content-Disposition: form-data; name=\"file\"\r\n\r\n<input name=\"_method\">",
            "Content-Disposition: form-data; name=\"100%\"",
        ] {
            assert!(!finds(&part(head)), "{head}");
        }
        assert!(!finds("<input name=\"_method\" value=\"DELETE\">"));
        assert!(!finds(""));
    }
}
