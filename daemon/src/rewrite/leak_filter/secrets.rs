//! Secrets that must not be echoed, in every form in which an endpoint may echo them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::Span;
use aho_corasick::packed::Searcher;
use memchr::{memchr_iter, memmem};
use zeroize::Zeroizing;

use crate::secret_forms::forms;

/// Live tokens, in every form that `secret_forms` lists. Clones share them;
/// `Debug` shows none.
#[derive(Clone, Default)]
pub struct TokenPatterns(Option<Arc<PatternSet>>);

struct PatternSet {
    needles: Vec<Zeroizing<Vec<u8>>>,
    /// Finds the last bytes of each needle, all needles at once. Only these are in memory that
    /// isn't zeroised: the end of a token is its random part. `None` on processors without the
    /// required instructions.
    ends: Option<Searcher>,
    /// The length of the shortest needle.
    shortest: usize,
    /// The length of the longest.
    longest: usize,
    /// Which bytes occur in needles at all.
    bytes: [bool; 256],
}

impl TokenPatterns {
    /// Those of these values that are long enough to be tokens.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let values = values.into_iter().filter(|value| value.len() >= SHORTEST);
        Self::of(values.flat_map(|value| forms(value.as_bytes())).collect())
    }

    /// These and `others`.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        match (&self.0, &others.0) {
            (Some(own), Some(more)) if !Arc::ptr_eq(own, more) => {
                let mut needles = own.needles.clone();
                needles.extend(more.needles.iter().cloned());
                needles.sort_unstable_by(|one, other| one[..].cmp(&other[..]));
                needles.dedup();
                Self::of(needles)
            }
            (None, Some(_)) => others.clone(),
            _ => self.clone(),
        }
    }

    /// Whether there are none to look for.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether `text` contains one of them.
    pub(super) fn are_in(&self, text: &[u8]) -> bool {
        !self.find(text).is_empty()
    }

    /// `text` with every secret masked, if it contains one.
    pub(super) fn masked(&self, text: &[u8]) -> Option<Vec<u8>> {
        let found = self.find(text);
        if found.is_empty() {
            return None;
        }
        let mut masked = text.to_vec();
        for place in found {
            if let Some(place) = masked.get_mut(place) {
                place.fill(MASK);
            }
        }
        Some(masked)
    }

    /// Where in `text` secrets are, ordered by their ends.
    pub(super) fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let Some(known) = &self.0 else {
            return Vec::new();
        };
        match &known.ends {
            // Most header values.
            _ if text.len() < known.shortest => Vec::new(),
            Some(ends) => known.by_their_ends(ends, text),
            None => known.one_by_one(text),
        }
    }

    /// How many of the last bytes of `text` could be the beginning of a secret.
    pub(super) fn may_begin(&self, text: &[u8]) -> usize {
        let Some(known) = &self.0 else {
            return 0;
        };
        let text = known.end_of(text);
        // Most pieces of JSON: they end with a brace.
        if text.is_empty() {
            return 0;
        }
        let begun = known.needles.iter().filter_map(|needle| {
            let longest = needle.len() - 1;
            let tail = text.get(text.len().saturating_sub(longest)..)?;
            let mut starts = memchr_iter(*needle.first()?, tail);
            let start = starts.find(|start| needle.starts_with(&tail[*start..]))?;
            Some(tail.len() - start)
        });
        begun.max().unwrap_or(0)
    }

    /// The length of the longest.
    pub(super) fn longest(&self) -> usize {
        self.0.as_ref().map_or(0, |known| known.longest)
    }

    fn of(needles: Vec<Zeroizing<Vec<u8>>>) -> Self {
        if needles.is_empty() {
            return Self(None);
        }
        let ends = needles.iter().map(|needle| end_of(needle));
        let ends = Searcher::new(ends);
        let lengths = needles.iter().map(|needle| needle.len());
        let mut bytes = [false; 256];
        for byte in needles.iter().flat_map(|needle| needle.iter()) {
            bytes[usize::from(*byte)] = true;
        }
        Self(Some(Arc::new(PatternSet {
            shortest: lengths.clone().min().unwrap_or(0),
            longest: lengths.max().unwrap_or(0),
            needles,
            ends,
            bytes,
        })))
    }
}

impl PatternSet {
    fn by_their_ends(&self, ends: &Searcher, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(hit) = ends.find_in(text, Span::from(from..text.len())) {
            let before = &text[..hit.end()];
            let whole = self
                .needles
                .iter()
                .filter(|needle| before.ends_with(needle));
            found.extend(whole.map(|needle| hit.end() - needle.len()..hit.end()));
            // Ends may overlap.
            from = hit.start() + 1;
        }
        found
    }

    /// The end of `text` in which a needle may have begun.
    fn end_of<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let text = &text[text.len().saturating_sub(self.longest)..];
        let other = text.iter().rposition(|b| !self.bytes[usize::from(*b)]);
        &text[other.map_or(0, |at| at + 1)..]
    }

    fn one_by_one(&self, text: &[u8]) -> Vec<Range<usize>> {
        let each = self.needles.iter().flat_map(|needle| {
            memmem::find_iter(text, &needle[..]).map(|at| at..at + needle.len())
        });
        let mut found: Vec<_> = each.collect();
        found.sort_unstable_by_key(|place| place.end);
        found
    }
}

impl fmt::Debug for TokenPatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenPatterns(..)")
    }
}

fn end_of(needle: &[u8]) -> &[u8] {
    &needle[needle.len().saturating_sub(END)..]
}

/// Allowed in a header's value, in JSON and in a URL.
pub(super) const MASK: u8 = b'*';

/// Less of a token is useless, and a text rarely ends in this much of one by chance: S3 wants each
/// byte passed on as soon as it arrives.
pub(super) const BEGUN: usize = 8;

/// Zendesk's tokens have at least 64 characters. A shorter text may be a word of a ticket, which
/// must not be changed (S2).
const SHORTEST: usize = 16;

/// This many random characters don't match by chance, and each hit is compared in full anyway.
const END: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKENS: [&str; 2] = ["abcabcabdabcabcabe", "cab/cab+cab/cab+cab="];

    proptest! {
        #[test]
        fn d4_p13_whatever_a_text_ends_with_is_found(
            text in prop::collection::vec(prop_oneof![
                "[abc/}]{0,9}",
                prop::sample::select(TOKENS.to_vec()).prop_map(str::to_owned),
                (0..TOKENS[0].len()).prop_map(|n| TOKENS[0][..n].to_owned()),
                (0..TOKENS[1].len()).prop_map(|n| TOKENS[1][..n].replace('/', "\\/")),
            ], 0..5),
        ) {
            let text = text.concat();
            let patterns = TokenPatterns::new(TOKENS);
            let needles = &patterns.0.as_ref().unwrap().needles;
            let is_begun = |length: &usize| {
                let end = &text.as_bytes()[text.len() - length..];
                needles.iter().any(|needle| needle.len() > *length && needle.starts_with(end))
            };
            let longest = (1..=text.len()).rev().find(is_begun);
            prop_assert_eq!(patterns.may_begin(text.as_bytes()), longest.unwrap_or(0));
            let is_in = needles.iter().any(|needle| memmem::find(text.as_bytes(), needle).is_some());
            prop_assert_eq!(patterns.are_in(text.as_bytes()), is_in);
        }
    }
}
