//! The environment as it was before `loopdesk exec` changed it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::{Deserialize, Serialize};

/// The variable that holds an [`OriginalEnv`], for commands of loopdesk that run under `exec`: a daemon
/// that they start must not send its requests through a run that ends.
pub const ORIGINAL_ENV: &str = "LOOPDESK_EXEC_ENV";

/// The variables that were changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OriginalEnv(BTreeMap<String, Changed>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Changed {
    /// The value before; `None` if it wasn't set.
    was: Option<EnvValue>,
    /// What it was set to.
    set: EnvValue,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum EnvValue {
    Text(String),
    Bytes(Vec<u8>),
}

impl OriginalEnv {
    /// Records the values that these variables have before they are set to others.
    pub fn of<'n>(
        changes: impl IntoIterator<Item = (&'n str, &'n OsStr)>,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let changes = changes.into_iter().map(|(name, set)| {
            let changed = Changed {
                was: env(name).map(EnvValue::from),
                set: set.to_owned().into(),
            };
            (name.to_owned(), changed)
        });
        Self(changes.collect())
    }

    /// Reads the value of [`ORIGINAL_ENV`]. `None` if it is something else.
    pub fn parse(text: &OsStr) -> Option<Self> {
        serde_json::from_slice(text.as_bytes()).ok()
    }

    /// The value for [`ORIGINAL_ENV`].
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The variables that `env` still has as they were set, each with the value to give back to it;
    /// `None` unsets it. The others were changed since, on purpose.
    pub fn values(
        self,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> impl Iterator<Item = (String, Option<OsString>)> {
        self.0.into_iter().filter_map(move |(name, changed)| {
            let is_unchanged = env(&name) == Some(changed.set.into());
            is_unchanged.then(|| (name, changed.was.map(OsString::from)))
        })
    }
}

impl From<OsString> for EnvValue {
    fn from(value: OsString) -> Self {
        match value.into_string() {
            Ok(text) => Self::Text(text),
            Err(bytes) => Self::Bytes(bytes.into_vec()),
        }
    }
}

impl From<EnvValue> for OsString {
    fn from(value: EnvValue) -> Self {
        match value {
            EnvValue::Text(text) => text.into(),
            EnvValue::Bytes(bytes) => Self::from_vec(bytes),
        }
    }
}

/// Proxies' addresses hold passwords.
impl fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvValue(..)")
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
        let set = OsString::from_vec(b"/set\xe9".to_vec());
        let kept = OriginalEnv::of(names.map(|name| (name, &*set)), env);
        let read = OriginalEnv::parse(OsStr::new(&kept.text())).unwrap();
        assert_eq!(read, kept);
        let values: BTreeMap<_, _> = read.values(|_| Some(set.clone())).collect();
        for name in names {
            assert_eq!(values[name], env(name), "{name}");
        }
        for text in ["", "x", "[]", "{\"a\":1}"] {
            assert_eq!(OriginalEnv::parse(OsStr::new(text)), None, "{text}");
        }
    }

    #[test]
    fn s9_what_was_changed_since_is_left_as_it_is() {
        let changes = ["SSL_CERT_FILE", "NO_PROXY", "https_proxy"];
        let changes = changes.map(|name| (name, OsStr::new("/set")));
        let kept = OriginalEnv::of(changes, |_| Some("/before".into()));
        let now = |name: &str| match name {
            "SSL_CERT_FILE" => Some("/chosen".into()),
            "NO_PROXY" => Some("/set".into()),
            _ => None,
        };
        let values: Vec<_> = kept.values(now).collect();
        assert_eq!(values, [("NO_PROXY".to_owned(), Some("/before".into()))]);
    }
}
