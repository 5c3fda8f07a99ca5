//! Text from other parties, in two types that can't be confused (D7).
//!
//! What a caller has [`Sent`] is returned to it unchanged, or not at all. If secrets were removed
//! from it, the mark in their place would confirm a correct guess of a part of one, at a few dozen
//! guesses per byte.
//! that with a few dozen guesses a byte.
//! [`Foreign`] text is made harmless where it enters: one line, without secrets. So no answer needs
//! to be scanned on its way out, and none depends on which secrets are live.
//! answer need be looked through on its way out, and none depends on a secret that lives.

use std::error::Error as StdError;
use std::fmt;

use loopdesk_protocol::text;

use super::{local_keys, redact};

/// Text that a caller sent, fit to be repeated to that caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent(String);

impl Sent {
    /// A part of a request's head, in visible ASCII.
    pub fn escaped(text: impl AsRef<[u8]>) -> Self {
        let text = String::from_utf8_lossy(text.as_ref());
        let shown = text.chars().take(SENT_MAX).flat_map(char::escape_default);
        Self::unless_key(shown.collect())
    }

    /// Text for people, on one line.
    pub fn line(text: &str) -> Self {
        Self::unless_key(text::line(text))
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Local keys are recognised by their form, whether or not they are live, so this reveals
    /// nothing.
    fn unless_key(text: String) -> Self {
        if local_keys::find(text.as_bytes()).is_empty() {
            Self(text)
        } else {
            Self("(a local key)".to_owned())
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text from Zendesk, a proxy, a keyring, a library or the system: on one line, short, and without
/// live secrets. Never anything that a caller has sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foreign(String);

impl Foreign {
    /// Cleans this text.
    pub fn new(words: &str) -> Self {
        // Secrets go first: a piece of one might not be recognised.
        Self(text::line(&redact::text(words)))
    }

    /// The innermost error: the outer ones only say "client error".
    pub fn root(error: &(dyn StdError + 'static)) -> Self {
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self::new(without_link(&innermost.to_string()))
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Foreign> for String {
    fn from(words: Foreign) -> Self {
        words.0
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A library's error may link to its manual, which doesn't help the author of a script.
fn without_link(words: &str) -> &str {
    let Some(link) = words.find("https://").or_else(|| words.find("http://")) else {
        return words;
    };
    let before = words.get(..link).unwrap_or_default();
    before.trim_end_matches(|c: char| c.is_whitespace() || ":;,(<[-".contains(c))
}

/// A name has at most 253 characters (RFC 1035 section 2.3.4), and as many identify any route; more
/// isn't worth repeating.
const SENT_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "ldk_Q3vT9xKa_7nBfVbX2mQyZs0aLcWkE4rTgUiOpHjDx93NvM1qAeRy8IuZ5Jh";

    #[test]
    fn d4_a_local_key_is_not_repeated() {
        for sent in [Sent::escaped(KEY), Sent::line(&format!("x {KEY}, y"))] {
            assert_eq!(sent.to_string(), "(a local key)");
        }
        assert_eq!(Sent::line(&KEY[..12]).to_string(), KEY[..12]);
    }

    #[test]
    fn what_is_sent_is_escaped_or_on_one_line() {
        assert_eq!(
            Sent::escaped(b"\xe9vil\t\n").to_string(),
            "\\u{fffd}vil\\t\\n"
        );
        assert_eq!(Sent::escaped("a".repeat(999)).to_string().len(), SENT_MAX);
        assert_eq!(Sent::line("a\n\u{202e}b").to_string(), "a b");
    }

    #[test]
    fn s4_no_error_leads_to_the_manual_of_a_library() {
        let said = |text: &'static str| {
            let error: Box<dyn StdError> = text.into();
            Foreign::root(&*error).to_string()
        };
        assert_eq!(
            said("peer closed connection: https://docs.rs/x/#unexpected-eof"),
            "peer closed connection"
        );
        assert_eq!(said("no way (see http://x.example)"), "no way (see");
        assert_eq!(said("connection refused"), "connection refused");
    }

    proptest! {
        #[test]
        fn d7_what_is_sent_comes_back_the_same_whatever_lives(
            token in "[0-9a-f]{64}|[A-Za-z0-9+/=_.~-]{40,80}",
            (from, length) in (0_usize..24, 1_usize..40),
            (before, after) in ("\\PC{0,12}", "\\PC{0,12}")
        ) {
            let piece = token.get(from..from + length).unwrap_or(&token);
            let text = format!("{before}{piece}{after}");
            let both = || (Sent::escaped(&text), Sent::line(&text));
            let unknown = both();
            let _hidden = redact::hide(&token);
            prop_assert_eq!(both(), unknown);
        }

        #[test]
        fn d4_d7_what_is_foreign_is_one_line_without_secrets(
            token in "[A-Za-z0-9+/=_.~-]{40,80}", (before, after) in (".{0,40}", ".{0,40}")
        ) {
            let _hidden = redact::hide(&token);
            let shown = Foreign::new(&format!("{before}\n{token}{after}")).to_string();
            prop_assert!(!shown.contains(text::is_invisible));
            for piece in token.as_bytes().windows(16) {
                prop_assert!(!shown.contains(std::str::from_utf8(piece).unwrap()));
            }
        }
    }
}
