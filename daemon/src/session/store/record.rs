//! A session on disk: a readable header, and contents that only the key opens.
//!
//! ```text
//! {"loopdesk-session":1,"account":"acme",…}      one line of JSON: the header
//! Pt7f…                                          base64 of nonce and XChaCha20-Poly1305 text
//! ```
//!
//! The header's bytes are the cipher's associated data, so tokens can't be moved to another
//! account, origin, client or machine. A change that an older release would misread raises
//! [`FORMAT`]. Every format that was ever released stays readable.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::{Kind, Problem};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::session::crypto::data_key::DataKey;
use crate::session::crypto::seal;
use crate::session::model::binding::{Binding, is_primary, is_usual_grant};
use crate::session::model::endings::End;
use crate::session::model::token_pair::{
    AccessToken, Generation, Pair, Renewal, Secret, SessionTokens,
};

/// The part of a record that is readable without the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::session) struct Header {
    #[serde(rename = "loopdesk-session")]
    format: u32,
    #[serde(flatten)]
    pub(in crate::session) binding: Binding,
    pub(in crate::session) user_id: Option<u64>,
    pub(in crate::session) generation: u64,
    pub(in crate::session) key_id: String,
}

/// A session as it is stored.
#[derive(Debug)]
pub(in crate::session) enum RecordBody {
    /// A session that can be used.
    Live(SessionTokens),
    /// A session that Zendesk ended: nothing secret is left.
    Over {
        end: End,
        person: Option<Person>,
        generation: Generation,
    },
}

/// Encrypts `stored` and returns the record's bytes.
///
/// # Errors
/// If the system provides no random bytes, or the encoding or the cipher fails.
pub(in crate::session) fn seal(
    stored: &RecordBody,
    binding: &Binding,
    key: &DataKey,
) -> Result<Vec<u8>, String> {
    let (user_id, generation) = match stored {
        RecordBody::Live(tokens) => (Some(tokens.person.id), tokens.pair.generation),
        RecordBody::Over {
            person, generation, ..
        } => (person.as_ref().map(|p| p.id), *generation),
    };
    let header = Header {
        format: format_of(binding),
        binding: binding.clone(),
        user_id,
        generation: generation.get(),
        key_id: key.id().to_owned(),
    };
    let header = serde_json::to_vec(&header).map_err(|e| e.to_string())?;
    let contents = Zeroizing::new(
        serde_json::to_vec(&Contents::from_stored(stored)).map_err(|e| e.to_string())?,
    );
    let text = seal::seal(key, &header, &contents)?;
    let mut record = header;
    record.push(b'\n');
    record.extend_from_slice(text.as_bytes());
    record.push(b'\n');
    Ok(record)
}

/// A record with a readable header, not decrypted yet.
#[derive(Debug)]
pub(in crate::session) struct Sealed<'a> {
    path: &'a Path,
    pub(in crate::session) header: Header,
    header_bytes: &'a [u8],
    text: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// Reads the header of the record in the file at `path`.
    ///
    /// # Errors
    /// If the header is damaged, or a newer release wrote the record; with what to do.
    pub(in crate::session) fn parse(path: &'a Path, bytes: &'a [u8]) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Format {
            #[serde(rename = "loopdesk-session")]
            format: u64,
        }
        let damaged = |what: &str| damaged(path, what);
        let end = bytes
            .iter()
            .position(|b| *b == b'\n')
            .ok_or_else(|| damaged("its first line is incomplete"))?;
        let (header_bytes, rest) = bytes.split_at(end);
        let format: Format = serde_json::from_slice(header_bytes)
            .map_err(|_| damaged("its first line isn't a header"))?;
        if format.format > u64::from(FORMAT) {
            let message = format!(
                "`{}` was written by a newer loopdesk (format {}, this one reads up to {FORMAT})",
                path.display(),
                format.format
            );
            return Err(Problem::new(Kind::Vault, message)
                .hint("install the newer release again; nothing was changed")
                .hint("or run `loopdesk login`, which renames the old file and keeps it"));
        }
        let header: Header = serde_json::from_slice(header_bytes)
            .map_err(|e| damaged(&format!("its header can't be read ({e})")))?;
        Ok(Self {
            path,
            header,
            header_bytes,
            text: rest.trim_ascii(),
        })
    }

    /// Decrypts the record.
    ///
    /// # Errors
    /// If `key` doesn't open it, or its contents are damaged; with what to do.
    pub(in crate::session) fn open(&self, key: &DataKey) -> Result<RecordBody, Problem> {
        let damaged = |what: &str| damaged(self.path, what);
        let contents = seal::open(key, self.header_bytes, self.text).map_err(damaged)?;
        // The parser's own message could quote the contents.
        let contents: Contents =
            serde_json::from_slice(&contents).map_err(|_| damaged("its contents can't be read"))?;
        contents
            .into_stored(Generation::new(self.header.generation))
            .ok_or_else(|| damaged("its contents are incomplete"))
    }
}

fn damaged(path: &Path, what: &str) -> Problem {
    Problem::new(
        Kind::Vault,
        format!("the stored session `{}` is damaged: {what}", path.display()),
    )
    .hint("put the file back from a backup, or run `loopdesk login`")
}

/// The encrypted part. Fields may be added, but none may change its meaning.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Contents {
    person: Option<Person>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pair: Option<StoredPair>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<StoredEnd>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct StoredPair {
    access: Sealable,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh: Option<Sealable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<Sealable>,
    obtained_at: Timestamp,
    expires_at: Timestamp,
    #[serde(default)]
    expiry_is_guessed: bool,
    refresh_expires_at: Option<Timestamp>,
    scopes: Vec<String>,
    logged_in_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct StoredEnd {
    at: Timestamp,
    why: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    answer_lost: bool,
}

impl Contents {
    fn from_stored(stored: &RecordBody) -> Self {
        match stored {
            RecordBody::Live(SessionTokens {
                pair,
                person,
                logged_in_at,
            }) => Self {
                person: Some(Person::clone(person)),
                pair: Some(StoredPair {
                    access: Sealable(pair.access.expose_secret().to_owned().into()),
                    refresh: match &pair.renewal {
                        Renewal::RefreshToken(token) => Some(Sealable::from(token)),
                        Renewal::ClientSecret(_) => None,
                    },
                    client_secret: match &pair.renewal {
                        Renewal::RefreshToken(_) => None,
                        Renewal::ClientSecret(secret) => Some(Sealable::from(secret)),
                    },
                    obtained_at: pair.obtained_at,
                    expires_at: pair.expires_at,
                    expiry_is_guessed: pair.expiry_is_guessed,
                    refresh_expires_at: pair.refresh_expires_at,
                    scopes: pair.scopes.clone(),
                    logged_in_at: *logged_in_at,
                }),
                end: None,
            },
            RecordBody::Over { end, person, .. } => Self {
                person: person.clone(),
                pair: None,
                end: Some(StoredEnd {
                    at: end.at,
                    why: end.why.clone(),
                    answer_lost: end.answer_lost,
                }),
            },
        }
    }

    fn into_stored(self, generation: Generation) -> Option<RecordBody> {
        if let Some(end) = self.end {
            return Some(RecordBody::Over {
                end: End {
                    at: end.at,
                    why: end.why,
                    answer_lost: end.answer_lost,
                },
                person: self.person,
                generation,
            });
        }
        let pair = self.pair?;
        let renewal = match (pair.refresh, pair.client_secret) {
            (Some(token), None) => Renewal::RefreshToken(token.0.into()),
            (None, Some(secret)) => Renewal::ClientSecret(secret.0.into()),
            (Some(_), Some(_)) | (None, None) => return None,
        };
        Some(RecordBody::Live(SessionTokens {
            person: Arc::new(self.person?),
            logged_in_at: pair.logged_in_at,
            pair: Pair {
                generation,
                access: AccessToken::new(pair.access.0)?,
                renewal,
                obtained_at: pair.obtained_at,
                expires_at: pair.expires_at,
                expiry_is_guessed: pair.expiry_is_guessed,
                refresh_expires_at: pair.refresh_expires_at,
                scopes: pair.scopes,
            },
        }))
    }
}

/// A secret that can be serialized. Only the encrypted contents may contain it.
pub(in crate::session) struct Sealable(pub(in crate::session) SecretString);

impl From<&Secret> for Sealable {
    fn from(secret: &Secret) -> Self {
        Self(secret.expose_secret().to_owned().into())
    }
}

impl Serialize for Sealable {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for Sealable {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

fn format_of(binding: &Binding) -> u32 {
    if !is_primary(&binding.role) {
        // An older release would use it as the account's primary pair, and both would refresh it.
        FORMAT
    } else if !is_usual_grant(&binding.grant) {
        // An older release would ignore the client's secret, and call the record damaged.
        FORMAT_SECRETS
    } else {
        FORMAT_PAIRS
    }
}

/// The newest format: for pairs other than the primary one.
const FORMAT: u32 = 3;
/// The format for clients with a secret.
const FORMAT_SECRETS: u32 = 2;
/// The format for primary token pairs, which every release reads.
const FORMAT_PAIRS: u32 = 1;

#[cfg(test)]
mod tests;
