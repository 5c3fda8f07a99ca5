//! Odd responses of the token endpoint that a client must cope with.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

use super::{Grant, Tokens};
use crate::zendesk::answer::Answer;

/// Something odd about the token endpoint's responses to successful requests.
#[derive(Clone)]
pub enum Malformed {
    /// `"expires_in": "1800"`, and the same for the refresh token.
    ExpiresInAsText,
    /// No `expires_in` although it was requested; the token still expires.
    NoExpiresIn,
    /// `expires_in` even if it wasn't requested, as in the documentation's sample.
    ExpiresInAlways,
    /// No `refresh_token` in the response to a refresh; the old one remains valid.
    NoRefreshToken,
    /// No `scope`.
    NoScope,
    /// A `Content-Type` other than JSON's, around the same JSON.
    ContentType(String),
    /// This many bytes of white space after the JSON.
    Padding(usize),
    /// A byte order mark before the JSON.
    ByteOrderMark,
    /// Gzip that wasn't requested, and whether the head declares it.
    Gzip {
        /// By `Content-Encoding`.
        is_told: bool,
    },
    /// Any change to the response's object.
    Edited(Edit),
}

/// Changes a response's object.
type Edit = Arc<dyn Fn(&mut Map<String, Value>) + Send + Sync>;

impl Malformed {
    /// Changes the response's object by `edit`.
    pub fn edited(edit: impl Fn(&mut Map<String, Value>) + Send + Sync + 'static) -> Self {
        Self::Edited(Arc::new(edit))
    }

    /// Changes the object of a response before it is sent.
    pub(super) fn distort(
        &self,
        body: &mut Map<String, Value>,
        tokens: &mut Tokens,
        grant: &Grant,
    ) {
        match self {
            Self::ExpiresInAsText => {
                for key in ["expires_in", "refresh_token_expires_in"] {
                    if let Some(value) = body.get_mut(key) {
                        *value = json!(value.to_string());
                    }
                }
            }
            Self::NoExpiresIn => {
                body.remove("expires_in");
                body.remove("refresh_token_expires_in");
            }
            Self::NoRefreshToken => {
                if let Some(id) = grant.replaces
                    && let Some(new) = body.remove("refresh_token")
                {
                    tokens.keep_refresh(id, new.as_str().unwrap_or(""));
                }
            }
            Self::NoScope => {
                body.remove("scope");
            }
            Self::Edited(edit) => edit(body),
            Self::ExpiresInAlways
            | Self::ContentType(_)
            | Self::Padding(_)
            | Self::ByteOrderMark
            | Self::Gzip { .. } => {}
        }
    }

    /// Changes the response around its object.
    pub(super) fn wrap(&self, answer: Answer) -> Answer {
        match self {
            Self::ContentType(value) => answer.header("content-type", value),
            Self::Padding(bytes) => {
                let mut padded = answer.body.to_vec();
                padded.resize(padded.len() + bytes, b' ');
                answer.body(padded)
            }
            Self::ByteOrderMark => {
                let marked = ["\u{feff}".as_bytes(), &answer.body].concat();
                answer.body(marked)
            }
            Self::Gzip { is_told } => {
                let packed = gzip(&answer.body);
                let answer = answer.body(packed);
                if *is_told {
                    answer.header("content-encoding", "gzip")
                } else {
                    answer
                }
            }
            Self::ExpiresInAsText
            | Self::NoExpiresIn
            | Self::ExpiresInAlways
            | Self::NoRefreshToken
            | Self::NoScope
            | Self::Edited(_) => answer,
        }
    }
}

impl fmt::Debug for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpiresInAsText => f.write_str("ExpiresInAsText"),
            Self::NoExpiresIn => f.write_str("NoExpiresIn"),
            Self::ExpiresInAlways => f.write_str("ExpiresInAlways"),
            Self::NoRefreshToken => f.write_str("NoRefreshToken"),
            Self::NoScope => f.write_str("NoScope"),
            Self::ContentType(value) => f.debug_tuple("ContentType").field(value).finish(),
            Self::Padding(bytes) => f.debug_tuple("Padding").field(bytes).finish(),
            Self::ByteOrderMark => f.write_str("ByteOrderMark"),
            Self::Gzip { is_told } => f.debug_struct("Gzip").field("is_told", is_told).finish(),
            Self::Edited(_) => f.write_str("Edited"),
        }
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}
