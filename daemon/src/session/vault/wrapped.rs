//! `vault = "passphrase"` and `vault = "credential"`: the data key in a file in the state folder,
//! sealed with a secret that is stored elsewhere.
//!
//! ```text
//! {"loopdesk-key":1,"key-id":"…","kdf":"argon2id",…}   one line of JSON: how to open the key
//! Pt7f…                                              base64 of nonce and XChaCha20-Poly1305 text
//! ```
//!
//! The sealing key is derived from the secret with Argon2id. That includes credentials, which may
//! have been read from `/dev/urandom` or made up. The header's bytes are the cipher's associated
//! data.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{VaultError, files};
use crate::session::crypto::data_key::{DataKey, KEY_LEN};

/// The file with the sealed key.
#[derive(Clone, Debug)]
pub(super) struct Wrapped {
    path: PathBuf,
}

impl Wrapped {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The id of the key in the file. Doesn't need the secret.
    pub(super) fn key_id(&self) -> Result<String, VaultError> {
        let text = files::read(&self.path)?;
        Ok(Sealed::parse(&text)?.header.key_id)
    }

    /// The key in the file. Deliberately takes a good part of a second.
    pub(super) fn open(&self, secret: &[u8]) -> Result<DataKey, VaultError> {
        let text = files::read(&self.path)?;
        Sealed::parse(&text)?.open(secret)
    }

    /// Creates the file with this key, and proves that it can be opened. Fails if there is one
    /// already.
    pub(super) fn create(&self, key: &DataKey, secret: &[u8]) -> Result<(), VaultError> {
        files::create(&self.path, &seal(key, secret)?)?;
        match self.open(secret) {
            Ok(found) if found.id() == key.id() => Ok(()),
            Ok(_) => Err(failed("it doesn't return the key that was stored")),
            Err(other) => Err(other),
        }
    }

    /// Removes the file if it contains this key. Fails if it contains another one.
    pub(super) fn remove(&self, key: &DataKey) -> Result<(), VaultError> {
        match self.key_id() {
            Ok(id) if id == key.id() => files::remove(&self.path),
            Ok(_) => Err(VaultError::Another),
            Err(VaultError::Missing) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

/// The secret that systemd passes to the service in the folder `$CREDENTIALS_DIRECTORY`: any text
/// of at least 32 bytes. Surrounding white space is ignored.
///
/// # Errors
/// [`VaultError::Absent`] if there is none, or it is too short.
pub(super) fn credential(dir: Option<OsString>) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let Some(dir) = dir else {
        return Err(VaultError::Absent(format!(
            "loopdesk has no credential `{CREDENTIAL}`: systemd hasn't passed one \
             ($CREDENTIALS_DIRECTORY is not set)"
        )));
    };
    let path = PathBuf::from(dir).join(CREDENTIAL);
    let text = std::fs::read(&path).map(Zeroizing::new).map_err(|e| {
        VaultError::Absent(format!(
            "the credential `{CREDENTIAL}` can't be read from `{}`: {e}",
            path.display()
        ))
    })?;
    let text = Zeroizing::new(text.trim_ascii().to_vec());
    if text.len() < CREDENTIAL_MIN {
        return Err(VaultError::Absent(format!(
            "the credential `{CREDENTIAL}` has {} bytes, but needs at least {CREDENTIAL_MIN}",
            text.len()
        )));
    }
    Ok(text)
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Header {
    #[serde(rename = "loopdesk-key")]
    format: u32,
    key_id: String,
    kdf: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
}

impl Header {
    fn sealing_key(&self, secret: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>, VaultError> {
        let salt = STANDARD.decode(&self.salt).map_err(|_| damaged())?;
        // A manipulated file must not be able to exhaust the machine.
        if self.kdf != KDF || self.memory_kib > MEMORY_MAX || self.passes > PASSES_MAX {
            return Err(failed("a newer loopdesk has made it"));
        }
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(KEY_LEN))
            .map_err(|_| damaged())?;
        let mut key = Zeroizing::new([0; KEY_LEN]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(secret, &salt, &mut key[..])
            .map_err(|_| damaged())?;
        Ok(key)
    }
}

struct Sealed<'a> {
    header: Header,
    header_bytes: &'a [u8],
    text: &'a str,
}

impl<'a> Sealed<'a> {
    fn parse(text: &'a str) -> Result<Self, VaultError> {
        let (line, rest) = text.split_once('\n').ok_or_else(damaged)?;
        let header: Header = serde_json::from_str(line).map_err(|_| damaged())?;
        if header.format > FORMAT {
            return Err(failed("a newer loopdesk has made it"));
        }
        Ok(Self {
            header,
            header_bytes: line.as_bytes(),
            text: rest.trim(),
        })
    }

    fn open(&self, secret: &[u8]) -> Result<DataKey, VaultError> {
        let text = STANDARD.decode(self.text).map_err(|_| damaged())?;
        let (nonce, text) = text.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| damaged())?;
        let sealing_key = self.header.sealing_key(secret)?;
        let payload = Payload {
            msg: text,
            aad: self.header_bytes,
        };
        let opened = XChaCha20Poly1305::new((&*sealing_key).into())
            .decrypt(&nonce, payload)
            .map(Zeroizing::new)
            .map_err(|_| VaultError::Wrong)?;
        let bytes = <[u8; KEY_LEN]>::try_from(&opened[..]).map_err(|_| damaged())?;
        Ok(DataKey::new(Zeroizing::new(bytes)))
    }
}

fn seal(key: &DataKey, secret: &[u8]) -> Result<String, VaultError> {
    let mut random = [0; SALT_LEN + NONCE_LEN];
    getrandom::fill(&mut random)
        .map_err(|e| VaultError::Failed(format!("the system provides no random bytes: {e}")))?;
    let (salt, nonce) = random.split_at(SALT_LEN);
    let header = Header {
        format: FORMAT,
        key_id: key.id().to_owned(),
        kdf: KDF.to_owned(),
        memory_kib: MEMORY_KIB,
        passes: PASSES,
        lanes: 1,
        salt: STANDARD.encode(salt),
    };
    let sealing_key = header.sealing_key(secret)?;
    let line = serde_json::to_string(&header).map_err(|_| damaged())?;
    let payload = Payload {
        msg: &key.bytes()[..],
        aad: line.as_bytes(),
    };
    let text = XNonce::try_from(nonce)
        .map_err(|_| damaged())
        .and_then(|nonce| {
            XChaCha20Poly1305::new((&*sealing_key).into())
                .encrypt(&nonce, payload)
                .map_err(|_| failed("the cipher failed"))
        })?;
    let text = STANDARD.encode([nonce, &text].concat());
    Ok(format!("{line}\n{text}\n"))
}

fn damaged() -> VaultError {
    failed("it is damaged")
}

fn failed(why: &str) -> VaultError {
    VaultError::Failed(why.to_owned())
}

/// The credential's name in the service: `LoadCredential=loopdesk-key:…`.
pub(super) const CREDENTIAL: &str = "loopdesk-key";
/// As long as the key itself. Anything shorter is a password, for which there is another vault.
const CREDENTIAL_MIN: usize = 32;
const FORMAT: u32 = 1;
const KDF: &str = "argon2id";
/// The second recommended option of RFC 9106 section 4: 64 MiB and three passes.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const MEMORY_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 16;
const SALT_LEN: usize = 16;
const NONCE_LEN: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r9_a_wrong_passphrase_opens_nothing_and_loses_nothing() {
        let home = tempfile::tempdir().unwrap();
        let file = Wrapped::new(home.path().join("state/key.passphrase"));
        let key = DataKey::for_tests(9);
        assert_eq!(file.open(b"correct").unwrap_err(), VaultError::Missing);
        file.create(&key, b"correct").unwrap();
        assert_eq!(file.key_id().unwrap(), key.id());
        let before = std::fs::read_to_string(file.path()).unwrap();
        assert!(!before.contains(&*key.to_text()));
        assert_eq!(file.open(b"wrong").unwrap_err(), VaultError::Wrong);
        assert!(file.create(&DataKey::for_tests(8), b"correct").is_err());
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), before);
        assert_eq!(file.open(b"correct").unwrap().id(), key.id());
    }

    #[test]
    fn d4_a_changed_header_is_detected() {
        let home = tempfile::tempdir().unwrap();
        let file = Wrapped::new(home.path().join("key.passphrase"));
        file.create(&DataKey::for_tests(9), b"correct").unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let other = text.replacen(DataKey::for_tests(9).id(), DataKey::for_tests(8).id(), 1);
        assert_ne!(text, other);
        std::fs::write(file.path(), other).unwrap();
        assert_eq!(file.open(b"correct").unwrap_err(), VaultError::Wrong);
        let greedy = text.replacen("\"memory-kib\":65536", "\"memory-kib\":999999999", 1);
        assert_ne!(text, greedy);
        std::fs::write(file.path(), greedy).unwrap();
        assert!(matches!(file.open(b"correct"), Err(VaultError::Failed(_))));
    }

    #[test]
    fn r9_a_missing_or_short_credential_is_reported() {
        let home = tempfile::tempdir().unwrap();
        let dir = || Some(home.path().as_os_str().to_owned());
        let why = |dir| match credential(dir) {
            Err(VaultError::Absent(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(why(None).contains("CREDENTIALS_DIRECTORY"));
        assert!(why(dir()).contains("loopdesk-key"));
        std::fs::write(home.path().join(CREDENTIAL), "short\n").unwrap();
        assert!(why(dir()).contains("5 bytes"));
        std::fs::write(
            home.path().join(CREDENTIAL),
            format!("{}\n", "x".repeat(32)),
        )
        .unwrap();
        assert_eq!(credential(dir()).unwrap().len(), 32);
    }
}
