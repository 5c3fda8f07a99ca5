//! Finds a whole word in a stream of bytes.

/// How much of the word has been read.
#[derive(Clone, Copy, Debug)]
pub(super) struct WordScan {
    word: &'static [u8],
    /// How many of its bytes match.
    matched: usize,
    /// The preceding byte may belong to a longer word.
    in_word: bool,
}

impl WordScan {
    pub(super) fn new(word: &'static [u8]) -> Self {
        Self {
            word,
            matched: 0,
            in_word: false,
        }
    }

    /// Reads one byte. Returns `true` for the byte after the word.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        let is_part = byte.is_ascii_alphanumeric() || byte == b'_';
        if self.matched == self.word.len() && !is_part {
            *self = Self::new(self.word);
            return true;
        }
        if !is_part {
            *self = Self::new(self.word);
        } else if !self.in_word && self.word.get(self.matched) == Some(&byte.to_ascii_lowercase()) {
            self.matched += 1;
        } else {
            self.matched = 0;
            self.in_word = true;
        }
        false
    }

    /// Ends the text: whether it ended with the word.
    pub(super) fn is_whole(self) -> bool {
        self.matched == self.word.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_the_word_is_found_by_itself_alone() {
        let finds = |text: &str| {
            let mut word = WordScan::new(crate::rights::param_names::METHOD);
            text.bytes().any(|byte| word.push(byte)) || word.is_whole()
        };
        for text in [
            "_method",
            "\"_method\"",
            "a _METHOD.",
            "x_method _method",
            "-_method-",
        ] {
            assert!(finds(text), "{text}");
        }
        for text in [
            "",
            "method",
            "payment_method",
            "_methods",
            "__method",
            "_metho d",
            "_method_x",
        ] {
            assert!(!finds(text), "{text}");
        }
    }
}
