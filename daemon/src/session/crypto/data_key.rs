//! The data key.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::telemetry::redact::{self, Hidden};

/// The key that encrypts the records. `Debug` shows only its id.
#[derive(Clone)]
pub(in crate::session) struct DataKey {
    bytes: Zeroizing<[u8; KEY_LEN]>,
    id: String,
    _hidden: Arc<Hidden>,
}

impl DataKey {
    /// A new random key.
    ///
    /// # Errors
    /// If the system provides no random bytes.
    pub(in crate::session) fn random() -> Result<Self, String> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        getrandom::fill(&mut bytes[..])
            .map_err(|e| format!("the system provides no random bytes: {e}"))?;
        Ok(Self::new(bytes))
    }

    /// The key with these bytes.
    pub(in crate::session) fn new(bytes: Zeroizing<[u8; KEY_LEN]>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"loopdesk data-key\0");
        hash.update(&bytes[..]);
        let id = crate::hex::lower(&hash.finalize()[..ID_LEN]);
        Self {
            _hidden: Arc::new(redact::hide_bytes(&bytes[..])),
            bytes,
            id,
        }
    }

    /// Decodes the text that a vault stores; `None` if it isn't a key.
    pub(in crate::session) fn from_text(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_LEN + 1]);
        let length = STANDARD.decode_slice(text.trim(), &mut bytes[..]).ok()?;
        let whole = <[u8; KEY_LEN]>::try_from(bytes.get(..length)?).ok()?;
        Some(Self::new(Zeroizing::new(whole)))
    }

    /// The text that a vault stores. Not raw bytes: KWallet accepts only UTF-8.
    pub(in crate::session) fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(&self.bytes[..]))
    }

    /// An identifier that reveals nothing about the key.
    pub(in crate::session) fn id(&self) -> &str {
        &self.id
    }

    /// The key's bytes.
    pub(in crate::session) fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.bytes
    }

    /// A fixed key for tests.
    #[cfg(test)]
    pub(in crate::session) fn for_tests(byte: u8) -> Self {
        Self::new(Zeroizing::new([byte; KEY_LEN]))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

pub(in crate::session) const KEY_LEN: usize = 32;
/// 64 bits are plenty: there are never more than a handful of keys.
const ID_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_text() {
        let key = DataKey::random().unwrap();
        let again = DataKey::from_text(&format!(" {}\n", &*key.to_text())).unwrap();
        assert_eq!(key.bytes(), again.bytes());
        assert_eq!(key.id(), again.id());
        assert_ne!(key.id(), DataKey::random().unwrap().id());
    }

    #[test]
    fn text_that_isn_t_a_key_is_rejected() {
        let short = STANDARD.encode([0; 31]);
        let long = STANDARD.encode([0; 33]);
        let longer = STANDARD.encode([0; 64]);
        for text in ["", "hello", &short, &long, &longer] {
            assert!(DataKey::from_text(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn d4_debug_shows_no_key() {
        let key = DataKey::for_tests(7);
        let shown = format!("{key:?}");
        assert!(
            !shown.contains("7, 7") && !shown.contains(&*key.to_text()),
            "{shown}"
        );
    }
}
