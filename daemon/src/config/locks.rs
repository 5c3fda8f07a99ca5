//! Locked keys: the machine's file can forbid keys in users' files.
//!
//! This guards against mistakes, not against a user who builds their own daemon.

use std::collections::{BTreeMap, BTreeSet};

use loopdesk_protocol::config::{Layer, Source};
use toml::de::DeTable;

use super::reader::{Errors, Place};
use super::retired::{Retired, SPARE};

/// A key or a whole table that the machine's file locks, and where.
#[derive(Debug)]
pub(super) struct Lock {
    pub(super) key: String,
    pub(super) place: Place,
}

/// Reports each lock without an effect, and each of the user's keys that is locked.
pub(super) fn check(
    locks: Vec<Lock>,
    user: Option<&DeTable<'_>>,
    system: Option<&DeTable<'_>>,
    known: &BTreeSet<String>,
    errors: &mut Errors<'_>,
) -> BTreeMap<String, Source> {
    let mut locked = BTreeMap::new();
    for Lock { key, place } in locks {
        match meant(&key, system, known) {
            Ok(()) => {
                let source = errors.source(&place);
                locked.entry(key).or_insert(source);
            }
            Err(NoLock::Wrong(why)) => errors.add(place, why),
            Err(NoLock::Unknown(why)) => errors.add_unknown(place, why),
            Err(NoLock::Retired(retired)) => errors.add_retired(place, &key, retired),
        }
    }
    if let Some(user) = user {
        refuse(user, "", &locked, errors);
    }
    locked
}

/// Why a lock has no effect.
enum NoLock {
    /// It is a mistake.
    Wrong(String),
    /// Unknown here, but another version may know the key.
    Unknown(String),
    /// An earlier release knew the key.
    Retired(Retired),
}

/// Checks that `key` is one that a user could set.
fn meant(key: &str, system: Option<&DeTable<'_>>, known: &BTreeSet<String>) -> Result<(), NoLock> {
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
        Some(name) if !account(name) => Err(NoLock::Wrong(format!(
            "`{key}` can't be locked: this file has no account `{name}`"
        ))),
        _ if general == format!("accounts.{ANY_ACCOUNT}.{}", SPARE.name) => {
            Err(NoLock::Retired(SPARE))
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
                NoLock::Wrong(why)
            } else {
                NoLock::Unknown(why)
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
            errors.add(Place::new(Layer::User, name.span()), message);
        } else if let Some(inner) = value.get_ref().as_table() {
            refuse(inner, &format!("{key}."), locked, errors);
        }
    }
}

/// The keys that only the machine's file may have.
pub(super) const RESERVED: [&str; 3] = ["locked", "max-key-scope", "max-key-age"];

/// The account's name in the text that is parsed to list the keys that an account can have.
pub(super) const ANY_ACCOUNT: &str = "name";
