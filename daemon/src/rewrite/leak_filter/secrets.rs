//! Secrets that must not be echoed, in every form in which an endpoint may echo them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::Span;
use aho_corasick::packed::Searcher;
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use memchr::{memchr_iter, memmem};
use zeroize::Zeroizing;

/// Live tokens: raw, URL-encoded, in JSON with `\/`, and in base64 at any alignment (as in `Basic`
/// credentials). Clones share them; `Debug` shows none.
#[derive(Clone, Default)]
pub struct TokenPatterns(Option<Arc<PatternSet>>);

struct PatternSet {
    needles: Vec<Zeroizing<Vec<u8>>>,
    /// Finds the last bytes of each needle, all needles at once. Only these are in memory that
    /// isn't zeroised: the end of a token is its random part. `None` on processors without the
    /// required instructions.
    ends: Option<Searcher>,
}

impl TokenPatterns {
    /// Those of these values that are long enough to be tokens.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let needles: Vec<_> = values.into_iter().flat_map(forms).collect();
        Self::of(needles)
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
            Some(ends) => known.by_their_ends(ends, text),
            None => known.one_by_one(text),
        }
    }

    /// How many of the last bytes of `text` could be the beginning of a secret.
    pub(super) fn may_begin(&self, text: &[u8]) -> usize {
        let needles = self.0.iter().flat_map(|known| &known.needles);
        let begun = needles.filter_map(|needle| {
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
        let needles = self.0.iter().flat_map(|known| &known.needles);
        needles.map(|needle| needle.len()).max().unwrap_or(0)
    }

    fn of(needles: Vec<Zeroizing<Vec<u8>>>) -> Self {
        if needles.is_empty() {
            return Self(None);
        }
        let ends = needles.iter().map(|needle| end_of(needle));
        let ends = Searcher::new(ends);
        Self(Some(Arc::new(PatternSet { needles, ends })))
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

fn forms(secret: &str) -> Vec<Zeroizing<Vec<u8>>> {
    if secret.len() < SHORTEST {
        return Vec::new();
    }
    let bytes = secret.as_bytes();
    let url: String = url::form_urlencoded::byte_serialize(bytes).collect();
    let mut forms = vec![
        bytes.to_vec(),
        url.into_bytes(),
        secret.replace('/', "\\/").into_bytes(),
    ];
    for alphabet in [&STANDARD, &URL_SAFE] {
        for before in 0..3 {
            forms.push(in_base64(alphabet, before, bytes));
        }
    }
    forms.sort_unstable();
    forms.dedup();
    forms.into_iter().map(Zeroizing::new).collect()
}

/// The base64 characters of `secret` that depend on nothing else, when preceded by `before` other
/// bytes.
fn in_base64(alphabet: &base64::alphabet::Alphabet, before: usize, secret: &[u8]) -> Vec<u8> {
    let mut whole = Zeroizing::new(vec![0; before]);
    whole.extend_from_slice(secret);
    let text = Zeroizing::new(GeneralPurpose::new(alphabet, NO_PAD).encode(&whole[..]));
    // Six bits per character: the first one that lies entirely within the secret, and the last.
    let first = (before * 8).div_ceil(6);
    let last = whole.len() * 8 / 6;
    let inner = text.as_bytes().get(first..last);
    inner.unwrap_or_default().to_vec()
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
