//! Locked keys: the machine's file can forbid keys in users' files.
//!
//! This guards against mistakes, not against a user who builds their own daemon.

use std::collections::{BTreeMap, BTreeSet};

use loopdesk_protocol::config::{Layer, Source};
use toml::de::DeTable;

use super::reader::{Errors, FileLocation};
use super::retired::{Retired, SPARE};

/// A key or a whole table that the machine's file locks, and where.
#[derive(Debug)]
pub(super) struct LockedKey {
    pub(super) key: String,
    pub(super) location: FileLocation,
}

/// Reports each lock without an effect, and each of the user's keys that is locked.
pub(super) fn check(
    locks: Vec<LockedKey>,
    user: Option<&DeTable<'_>>,
    system: Option<&DeTable<'_>>,
    known: &BTreeSet<String>,
    errors: &mut Errors<'_>,
) -> BTreeMap<String, Source> {
    let mut locked = BTreeMap::new();
    for LockedKey { key, location } in locks {
        match meant(&key, system, known) {
            Ok(()) => {
                let source = errors.source(&location);
                locked.entry(key).or_insert(source);
            }
            Err(LockError::Invalid(why)) => errors.add(location, why),
            Err(LockError::Unknown(why)) => errors.add_unknown(location, why),
            Err(LockError::Retired(retired)) => errors.add_retired(location, &key, retired),
        }
    }
    if let Some(user) = user {
        refuse(user, "", &locked, errors);
    }
    locked
}

/// Why a lock has no effect.
enum LockError {
    /// It is a mistake.
    Invalid(String),
    /// Unknown here, but another version may know the key.
    Unknown(String),
    /// An earlier release knew the key.
    Retired(Retired),
}

/// Checks that `key` is one that a user could set.
fn meant(
    key: &str,
    system: Option<&DeTable<'_>>,
    known: &BTreeSet<String>,
) -> Result<(), LockError> {
    let (name, general) = match key.strip_prefix("accounts.") {
        None => (None, key.to_owned()),
        Some(rest) => match rest.split_once('.') {
            None => (Some(rest), "accounts".to_owned()),
            Some((name, key)) => (Some(name), format!("accounts.{ANY_ACCOUNT}.{key}")),
        },
    };
    let account = |name: &str| {
        let accounts = system.and_then(|root| root.get("accounts")?.get_ref().as_table());
        accounts.is_some_and(|accounts| accounts.contains_key(name))
    };
    match name {
        Some(name) if !account(name) => Err(LockError::Invalid(format!(
            "`{key}` can't be locked: this file has no account `{name}`"
        ))),
        _ if general == format!("accounts.{ANY_ACCOUNT}.{}", SPARE.name) => {
            Err(LockError::Retired(SPARE))
        }
        _ if known.contains(&general) && !RESERVED.contains(&key) => Ok(()),
        _ => {
            let names = known.iter().filter(|key| !RESERVED.contains(&key.as_str()));
            let names: Vec<_> = names
                .map(|key| key.replace(&format!("accounts.{ANY_ACCOUNT}."), "accounts.NAME."))
                .collect();
            let why = format!(
                "`{key}` can't be locked: the keys that can are {}",
                names.join(", ")
            );
            Err(if RESERVED.contains(&key) {
                LockError::Invalid(why)
            } else {
                LockError::Unknown(why)
            })
        }
    }
}

fn refuse(
    table: &DeTable<'_>,
    prefix: &str,
    locked: &BTreeMap<String, Source>,
    errors: &mut Errors<'_>,
) {
    for (name, value) in table.iter() {
        let key = format!("{prefix}{}", name.get_ref());
        if let Some(Source { path, line, .. }) = locked.get(&key) {
            let message = format!("`{key}` is locked by line {line} of `{path}`: remove it here");
            errors.add(FileLocation::new(Layer::User, name.span()), message);
        } else if let Some(inner) = value.get_ref().as_table() {
            refuse(inner, &format!("{key}."), locked, errors);
        }
    }
}

/// The keys that only the machine's file may have.
pub(super) const RESERVED: [&str; 3] = ["locked", "max-key-scope", "max-key-age"];

/// The account's name in the text that is parsed to list the keys that an account can have.
pub(super) const ANY_ACCOUNT: &str = "name";
