//! The environment as it was before `loopdesk exec` changed it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::{Deserialize, Serialize};

/// The variable that holds an [`OriginalEnv`], for commands of loopdesk that run under `exec`: a daemon
/// that they start must not send its requests through a run that ends.
pub const ORIGINAL_ENV: &str = "LOOPDESK_EXEC_ENV";

/// The values that variables had; `None` if they weren't set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OriginalEnv(BTreeMap<String, Option<OriginalValue>>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum OriginalValue {
    Text(String),
    Bytes(Vec<u8>),
}

impl OriginalEnv {
    /// Records the values that these variables have.
    pub fn of<'n>(
        names: impl IntoIterator<Item = &'n str>,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let value = |value: OsString| match value.into_string() {
            Ok(text) => OriginalValue::Text(text),
            Err(bytes) => OriginalValue::Bytes(bytes.into_vec()),
        };
        let names = names.into_iter();
        Self(
            names
                .map(|name| (name.to_owned(), env(name).map(value)))
                .collect(),
        )
    }

    /// Reads the value of [`ORIGINAL_ENV`]. `None` if it is something else.
    pub fn parse(text: &OsStr) -> Option<Self> {
        serde_json::from_slice(text.as_bytes()).ok()
    }

    /// The value for [`ORIGINAL_ENV`].
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Every variable with the value to give back to it; `None` unsets it.
    pub fn values(self) -> impl Iterator<Item = (String, Option<OsString>)> {
        let value = |value| match value {
            OriginalValue::Text(text) => text.into(),
            OriginalValue::Bytes(bytes) => OsString::from_vec(bytes),
        };
        self.0
            .into_iter()
            .map(move |(name, was)| (name, was.map(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_any_value_comes_back_and_an_absent_one_stays_absent() {
        let odd = OsString::from_vec(b"/caf\xe9.pem".to_vec());
        let env = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://a:b@proxy:3128".into()),
            "SSL_CERT_FILE" => Some(odd.clone()),
            "no_proxy" => Some("".into()),
            _ => None,
        };
        let names = ["HTTPS_PROXY", "SSL_CERT_FILE", "no_proxy", "https_proxy"];
        let kept = OriginalEnv::of(names, env);
        let read = OriginalEnv::parse(OsStr::new(&kept.text())).unwrap();
        assert_eq!(read, kept);
        let values: BTreeMap<_, _> = read.values().collect();
        for name in names {
            assert_eq!(values[name], env(name), "{name}");
        }
        for text in ["", "x", "[]", "{\"a\":1}"] {
            assert_eq!(OriginalEnv::parse(OsStr::new(text)), None, "{text}");
        }
    }
}
