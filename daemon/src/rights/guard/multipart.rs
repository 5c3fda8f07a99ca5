//! Looks for the name of another method in the parts of a multipart body.
//!
//! Servers disagree about where a part begins: by which of two boundaries, at which line ends, and
//! old Rack even amidst a line. So no boundary is looked for. From `Content-Disposition` or
//! `Content-ID` to the next empty line the text counts as a part's head, wherever it stands, and
//! what is named there counts as a field's name.

use super::word::Word;

/// The parts of a body, read byte by byte.
#[derive(Debug)]
pub(super) struct Parts {
    state: State,
    /// How much of each header's name has been read.
    names: [usize; HEADERS.len()],
}

#[derive(Debug)]
enum State {
    Content,
    Head {
        word: Word,
        /// How many bytes of the empty line.
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

impl Parts {
    pub(super) fn new() -> Self {
        Self {
            state: State::Content,
            names: [0; HEADERS.len()],
        }
    }

    /// Reads on. Gives `true` where another method is named.
    pub(super) fn push(&mut self, text: &[u8]) -> bool {
        text.iter().any(|byte| self.read(*byte))
    }

    /// The body is over.
    pub(super) fn finish(&self) -> bool {
        match &self.state {
            State::Content => false,
            State::Head { word, .. } => word.is_whole(),
        }
    }

    fn read(&mut self, byte: u8) -> bool {
        let begins = self.is_header(byte);
        match &mut self.state {
            State::Content if begins => {
                self.state = State::Head {
                    word: Word::default(),
                    line_end: 0,
                    escape: None,
                };
                false
            }
            State::Content => false,
            State::Head {
                word,
                line_end,
                escape,
            } => {
                *line_end = match (byte, *line_end) {
                    (b'\r', 2) => 3,
                    (b'\r', _) => 1,
                    (b'\n', 1) => 2,
                    (b'\n', 3) => {
                        let found = word.push(byte);
                        self.state = State::Content;
                        return found;
                    }
                    _ => 0,
                };
                decode(escape, byte, &mut |byte| word.push(byte))
            }
        }
    }

    /// Whether the name of one of the headers ends here.
    fn is_header(&mut self, byte: u8) -> bool {
        let byte = byte.to_ascii_lowercase();
        let mut found = false;
        for (read, name) in self.names.iter_mut().zip(HEADERS) {
            // No name has its own beginning in it a second time, but for `content-` in one that
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

/// Undoes what may stand for a byte in a quoted name: `\_`, `%5F`. NUL is nothing.
fn decode(escape: &mut Option<Escape>, byte: u8, push: &mut impl FnMut(u8) -> bool) -> bool {
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    match (escape.take(), digit(byte)) {
        (Some(Escape::Percent), Some(_)) => {
            *escape = Some(Escape::High(byte));
            false
        }
        (Some(Escape::High(high)), Some(low)) => {
            let high = digit(high).unwrap_or_default();
            push(high << 4 | low)
        }
        (Some(Escape::High(high)), None) => push(b'%') | push(high) | decode(escape, byte, push),
        (Some(Escape::Percent), None) => push(b'%') | decode(escape, byte, push),
        (None, _) => match byte {
            b'%' => {
                *escape = Some(Escape::Percent);
                false
            }
            b'\\' | 0 => false,
            byte => push(byte),
        },
    }
}

/// The headers that give a part its name; the second does in Rack where the first has none.
const HEADERS: [&str; 2] = ["content-disposition", "content-id"];

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(text: &str) -> bool {
        let mut parts = Parts::new();
        let whole = parts.push(text.as_bytes()) || parts.finish();
        let mut parts = Parts::new();
        let cut = text.bytes().any(|byte| parts.push(&[byte])) || parts.finish();
        assert_eq!(whole, cut, "{text}");
        whole
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
