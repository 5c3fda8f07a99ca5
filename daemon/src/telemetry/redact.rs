//! Removes live secrets and local keys from text, however they got there.
//!
//! Local keys are recognised by their form (`local_keys`), so it doesn't matter whose they are.
//!
//! Code that holds a secret also holds a [`Hidden`] for it. While that lives, and for `GRACE`
//! afterwards, no sink shows the secret: raw, in base64 at any alignment, percent-encoded, in
//! hexadecimal, or as `Debug` escapes it; complete, or a part of `WINDOW` bytes.
//!
//! The set itself stores no secret, only keyed hashes of every stretch of `WINDOW` bytes. Text is
//! scanned with a window of that width: one multiplication and one look-up per byte, and nothing at
//! all while there is nothing to hide.
//!
//! The result must never reach a party that could have chosen the text: the mark would confirm a
//! correct guess. So only the log, and [`Foreign`](super::Foreign) for text that doesn't come from
//! callers, may have text redacted.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use zeroize::Zeroizing;

use super::local_keys;
use crate::secret_forms::forms;

/// Keeps one secret out of every log and error. `Debug` shows nothing.
pub struct Hidden(u64);

/// Hides `secret` as long as the returned value lives, and a little longer.
///
/// Texts shorter than `SHORTEST` bytes are not hidden: they would match unrelated text, and their
/// absence would reveal more than their presence.
pub fn hide(secret: &str) -> Hidden {
    hide_bytes(secret.as_bytes())
}

/// As [`hide`], for a secret that isn't text.
pub fn hide_bytes(secret: &[u8]) -> Hidden {
    let forms = match secret.len() {
        0..SHORTEST => Vec::new(),
        _ => forms(secret),
    };
    SET.add(forms)
}

/// `text` with its secrets removed.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    match bytes(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Cow::Owned(text),
            Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
        },
    }
}

/// `text` with its secrets removed, as bytes.
pub(super) fn bytes(text: &[u8]) -> Cow<'_, [u8]> {
    let mut found = SET.known.load().find(text);
    let keys = local_keys::find(text);
    if !keys.is_empty() {
        found.extend(keys.into_iter().map(|range| (range.start, range.end)));
        found.sort_unstable();
    }
    without(text, &found)
}

/// `text` without these ranges, which may overlap.
fn without<'a>(text: &'a [u8], found: &[(usize, usize)]) -> Cow<'a, [u8]> {
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut clean = Vec::with_capacity(text.len());
    let mut from = 0;
    for &(start, end) in found {
        if start < from {
            from = from.max(end);
            continue;
        }
        clean.extend_from_slice(text.get(from..start).unwrap_or_default());
        clean.extend_from_slice(MARK);
        from = end;
    }
    clean.extend_from_slice(text.get(from..).unwrap_or_default());
    Cow::Owned(clean)
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let mut entries = SET.entries();
        let mut entries = entries.list.iter_mut();
        if let Some(entry) = entries.find(|entry| entry.id == self.0) {
            entry.dropped = Some(Instant::now());
        }
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden")
    }
}

static SET: LazyLock<Set> = LazyLock::new(Set::default);

/// Every secret of the process.
#[derive(Default)]
struct Set {
    entries: Mutex<SecretEntries>,
    /// The union of all entries, for readers that never wait.
    known: ArcSwap<SecretHashes>,
}

#[derive(Default)]
struct SecretEntries {
    list: Vec<SecretEntry>,
    next: u64,
}

struct SecretEntry {
    id: u64,
    known: SecretHashes,
    dropped: Option<Instant>,
}

impl Set {
    fn add(&self, forms: Vec<Zeroizing<Vec<u8>>>) -> Hidden {
        let mut known = SecretHashes::default();
        for form in forms {
            known.learn(&form);
        }
        let mut entries = self.entries();
        let id = entries.next;
        entries.next = id.wrapping_add(1);
        let now = Instant::now();
        let past = entries
            .list
            .iter()
            .filter(|entry| entry.is_past(now))
            .count();
        let mut all = if past * 4 > entries.list.len() {
            entries.list.retain(|entry| !entry.is_past(now));
            entries
                .list
                .iter()
                .fold(SecretHashes::default(), |mut all, entry| {
                    all.join(&entry.known);
                    all
                })
        } else {
            // Rebuilding the union for each new secret would cost more the more often tokens
            // rotate; a few stale hashes do no harm.
            SecretHashes::clone(&self.known.load())
        };
        all.join(&known);
        entries.list.push(SecretEntry {
            id,
            known,
            dropped: None,
        });
        self.known.store(Arc::new(all));
        Hidden(id)
    }

    fn entries(&self) -> MutexGuard<'_, SecretEntries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SecretEntry {
    fn is_past(&self, now: Instant) -> bool {
        self.dropped
            .is_some_and(|at| now.saturating_duration_since(at) >= GRACE)
    }
}

/// Hashes of what must not be shown.
#[derive(Clone, Default)]
struct SecretHashes {
    /// Of each stretch of `WINDOW` bytes.
    windows: Hashes,
    /// Of complete forms that are shorter than a window, by length.
    shorter: Vec<(usize, u64)>,
}

impl SecretHashes {
    fn learn(&mut self, form: &[u8]) {
        if form.len() < SHORTEST {
            return;
        }
        if form.len() < WINDOW {
            self.shorter.push((form.len(), hash(form)));
            return;
        }
        self.windows.extend(form.windows(WINDOW).map(hash));
    }

    fn join(&mut self, other: &Self) {
        self.windows.extend(&other.windows);
        self.shorter.extend(&other.shorter);
    }

    /// The ranges of `text` that must not be shown, in order and without overlaps.
    fn find(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        if self.windows.is_empty() && self.shorter.is_empty() {
            return found;
        }
        let mut lengths: Vec<usize> = self.shorter.iter().map(|(length, _)| *length).collect();
        lengths.sort_unstable();
        lengths.dedup();
        for start in 0..text.len() {
            let rest = text.get(start..).unwrap_or_default();
            let whole = rest
                .get(..WINDOW)
                .filter(|window| self.windows.contains(&hash(window)))
                .map(<[u8]>::len);
            let shorter = lengths.iter().rev().find(|length| {
                rest.get(..**length)
                    .is_some_and(|piece| self.shorter.contains(&(**length, hash(piece))))
            });
            let Some(length) = whole.or(shorter.copied()) else {
                continue;
            };
            match found.last_mut() {
                Some((_, end)) if *end >= start => *end = (*end).max(start + length),
                _ => found.push((start, start + length)),
            }
        }
        found
    }
}

type Hashes = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// The keys are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// A hash of up to 16 bytes with two random keys. Two texts collide with a probability of about
/// 2⁻⁶⁰.
fn hash(piece: &[u8]) -> u64 {
    let mut block = [0; WINDOW];
    for (to, from) in block.iter_mut().zip(piece) {
        *to = *from;
    }
    let block = u128::from_le_bytes(block);
    let (one, two) = *KEYS;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "each half is taken on its own, and the product is folded"
    )]
    let folded = {
        let low = u128::from(block as u64 ^ one);
        let high = u128::from((block >> 64) as u64 ^ two);
        let product = low.wrapping_mul(high) ^ low.rotate_left(32) ^ high;
        (product as u64) ^ ((product >> 64) as u64)
    };
    folded
}

static KEYS: LazyLock<(u64, u64)> = LazyLock::new(|| {
    // Without random bytes there would be no tokens to hide either.
    let key = || getrandom::u64().unwrap_or(0x9e37_79b9_7f4a_7c15) | 1;
    (key(), key())
});

const MARK: &[u8] = b"[redacted]";

/// Half of the shortest token, so that the rest of a truncated secret is found, too; ordinary words
/// are shorter.
const WINDOW: usize = 16;
/// A shorter secret may be an ordinary word, which would be removed from many sentences.
const SHORTEST: usize = 8;
/// A request that was sent with the previous token may be logged when it ends.
const GRACE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;
    use base64::Engine;
    use base64::engine::general_purpose as b64;
    use proptest::prelude::*;

    const TOKEN: &str = "q7Rk/2vX+9bLmZ0w=Ty_4c~eHs8";

    fn shows(text: &str) -> String {
        super::text(text).into_owned()
    }

    #[test]
    fn d4_a_living_secret_is_in_no_text_in_any_of_its_forms() {
        let _hidden = hide(TOKEN);
        let url: String = url::form_urlencoded::byte_serialize(TOKEN.as_bytes()).collect();
        let cases = [
            TOKEN.to_owned(),
            url,
            b64::STANDARD.encode(TOKEN),
            b64::URL_SAFE_NO_PAD.encode(TOKEN),
            b64::STANDARD.encode(format!("me:{TOKEN}")),
            b64::URL_SAFE.encode(format!("a{TOKEN}b")),
            hex::lower(TOKEN.as_bytes()),
            TOKEN[4..24].to_owned(),
        ];
        for case in cases {
            let shown = shows(&format!("before {case} after"));
            assert!(shown.starts_with("before "), "{shown}");
            assert!(shown.ends_with(" after"), "{shown}");
            assert_eq!(shown.matches("[redacted]").count(), 1, "{case}: {shown}");
            // The characters at either end of base64 may also encode bits of their neighbours.
            assert!(
                shown.len() < "before [redacted] after".len() + 14,
                "{shown}"
            );
        }
        let twice = shows(&format!("{TOKEN} and {TOKEN}"));
        assert_eq!(twice, "[redacted] and [redacted]");
    }

    #[test]
    fn d4_a_short_secret_is_hidden_as_a_whole_and_a_word_is_not() {
        let _hidden = (hide("hunter2!x"), hide("acme"));
        assert_eq!(shows("(hunter2!x)"), "([redacted])");
        assert_eq!(shows("hunter2! acme"), "hunter2! acme");
    }

    #[test]
    fn d4_bytes_are_hidden_as_they_are_written_down() {
        let key: Vec<u8> = (100..132).collect();
        let _hidden = hide_bytes(&key);
        assert_eq!(
            shows(&b64::STANDARD.encode(&key))
                .matches("[redacted]")
                .count(),
            1
        );
        assert_eq!(shows(&hex::lower(&key)), "[redacted]");
    }

    #[test]
    fn a_secret_is_forgotten_a_while_after_it_was_dropped() {
        let gone = "aaaa-bbbb-cccc-dddd-eeee";
        drop(hide(gone));
        assert_eq!(shows(gone), "[redacted]", "within the time of grace");
        let later = Instant::now() + GRACE;
        let entry = |dropped| SecretEntry {
            id: 0,
            known: SecretHashes::default(),
            dropped,
        };
        assert!(entry(Some(Instant::now())).is_past(later + GRACE));
        assert!(!entry(Some(later)).is_past(later));
        assert!(!entry(None).is_past(later));
    }

    #[test]
    fn text_without_a_secret_is_not_copied() {
        let _hidden = hide(TOKEN);
        assert!(matches!(text("nothing here"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn d4_no_window_of_a_secret_survives(
            secret in "[A-Za-z0-9+/=_.~-]{16,80}", before in "\\PC{0,40}", after in "\\PC{0,40}"
        ) {
            let _hidden = hide(&secret);
            let shown = shows(&format!("{before}{secret}{after}"));
            for piece in secret.as_bytes().windows(WINDOW) {
                let piece = std::str::from_utf8(piece).unwrap();
                prop_assert!(!shown.contains(piece));
            }
        }
    }
}
