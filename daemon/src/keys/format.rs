//! What a local key looks like.
//!
//! ```text
//! ldk_Q3vT9xKa_7nB…49 letters and digits in all…
//! └┬─┘└──┬───┘ └─────┬──────┘└──┬─┘
//!  │     │       43: secret    6: checksum
//!  │     8: id
//!  prefix, for secret scanners
//! ```
//!
//! The parts consist of letters and digits, so that a key is one word when double-clicked, in a shell
//! and in a URL. All keys have the same length, and [`loopdesk_protocol::key::PATTERN`] matches them.
//! The 43 characters of the secret are drawn uniformly, which makes 256 bits. The checksum is the CRC-32
//! of everything before it, in base 62: it detects any single wrong character, and it lets a scanner
//! tell a real key from an example.
//!
//! Only a SHA-256 of id and secret is stored. A slow hash would add nothing: 256 bits can't be guessed.

use std::fmt;
use std::str::FromStr;

use loopdesk_protocol::SecretText;
use loopdesk_protocol::key::{ID_LENGTH, PREFIX};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

/// The public part of a key: it identifies the key, but grants no access.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_LENGTH]);

/// The stored hash of a secret.
#[derive(Clone, Copy)]
pub(super) struct SecretDigest([u8; DIGEST_LENGTH]);

/// A text that was sent as a key, reduced to what is needed to check it. The text itself can't be
/// recovered from this.
#[derive(Clone)]
pub(super) struct KeyCandidate {
    /// The id of the key that it claims to be; arbitrary bytes if it isn't shaped like a key.
    pub(super) id: KeyId,
    pub(super) digest: SecretDigest,
    /// Whether it is shaped like a key and its checksum is right.
    pub(super) is_sound: Choice,
}

impl KeyId {
    /// A random id.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut id = [0; ID_LENGTH];
        fill(&mut id)?;
        Ok(Self(id))
    }

    /// A number to sort it by.
    pub(super) fn number(self) -> u64 {
        u64::from_le_bytes(self.0)
    }
}

/// A new secret for the key `id`: the key as a script sends it, and the hash to store.
pub(super) fn generate(id: KeyId) -> Result<(SecretText, SecretDigest), getrandom::Error> {
    let mut secret = Zeroizing::new([0; SECRET_LENGTH]);
    fill(&mut secret[..])?;
    // The final capacity: a string that grows leaves copies of the secret in memory.
    let mut key = String::with_capacity(LENGTH);
    key.push_str(PREFIX);
    key.extend(id.0.iter().copied().map(char::from));
    key.push('_');
    key.extend(secret.iter().copied().map(char::from));
    let mut sum = checksum(key.as_bytes());
    key.extend(sum.iter().copied().map(char::from));
    sum.zeroize();
    let digest = SecretDigest::of(&id.0, &secret[..]);
    Ok((SecretText::new(key), digest))
}

impl KeyCandidate {
    /// Reads any text, in the same time whether or not it is a key.
    pub(super) fn read(text: &[u8]) -> Self {
        let parts = parts(text);
        let is_like_a_key = parts.is_some();
        // A text that isn't a key is hashed itself, so that two different ones compare as different.
        let (id, secret, sum) = parts.unwrap_or_else(|| {
            let start = |most: usize| text.get(..most.min(text.len())).unwrap_or_default();
            (start(0), start(SECRET_LENGTH), start(0))
        });
        let covered = text.get(..LENGTH - CHECKSUM_LENGTH).unwrap_or(text);
        let mut expected = checksum(covered);
        let fits = expected[..].ct_eq(sum);
        expected.zeroize();
        let digest = SecretDigest::of(id, secret);
        let id = id.try_into().unwrap_or_else(|_| digest.start());
        Self {
            id: KeyId(id),
            digest,
            is_sound: fits & Choice::from(u8::from(is_like_a_key)),
        }
    }

    /// Whether both were read from the same text.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same = self.digest.is(&other.digest) & self.is_sound.ct_eq(&other.is_sound);
        self.id == other.id && bool::from(same)
    }
}

/// The id, secret and checksum of a text that is shaped like a key.
fn parts(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    if text.len() != LENGTH {
        return None;
    }
    let rest = text.strip_prefix(PREFIX.as_bytes())?;
    let (id, rest) = rest.split_at_checked(ID_LENGTH)?;
    let rest = rest.strip_prefix(b"_")?;
    let (secret, sum) = rest.split_at_checked(SECRET_LENGTH)?;
    let letters = |part: &[u8]| part.iter().all(u8::is_ascii_alphanumeric);
    (letters(id) && letters(secret) && letters(sum)).then_some((id, secret, sum))
}

/// Whether `text`, which follows the prefix, continues as a key does, for long enough to rule out a word
/// that happens to begin like one. It needn't be a whole key.
pub(super) fn goes_on_as_a_key(text: &[u8]) -> bool {
    let letters =
        |part: Option<&[u8]>| part.is_some_and(|p| p.iter().all(u8::is_ascii_alphanumeric));
    letters(text.get(..ID_LENGTH))
        && text.get(ID_LENGTH) == Some(&b'_')
        && letters(text.get(ID_LENGTH + 1..ID_LENGTH + 1 + TELLING))
}

/// Fills `to` with random letters and digits, uniformly.
fn fill(to: &mut [u8]) -> Result<(), getrandom::Error> {
    let mut random = Zeroizing::new([0; 64]);
    let mut at = 0;
    while at < to.len() {
        getrandom::fill(&mut random[..])?;
        let even = random.iter().filter(|byte| **byte < EVEN);
        let drawn = even.map(|byte| ALPHABET[usize::from(*byte) % ALPHABET.len()]);
        for (place, letter) in to.iter_mut().skip(at).zip(drawn) {
            *place = letter;
            at += 1;
        }
    }
    Ok(())
}

/// The CRC-32 of `text` in base 62, most significant digit first.
fn checksum(text: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut crc = flate2::Crc::new();
    crc.update(text);
    let mut rest = crc.sum();
    let mut digits = [0; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[rest as usize % ALPHABET.len()];
        rest /= BASE;
    }
    digits
}

impl SecretDigest {
    fn of(id: &[u8], secret: &[u8]) -> Self {
        // Both lengths are fixed, so no separator is needed. The hash takes one block.
        let mut hash = Sha256::new();
        hash.update(id);
        hash.update(secret);
        Self(hash.finalize().into())
    }

    /// A digest that matches no secret.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; DIGEST_LENGTH];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// A digest that matches no secret, for when the system provides no random bytes.
    pub(super) fn of_nothing() -> Self {
        Self::of(b"", b"")
    }

    /// Compares in constant time.
    pub(super) fn is(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }

    fn start(&self) -> [u8; ID_LENGTH] {
        let mut start = [0; ID_LENGTH];
        start.copy_from_slice(&self.0[..ID_LENGTH]);
        start
    }
}

/// As the command line shows it, including `ldk_`.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0
            .iter()
            .try_for_each(|byte| write!(f, "{}", byte.escape_ascii()))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads what `Display` writes.
impl FromStr for KeyId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = text.strip_prefix(PREFIX).map(str::as_bytes);
        let id = id.filter(|id| id.iter().all(u8::is_ascii_alphanumeric));
        let id = id.and_then(|id| id.try_into().ok());
        id.map(Self).ok_or_else(|| "it isn't a key id".to_owned())
    }
}

/// In hexadecimal, as in the file.
impl fmt::Display for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

impl FromStr for SecretDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "it isn't a SHA-256 in hexadecimal".to_owned();
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(wrong()),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != DIGEST_LENGTH || !rest.is_empty() {
            return Err(wrong());
        }
        let mut bytes = [0; DIGEST_LENGTH];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

const ALPHABET: &[u8; BASE as usize] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE: u32 = 62;
/// The largest multiple of 62 in a byte: using bytes from there on would favour the first letters.
const EVEN: u8 = 248;

/// 62^43 is a little more than 2^256.
const SECRET_LENGTH: usize = 43;
/// 62^6 is more than 2^32.
const CHECKSUM_LENGTH: usize = 6;
const LENGTH: usize = PREFIX.len() + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH;
const DIGEST_LENGTH: usize = 32;
/// Together with the id before them, longer than a word that looks like a key by chance.
const TELLING: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn new() -> (KeyId, SecretText, SecretDigest) {
        let id = KeyId::random().unwrap();
        let (secret, digest) = generate(id).unwrap();
        (id, secret, digest)
    }

    fn passes(text: &[u8], digest: &SecretDigest) -> bool {
        let read = KeyCandidate::read(text);
        bool::from(read.is_sound & read.digest.is(digest))
    }

    #[test]
    fn d2_a_new_key_is_as_documented_and_comes_back() {
        for _ in 0..200 {
            let (id, secret, digest) = new();
            let text = secret.expose();
            assert_eq!(text.len(), LENGTH);
            assert!(text.starts_with(&format!("{id}_")), "{text}");
            assert!(goes_on_as_a_key(&text.as_bytes()[PREFIX.len()..]));
            let read = KeyCandidate::read(text.as_bytes());
            assert_eq!(read.id, id);
            assert!(passes(text.as_bytes(), &digest));
        }
    }

    #[test]
    fn d2_the_pattern_for_scanners_says_what_a_key_is() {
        // Compared as a text, since the tests have no regex library.
        let pattern = loopdesk_protocol::key::PATTERN;
        let letters = |count: usize| format!("[0-9A-Za-z]{{{count}}}");
        let rest = SECRET_LENGTH + CHECKSUM_LENGTH;
        let expected = format!(r"\b{PREFIX}{}_{}\b", letters(ID_LENGTH), letters(rest));
        assert_eq!(pattern, expected);
    }

    #[test]
    fn d2_letters_are_drawn_evenly() {
        let mut counts = [0_u32; 256];
        let mut drawn = [0; 62_000];
        fill(&mut drawn).unwrap();
        for letter in drawn {
            counts[usize::from(letter)] += 1;
        }
        let seen = ALPHABET.map(|letter| counts[usize::from(letter)]);
        assert_eq!(seen.iter().sum::<u32>(), 62_000);
        // About 1,000 each; eight standard deviations.
        assert!(
            seen.iter().all(|count| (750..1_250).contains(count)),
            "{seen:?}"
        );
    }

    #[test]
    fn d2_one_changed_character_never_passes() {
        let (_, secret, digest) = new();
        let text = secret.expose().as_bytes();
        for at in 0..text.len() {
            for byte in 0..=u8::MAX {
                let mut changed = text.to_vec();
                changed[at] = byte;
                assert_eq!(passes(&changed, &digest), changed == text, "{byte} at {at}");
            }
        }
        for end in 0..text.len() {
            assert!(!passes(&text[..end], &digest), "{end}");
            assert!(!passes(&text[end..], &digest) || end == 0, "{end}");
        }
        assert!(!passes(&[text, b"0"].concat(), &digest));
    }

    #[test]
    fn d2_the_checksum_covers_what_the_hash_does_not() {
        let (id, secret, digest) = new();
        let text = secret.expose();
        let other = KeyId::random().unwrap();
        let moved = text.replace(&id.to_string(), &other.to_string());
        let mut again = moved[..LENGTH - CHECKSUM_LENGTH].to_owned();
        again.extend(checksum(again.as_bytes()).map(char::from));
        assert!(bool::from(KeyCandidate::read(again.as_bytes()).is_sound));
        assert!(!passes(again.as_bytes(), &digest), "bound to its id");
        assert!(!bool::from(KeyCandidate::read(moved.as_bytes()).is_sound));
    }

    #[test]
    fn d4_debug_shows_no_digest() {
        let (id, secret, digest) = new();
        assert_eq!(format!("{digest:?}"), "SecretDigest(..)");
        assert_eq!(format!("{id:?}"), secret.expose()[..12]);
    }

    proptest! {
        #[test]
        fn d2_whatever_is_no_key_is_read_without_harm(text in any::<Vec<u8>>()) {
            let read = KeyCandidate::read(&text);
            prop_assert!(!bool::from(read.is_sound));
            prop_assert!(read.is(&KeyCandidate::read(&text)));
        }

        #[test]
        fn d2_ids_and_digests_come_back_from_their_text(bytes in any::<[u8; 32]>()) {
            let digest = SecretDigest(bytes);
            let again: SecretDigest = digest.to_string().parse().unwrap();
            prop_assert!(bool::from(again.is(&digest)));
            let id = KeyId::random().unwrap();
            prop_assert_eq!(id.to_string().parse::<KeyId>().unwrap(), id);
        }

        #[test]
        fn d2_nothing_else_is_an_id_or_a_digest(text in "\\PC{0,70}") {
            prop_assume!(text.len() != 64 && text.len() != 12);
            prop_assert!(text.parse::<KeyId>().is_err());
            prop_assert!(text.parse::<SecretDigest>().is_err());
        }
    }
}
