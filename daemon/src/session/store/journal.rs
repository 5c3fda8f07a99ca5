//! The token endpoint's answer, saved as soon as its last byte has been read (R3).
//!
//! By then Zendesk has deleted the old pair, and the new one exists only in that answer. So the
//! answer goes to disk unchanged but sealed, before anything else happens to it: a process that is
//! killed afterwards loses nothing. The file's space was allocated and filled before the request
//! was sent, so writing the answer needs no more space and doesn't wait for the disk. The next
//! start reads it if the record shows that nothing newer was stored.
//!
//! Such an answer is in one of two files: the journal of a refresh, whose pair is meant to be used,
//! or the file of an orphaned pair, which is to be revoked unless it is the one in use.

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

/// Allocated space for one answer.
#[derive(Debug)]
pub(in crate::session) struct AnswerJournal {
    pub(in crate::session) place: JournalFile,
    pub(in crate::session) aad: Vec<u8>,
    pub(in crate::session) key: Arc<DataKey>,
}

/// A file with allocated space, and where in it that space begins.
#[derive(Debug)]
pub(in crate::session) struct JournalFile {
    pub(in crate::session) file: File,
    pub(in crate::session) path: PathBuf,
    pub(in crate::session) at: u64,
}

impl AnswerJournal {
    /// Writes `body`. If that fails, the answer is used regardless.
    pub(in crate::session) fn write(&self, asked_at: Timestamp, body: &[u8]) {
        if let Err(why) = self.try_write(asked_at, body) {
            tracing::warn!(path = %self.place.path.display(), why, "can't journal an answer");
        }
    }

    fn try_write(&self, asked_at: Timestamp, body: &[u8]) -> Result<(), String> {
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

/// An answer in a journal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::session) struct JournaledAnswer {
    pub(in crate::session) asked_at: Timestamp,
    pub(in crate::session) body: Sealable,
}

impl JournaledAnswer {
    /// What an [`AnswerJournal`] with the same `aad` wrote; `None` if it is incomplete.
    pub(in crate::session) fn open(text: &[u8], aad: &[u8], key: &DataKey) -> Option<Self> {
        // Whatever follows the line is older, or padding.
        let line = text.split(|b| *b == b'\n').next()?;
        let contents = seal::open(key, aad, line.trim_ascii()).ok()?;
        serde_json::from_slice(&contents).ok()
    }
}

/// `pair` in the form of Zendesk's answer.
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

/// The associated data that binds an answer to a session and to one purpose.
pub(in crate::session) fn aad(binding: &Binding, purpose: &str) -> Vec<u8> {
    let mut aad = serde_json::to_vec(binding).unwrap_or_default();
    aad.push(b'\n');
    aad.extend_from_slice(purpose.as_bytes());
    aad
}
