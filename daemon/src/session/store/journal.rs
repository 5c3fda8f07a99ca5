//! An answer of the token endpoint, kept from the moment its last byte is read (R3).
//!
//! Zendesk has deleted the old pair by then, and the new one is nowhere but in that answer. So the
//! answer goes to disk as it came, sealed, before anything else is done with it: a process that is
//! killed after that loses nothing. Its place was made, and filled, before the request was sent;
//! writing to it needs no further room and waits for no disk. The next start reads it where the
//! record says that nothing newer was stored.
//!
//! Two files hold such an answer: the journal of a refresh, whose pair is to be used, and the
//! leftovers of logins, whose pairs are to be ended unless they are the one in use.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::record::Sealable;
use crate::session::crypto::data_key::DataKey;
use crate::session::crypto::seal;
use crate::session::model::binding::Binding;
use crate::session::model::token_pair::{Pair, Renewal};

/// A place for one answer.
#[derive(Debug)]
pub(in crate::session) struct AnswerJournal {
    pub(in crate::session) place: JournalFile,
    pub(in crate::session) aad: Vec<u8>,
    pub(in crate::session) key: Arc<DataKey>,
}

/// A file whose bytes have their place on disk, and where in it there is room.
#[derive(Debug)]
pub(in crate::session) struct JournalFile {
    pub(in crate::session) file: File,
    pub(in crate::session) path: PathBuf,
    pub(in crate::session) at: u64,
}

impl AnswerJournal {
    /// Keeps `body`. An answer that can't be kept is used all the same.
    pub(in crate::session) fn keep(&self, asked_at: Timestamp, body: &[u8]) {
        if let Err(why) = self.write(asked_at, body) {
            tracing::warn!(path = %self.place.path.display(), why, "an answer can't be kept");
        }
    }

    fn write(&self, asked_at: Timestamp, body: &[u8]) -> Result<(), String> {
        let body = std::str::from_utf8(body).map_err(|e| e.to_string())?;
        let answer = JournaledAnswer {
            asked_at,
            body: Sealable(body.to_owned().into()),
        };
        let contents = serde_json::to_vec(&answer).map_err(|e| e.to_string())?;
        let mut line = seal::seal(&self.key, &self.aad, &Zeroizing::new(contents))?;
        line.push('\n');
        let JournalFile { file, at, .. } = &self.place;
        file.write_all_at(line.as_bytes(), *at)
            .map_err(|e| e.to_string())
    }
}

/// An answer that was kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::session) struct JournaledAnswer {
    pub(in crate::session) asked_at: Timestamp,
    pub(in crate::session) body: Sealable,
}

impl JournaledAnswer {
    /// What a [`AnswerJournal`] with the same `aad` has written, if it has written it whole.
    pub(in crate::session) fn open(text: &[u8], aad: &[u8], key: &DataKey) -> Option<Self> {
        // What follows the line is older, or nothing.
        let line = text.split(|b| *b == b'\n').next()?;
        let contents = seal::open(key, aad, line.trim_ascii()).ok()?;
        serde_json::from_slice(&contents).ok()
    }
}

/// `pair` as Zendesk's answer would have brought it.
pub(in crate::session) fn as_answer(pair: &Pair) -> Zeroizing<Vec<u8>> {
    let refresh = match &pair.renewal {
        Renewal::RefreshToken(token) => Some(token.expose_secret()),
        Renewal::ClientSecret(_) => None,
    };
    let answer = serde_json::json!({
        "access_token": pair.access.expose_secret(),
        "refresh_token": refresh,
        "token_type": "bearer",
    });
    Zeroizing::new(answer.to_string().into_bytes())
}

/// What binds an answer to a session, and to the one purpose it is kept for.
pub(in crate::session) fn aad(binding: &Binding, purpose: &str) -> Vec<u8> {
    let mut aad = serde_json::to_vec(binding).unwrap_or_default();
    aad.push(b'\n');
    aad.extend_from_slice(purpose.as_bytes());
    aad
}
