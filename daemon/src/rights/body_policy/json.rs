//! Checks the members of a JSON text's outermost object: for one that names another method, and for
//! one that requests side loads.
//!
//! Only members of the outermost object count: frameworks read no others, and the fields of tickets
//! and custom objects may have any name. Text that isn't JSON according to RFC 8259 may be read
//! differently by different servers (comments, single quotes, a second text behind the first); in
//! such a text the word alone counts as the name.

use super::BodyFinding;
use super::method_override_scan::WordScan;
use crate::rights::param_names::{INCLUDE, METHOD};
use crate::rights::side_loads::SideLoads;

/// A JSON text, read byte by byte.
#[derive(Debug)]
pub(super) struct Json {
    state: JsonState,
    /// The kinds of the open containers, the innermost in the lowest bit: 1 for an object.
    objects: u128,
    depth: u32,
    /// The text isn't JSON.
    broken: bool,
    /// What the words mean that were seen anywhere in the text.
    mentioned: Option<BodyFinding>,
    word: WordScan,
    side_loads: SideLoads,
    include: WordScan,
    /// The value that requests side loads, while it is being read.
    asked: Option<Vec<u8>>,
    /// The escapes of the text, in case it turns out not to be JSON.
    anywhere: Unescape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JsonState {
    /// Before the text, where a byte order mark is allowed.
    Start,
    Value,
    /// After `[` or `{`: the container may end at once.
    First,
    /// After a comma in an object.
    Name,
    Colon,
    After,
    String {
        is_name: bool,
        escapes: Unescape,
        method: Match,
        include: Match,
    },
    /// A number, `true`, `false`, `null`.
    WordScan,
}

impl Json {
    pub(super) fn new(side_loads: SideLoads) -> Self {
        Self {
            state: JsonState::Start,
            objects: 0,
            depth: 0,
            broken: false,
            mentioned: None,
            word: WordScan::new(METHOD),
            side_loads,
            include: WordScan::new(INCLUDE),
            asked: None,
            anywhere: Unescape::Plain,
        }
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// A method override, or a side load that the key doesn't cover.
    pub(super) fn push(&mut self, text: &[u8]) -> Result<(), BodyFinding> {
        text.iter().try_for_each(|byte| self.read(*byte))
    }

    /// Ends the text.
    ///
    /// # Errors
    /// A method override, or a side load that the key doesn't cover.
    pub(super) fn finish(&mut self) -> Result<(), BodyFinding> {
        let (method, include) = (self.word.is_whole(), self.include.is_whole());
        self.mention(method, include);
        if let Some(asked) = self.asked.take() {
            self.side_loads
                .judge(&asked)
                .map_err(BodyFinding::SideLoad)?;
        }
        match self.mentioned.take() {
            Some(found) if self.broken => Err(found),
            _ => Ok(()),
        }
    }

    fn read(&mut self, byte: u8) -> Result<(), BodyFinding> {
        // UTF-16 and UTF-32, which some parsers detect, are ASCII with NULs in between.
        if byte != 0
            && let Some(byte) = self.anywhere.push(byte, Backslashes::EachBegins)
        {
            let (method, include) = (self.word.push(byte), self.include.push(byte));
            self.mention(method, include);
        }
        if !self.broken {
            match self.next(byte) {
                Some(JsonStep::To(state)) => {
                    self.state = state;
                    return self.judge_asked();
                }
                Some(JsonStep::Named) => return Err(BodyFinding::Method),
                None => self.broken = true,
            }
        }
        self.mentioned.clone().map_or(Ok(()), Err)
    }

    fn mention(&mut self, method: bool, include: bool) {
        if method {
            self.mentioned = Some(BodyFinding::Method);
        } else if include && self.mentioned.is_none() && !self.side_loads.are_free() {
            self.mentioned = Some(BodyFinding::SideLoad(self.side_loads.unread()));
        }
    }

    /// Judges the requested side loads once their value is complete.
    fn judge_asked(&mut self) -> Result<(), BodyFinding> {
        let is_whole = matches!(self.state, JsonState::After | JsonState::Name) && self.depth <= 1;
        match &self.asked {
            Some(asked) if asked.len() > ASKED_MAX => {
                Err(BodyFinding::SideLoad(self.side_loads.unread()))
            }
            Some(asked) if is_whole => {
                let judged = self.side_loads.judge(asked);
                self.asked = None;
                judged.map_err(BodyFinding::SideLoad)
            }
            _ => Ok(()),
        }
    }

    fn next(&mut self, byte: u8) -> Option<JsonStep> {
        let is_space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let state = match self.state {
            JsonState::String {
                is_name,
                escapes,
                method,
                include,
            } => return Some(self.string(byte, is_name, escapes, [method, include])),
            JsonState::WordScan if is_word(byte) => JsonState::WordScan,
            // Any byte that ends a word comes after a value.
            JsonState::WordScan | JsonState::After => match byte {
                _ if is_space => JsonState::After,
                b',' if self.depth > 0 => match self.is_in_object() {
                    true => JsonState::Name,
                    false => JsonState::Value,
                },
                b'}' | b']' => self.close(byte)?,
                _ => return None,
            },
            JsonState::Start if matches!(byte, 0xef | 0xbb | 0xbf) => JsonState::Start,
            state if is_space => state,
            JsonState::First if matches!(byte, b'}' | b']') => self.close(byte)?,
            JsonState::Name => self.name(byte)?,
            JsonState::First if self.is_in_object() => self.name(byte)?,
            JsonState::Start | JsonState::Value | JsonState::First => match byte {
                b'{' | b'[' => self.open(byte == b'{')?,
                b'"' => string(false),
                _ if is_word(byte) => JsonState::WordScan,
                _ => return None,
            },
            JsonState::Colon => match byte {
                b':' => JsonState::Value,
                _ => return None,
            },
        };
        Some(JsonStep::To(state))
    }

    fn name(&self, byte: u8) -> Option<JsonState> {
        (byte == b'"').then(|| string(true))
    }

    fn string(
        &mut self,
        byte: u8,
        is_name: bool,
        mut escapes: Unescape,
        [mut method, mut include]: [Match; 2],
    ) -> JsonStep {
        if byte == b'"' && escapes == Unescape::Plain {
            if let Some(asked) = &mut self.asked {
                asked.push(b',');
            }
            let is_outermost = is_name && self.depth == 1;
            if is_outermost && include.is_whole(INCLUDE) && !self.side_loads.are_free() {
                self.asked = Some(Vec::new());
            }
            return match is_name {
                true if is_outermost && method.is_whole(METHOD) => JsonStep::Named,
                true => JsonStep::To(JsonState::Colon),
                false => JsonStep::To(JsonState::After),
            };
        }
        if let Some(byte) = escapes.push(byte, Backslashes::InPairs) {
            method.push(METHOD, byte);
            include.push(INCLUDE, byte);
            if let Some(asked) = &mut self.asked {
                asked.push(byte);
            }
        }
        JsonStep::To(JsonState::String {
            is_name,
            escapes,
            method,
            include,
        })
    }

    fn is_in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    fn open(&mut self, is_object: bool) -> Option<JsonState> {
        // Ruby reads a hundred levels.
        if self.depth == u128::BITS {
            return None;
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(is_object);
        Some(JsonState::First)
    }

    fn close(&mut self, byte: u8) -> Option<JsonState> {
        if self.depth == 0 || self.is_in_object() != (byte == b'}') {
            return None;
        }
        self.depth -= 1;
        self.objects >>= 1;
        Some(JsonState::After)
    }
}

enum JsonStep {
    To(JsonState),
    /// The outermost object has a member that names another method.
    Named,
}

fn string(is_name: bool) -> JsonState {
    JsonState::String {
        is_name,
        escapes: Unescape::Plain,
        method: Match::default(),
        include: Match::default(),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

/// How much of a name matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Match {
    length: usize,
    differs: bool,
    cut: bool,
}

impl Match {
    fn push(&mut self, name: &[u8], byte: u8) {
        // Some clients append the brackets of a form's list to the name in JSON, too.
        let is_cut = name == INCLUDE && self.is_whole(name) && byte == b'[';
        if is_cut || self.cut {
            self.cut = true;
            return;
        }
        self.differs |= name.get(self.length) != Some(&byte.to_ascii_lowercase());
        self.length += usize::from(!self.differs);
    }

    fn is_whole(self, name: &[u8]) -> bool {
        !self.differs && self.length == name.len()
    }
}

/// An escape that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unescape {
    Plain,
    Backslash,
    Unicode { digits: u8, value: u32 },
}

/// The meaning of a backslash after a backslash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslashes {
    /// It completes an escaped backslash.
    InPairs,
    /// It begins another escape, where it isn't known which backslash is the first.
    EachBegins,
}

impl Unescape {
    /// Reads one byte, and returns the byte that it completes. Anything outside ASCII becomes one
    /// placeholder byte.
    fn push(&mut self, byte: u8, backslashes: Backslashes) -> Option<u8> {
        let (next, read) = match (*self, byte) {
            (Self::Plain, b'\\') => (Self::Backslash, None),
            (Self::Plain, _) => (Self::Plain, Some(byte)),
            (Self::Backslash, b'u') => (
                Self::Unicode {
                    digits: 0,
                    value: 0,
                },
                None,
            ),
            (Self::Backslash, b'\\') if backslashes == Backslashes::EachBegins => {
                (Self::Backslash, Some(byte))
            }
            (Self::Backslash, b'b' | b'f' | b'n' | b'r' | b't') => (Self::Plain, Some(b' ')),
            // `\_` isn't a valid escape, and some parsers read it as `_`.
            (Self::Backslash, _) => (Self::Plain, Some(byte)),
            (Self::Unicode { digits, value }, _) => match char::from(byte).to_digit(16) {
                Some(digit) if digits == 3 => {
                    let value = u8::try_from(value << 4 | digit).unwrap_or(OTHER);
                    (Self::Plain, Some(value))
                }
                Some(digit) => (
                    Self::Unicode {
                        digits: digits + 1,
                        value: value << 4 | digit,
                    },
                    None,
                ),
                None => {
                    *self = Self::Plain;
                    return self.push(byte, backslashes).or(Some(OTHER));
                }
            },
        };
        *self = next;
        read
    }
}

/// A list of all existing side loads has 600 bytes.
const ASKED_MAX: usize = 4096;

/// Represents anything outside ASCII.
const OTHER: u8 = 0xff;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route_table::scope::Scopes;

    fn finds(text: &[u8]) -> bool {
        found(SideLoads::Anything, text).is_err()
    }

    fn found(side_loads: SideLoads, text: &[u8]) -> Result<(), BodyFinding> {
        let mut json = Json::new(side_loads);
        let whole = json.push(text).and_then(|()| json.finish());
        let mut json = Json::new(side_loads);
        let mut bytes = text.iter();
        let cut = bytes.try_for_each(|byte| json.push(&[*byte]));
        let cut = cut.and_then(|()| json.finish());
        assert_eq!(whole, cut, "{}", text.escape_ascii());
        whole
    }

    #[test]
    fn d2_what_a_json_text_brings_along_is_seen() {
        let tickets = SideLoads::Of(Scopes::parse("tickets:read").unwrap());
        let long = format!(r#"{{"include":"{}"}}"#, "a".repeat(ASKED_MAX + 1));
        for text in [
            r#"{"include":"users"}"#,
            r#"{"a":1,"include":"comment_count, users","b":2}"#,
            r#"{"include":["comment_count","users"]}"#,
            r#"{"include":{"a":[{"users":1}]}}"#,
            r#"{"Include":"users"}"#,
            r#"{"include":"users"}"#,
            r#"{"include[]":["users"]}"#,
            r#"{"include":"comment_count","include":"users"}"#,
            r#"{'include':'users'}"#,
            r#"{"include":"users""#,
            &long,
        ] {
            assert!(found(tickets, text.as_bytes()).is_err(), "{text}");
            assert!(
                found(SideLoads::Nothing, text.as_bytes()).is_err(),
                "{text}"
            );
            assert_eq!(
                found(SideLoads::Anything, text.as_bytes()),
                Ok(()),
                "{text}"
            );
        }
        for text in [
            r#"{"include":""}"#,
            r#"{"include":null}"#,
            r#"{"include":"comment_count"}"#,
            r#"{"ticket":{"include":"users"}}"#,
            r#"{"a":"include","b":"users"}"#,
            r#"{"included":"users"}"#,
            r#"[{"include":"users"}]"#,
        ] {
            assert_eq!(found(tickets, text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn d3_p9_another_method_in_the_outermost_object_is_seen() {
        for text in [
            r#"{"_method":"DELETE"}"#,
            r#"{"_method":null}"#,
            r#" { "ticket" : {"a":[1,{}]} , "_method" : "put" }"#,
            "\u{feff}{\"_method\":\"DELETE\"}",
            r#"{"\u005fmethod":"DELETE"}"#,
            r#"{"\u005F\u006D\u0065\u0074\u0068\u006F\u0064":"DELETE"}"#,
            r#"{"_m\u0065thod":"DELETE"}"#,
            r#"{"\_method":"DELETE"}"#,
            r#"{"_METHOD":"DELETE"}"#,
            r#"{"a":"\\","_method":"DELETE"}"#,
            r#"{"a":"\"","_method":"DELETE"}"#,
            r#"{"a":-1.5e+3,"_method":"DELETE"}"#,
            r#"{"a":[],"b":{},"_method":"DELETE"}"#,
            r#"{"_method":"DELETE""#,
        ] {
            assert!(finds(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn d3_p9_what_is_no_json_may_not_even_mention_it() {
        for text in [
            r#"{/*"*/"_method":"DELETE"/*"*/}"#,
            r#"{//"
            "_method":"DELETE"}"#,
            r#"{'_method':'DELETE'}"#,
            r#"{_method:"DELETE"}"#,
            r#"{"a":'"',"_method":"DELETE","b":'"'}"#,
            r#"{}{"_method":"DELETE"}"#,
            r#"[]{"_method":"DELETE"}"#,
            r#"{"a":1,,"_method":"DELETE"}"#,
            r#"{"a":[},"_method":"DELETE"}"#,
            r#"{"_method" "DELETE"} {"_method":"DELETE"}"#,
            r#"{"a" "_method":"DELETE"}"#,
            r#"{'\u005fmethod':"DELETE"}"#,
            r#"{'\\u005fmethod':"DELETE"}"#,
            "_method=DELETE",
            "_method",
            "\0{\0\"\0_\0m\0e\0t\0h\0o\0d\0\"\0:\0\"\0x\0\"\0}",
        ] {
            assert!(finds(text.as_bytes()), "{text}");
        }
        let deep = format!("{}{{\"_method\":1}}", "[".repeat(200));
        assert!(finds(deep.as_bytes()));
    }

    #[test]
    fn d3_p9_json_that_only_mentions_it_passes() {
        for text in [
            "",
            " \r\n",
            "null",
            r#"{"ticket":{"comment":{"body":"send _method=DELETE"}}}"#,
            r#"{"ticket":{"_method":"DELETE"}}"#,
            r#"{"a":{"_method":1},"b":[{"_method":1}]}"#,
            r#"[{"_method":"DELETE"}]"#,
            r#"{"a":"_method"}"#,
            r#"{"a":"\",\"_method\":\""}"#,
            r#""_method""#,
            r#"["_method"]"#,
            r#"{"payment_method":"x","_methods":1,"__method":2,"_metho":3,"":4}"#,
            r#"{"\\u005fmethod":"x"}"#,
            r#"{"a":"ü","b":"\ud83d\ude00"}"#,
            // Not JSON, and without the word.
            "PK\u{3}\u{4} some bytes of a file",
            r#"{"a":1,}"#,
            r#"{'payment_method':1}"#,
            "{\"a\":",
        ] {
            assert!(!finds(text.as_bytes()), "{text}");
        }
        assert!(!finds(b"\xff\xd8\xff\xe0\0\x10JFIF"));
    }
}
