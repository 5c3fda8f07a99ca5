//! The text of `keys.toml`.
//!
//! ```toml
//! checksum = "sha256:9f86…"      # of every byte after this line
//! # …
//! version = 1
//! generation = 12                # counts the changes
//!
//! [[keys]]
//! name = "nightly-report"
//! id = "ldk_Q3vT9xKa"
//! …
//! ```
//!
//! People can read the file, but only the daemon writes it. It is valid as a whole or not at all, since
//! half a file might lack some `deny` rules. An unknown field makes it invalid too: in a newer release,
//! that field may be a limit.

use std::collections::BTreeSet;

use jiff::Timestamp;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::{key, text};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::format::SecretDigest;
use super::key::{Key, KeySecrets, OldSecret, check_name, check_note};
use super::rights::WrittenRights;
use crate::hex;

/// The contents of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyFileContents {
    /// Counts the changes.
    pub(super) generation: u64,
    /// Sorted by name.
    pub(super) keys: Vec<Key>,
}

/// Why a text isn't a valid key file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FileError {
    #[error("it was truncated or changed since loopdesk wrote it")]
    Changed,
    #[error("it was written by a newer release of loopdesk (version {0})")]
    Newer(i64),
    #[error("it has invalid contents: {0}")]
    Nonsense(String),
}

/// The text of a file with these contents.
///
/// # Errors
/// TOML can't express the contents, which would be a bug.
pub(super) fn render(contents: &KeyFileContents, now: Timestamp) -> Result<String, String> {
    let file = KeyFile {
        version: VERSION,
        generation: contents.generation,
        keys: contents
            .keys
            .iter()
            .map(|k| StoredKey::of(k, now))
            .collect(),
    };
    let body = toml::to_string(&file).map_err(|e| e.to_string())?;
    Ok(sealed(&format!("{HEAD}{body}")))
}

/// The contents of a file with this text.
///
/// # Errors
/// The checksum doesn't match, a newer release wrote the file, or a value is invalid. Then no key in it
/// is valid.
pub(super) fn parse(text: &[u8]) -> Result<KeyFileContents, FileError> {
    let text = std::str::from_utf8(text).map_err(|_| FileError::Changed)?;
    let (line, body) = text.split_once('\n').ok_or(FileError::Changed)?;
    if line != checksum_line(body) {
        return Err(FileError::Changed);
    }
    contents(body)
}

/// The text with its checksum line in front.
pub(super) fn sealed(body: &str) -> String {
    format!("{}\n{body}", checksum_line(body))
}

fn checksum_line(body: &str) -> String {
    let sum = hex::lower(&Sha256::digest(body));
    format!("checksum = \"sha256:{sum}\"")
}

fn contents(body: &str) -> Result<KeyFileContents, FileError> {
    let nonsense = |why: String| FileError::Nonsense(why);
    // The parser's messages may quote the file, which holds nothing secret.
    let of_toml = |e: toml::de::Error| nonsense(e.message().to_owned());
    let FileVersion { version } = toml::from_str(body).map_err(of_toml)?;
    if version != VERSION {
        return Err(FileError::Newer(version));
    }
    let file: KeyFile = toml::from_str(body).map_err(of_toml)?;
    let keys = file.keys.into_iter().map(StoredKey::into_key);
    let keys: Vec<Key> = keys.collect::<Result<_, _>>().map_err(nonsense)?;
    let names: BTreeSet<_> = keys.iter().map(|key| &key.name).collect();
    let ids: BTreeSet<_> = keys.iter().map(|key| key.id).collect();
    if names.len() != keys.len() || ids.len() != keys.len() {
        return Err(nonsense("two keys share a name or an id".to_owned()));
    }
    Ok(KeyFileContents {
        generation: file.generation,
        keys,
    })
}

#[derive(Deserialize)]
struct FileVersion {
    version: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct KeyFile {
    version: i64,
    generation: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct StoredKey {
    name: String,
    id: String,
    account: String,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allow: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    deny: Vec<String>,
    sha256: String,
    person: StoredPerson,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    old_secrets: Vec<StoredOld>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct StoredPerson {
    id: u64,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct StoredOld {
    sha256: String,
    until: Timestamp,
}

impl StoredKey {
    /// The stored form of `key`, without old secrets that have stopped working.
    fn of(key: &Key, now: Timestamp) -> Self {
        let rights = key.rights_text().clone();
        let person = key.person.clone();
        Self {
            name: key.name.clone(),
            id: key.id.to_string(),
            account: key.account.to_string(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            note: key.note.clone(),
            scopes: rights.scopes,
            allow: rights.allow,
            deny: rights.deny,
            sha256: key.secrets.current().to_string(),
            person: StoredPerson {
                id: person.id,
                name: person.name,
                email: person.email,
                role: person.role,
            },
            old_secrets: key.secrets.old(now).map(StoredOld::of).collect(),
        }
    }

    fn into_key(self) -> Result<Key, String> {
        let name = self.name;
        let wrong = |what: &str| format!("{what} of key `{}` is invalid", name.escape_debug());
        check_name(&name).map_err(|_| wrong("the name"))?;
        check_note(self.note.as_deref().unwrap_or_default()).map_err(|_| wrong("the note"))?;
        let digest = |text: &str| {
            text.parse::<SecretDigest>()
                .map_err(|_| wrong("the SHA-256"))
        };
        let old = self.old_secrets.iter().map(|old| {
            Ok(OldSecret {
                digest: digest(&old.sha256)?,
                until: old.until,
            })
        });
        let old = old.collect::<Result<_, String>>()?;
        let secrets = KeySecrets::stored(digest(&self.sha256)?, old);
        Ok(Key {
            id: self.id.parse().map_err(|_| wrong("the id"))?,
            account: self.account.parse().map_err(|_| wrong("the account"))?,
            person: Person {
                id: self.person.id,
                name: text::line(&self.person.name),
                email: self.person.email.as_deref().map(text::line),
                role: self.person.role.as_deref().map(text::line),
            },
            created_at: self.created_at,
            expires_at: self.expires_at,
            note: self.note,
            is_revoked: false,
            rights: WrittenRights::kept(key::RightsText {
                scopes: self.scopes,
                allow: self.allow,
                deny: self.deny,
            }),
            secrets: secrets.ok_or_else(|| wrong("one of the old secrets"))?,
            counter: std::sync::Arc::default(),
            name,
        })
    }
}

impl StoredOld {
    fn of(old: &OldSecret) -> Self {
        Self {
            sha256: old.digest.to_string(),
            until: old.until,
        }
    }
}

const VERSION: i64 = 1;

const HEAD: &str = "\
# The local keys of loopdesk: what each one allows, and a hash of its secret, from which the key
# itself can't be recovered. WrittenRights by loopdeskd; use `loopdesk key` to change keys. The first line
# is a checksum of all others: if the file is edited, no key works.
";

#[cfg(feature = "fuzzing")]
pub(super) fn parse_unsealed(body: &str) -> Result<KeyFileContents, FileError> {
    parse(sealed(body).as_bytes())
}

#[cfg(test)]
mod tests;
