//! Encryption of everything on disk: XChaCha20-Poly1305, as one line of base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::session::crypto::data_key::DataKey;

/// Encrypts `contents`, bound to `aad`, as a line without a line break.
///
/// # Errors
/// If the system provides no random bytes, or the cipher fails. No input causes that.
pub(in crate::session) fn seal(
    key: &DataKey,
    aad: &[u8],
    contents: &[u8],
) -> Result<String, String> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|e| format!("the system provides no random bytes: {e}"))?;
    let payload = Payload { msg: contents, aad };
    let text = cipher(key)
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| "the cipher failed".to_owned())?;
    Ok(STANDARD.encode([&nonce[..], &text].concat()))
}

/// Decrypts a `line` that [`seal`] made.
///
/// # Errors
/// If `line` isn't base64, is incomplete, or was encrypted with another key or `aad`.
pub(in crate::session) fn open(
    key: &DataKey,
    aad: &[u8],
    line: &[u8],
) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let text = STANDARD
        .decode(line)
        .map_err(|_| "its second line isn't base64")?;
    let cut = "it is incomplete";
    let (nonce, msg) = text.split_at_checked(NONCE_LEN).ok_or(cut)?;
    let nonce = XNonce::try_from(nonce).map_err(|_| cut)?;
    cipher(key)
        .decrypt(&nonce, Payload { msg, aad })
        .map(Zeroizing::new)
        .map_err(|_| "it was changed after it was written")
}

fn cipher(key: &DataKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}

const NONCE_LEN: usize = 24;
