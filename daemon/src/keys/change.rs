//! Changes to the keys: written to disk first, then in force.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::{Kind, Problem, SecretText};

use super::file::KeyFileContents;
use super::format::{self, KeyId};
use super::key::{Key, NewKey, OLD_MAX};
use super::store::{FileStamp, KeyFileState};
use super::{Keys, KeysInner, KeysState};
use crate::config::AccountName;
use crate::failpoint;
use crate::telemetry::Sent;

/// What a change builds on.
#[derive(Debug, Default)]
pub(super) struct WriteState {
    generation: u64,
    /// The file as it was last read or written.
    stamp: Option<FileStamp>,
    /// Keys that were revoked but are still in the file, since it couldn't be written.
    revoked: BTreeSet<KeyId>,
}

impl Keys {
    /// Creates a key. When this returns, the key works and survives a power cut. May block.
    ///
    /// # Errors
    /// The name is taken, the request for the key is invalid, or the file can't be written.
    pub fn create(&self, new: NewKey) -> Result<(Arc<Key>, SecretText), Problem> {
        self.0.change(|keys, now| {
            if keys.contains_key(&new.name) {
                let problem = format!("key `{}` already exists", new.name);
                return Err(Problem::new(Kind::Usage, problem)
                    .hint(format!(
                        "run `loopdesk key rotate {}` to give it a new secret",
                        new.name
                    ))
                    .hint("or choose another name"));
            }
            if keys.len() >= KEYS {
                let problem = format!("there are already {KEYS} keys, which is the maximum");
                return Err(Problem::new(Kind::Usage, problem)
                    .hint("run `loopdesk key list` and revoke the keys that are no longer used"));
            }
            let id = loop {
                let id = KeyId::random().map_err(|e| no_random(&e))?;
                if keys.values().all(|key| key.id != id) {
                    break id;
                }
            };
            let (secret, digest) = format::generate(id).map_err(|e| no_random(&e))?;
            let mut key = Key::new(new, id, digest, now)?;
            key.counter = self.0.usage.of_key(id);
            let key = Arc::new(key);
            keys.insert(key.name.clone(), Arc::clone(&key));
            Ok((key, secret))
        })
    }

    /// Gives a key a new secret. The previous one keeps working for `grace`, and earlier ones until
    /// the end of their own grace period; with a `grace` of zero, all of them stop at once. May block.
    ///
    /// # Errors
    /// The key doesn't exist, too many of its old secrets still work, or the file can't be written.
    pub fn rotate(&self, name: &str, grace: Duration) -> Result<(Arc<Key>, SecretText), Problem> {
        self.0.change(|keys, now| {
            let key = found(keys, name)?;
            let (secret, digest) = format::generate(key.id).map_err(|e| no_random(&e))?;
            let secrets = key.secrets.rotated(digest, grace, now).ok_or_else(|| {
                Problem::new(
                    Kind::Usage,
                    format!(
                        "key `{name}` can have at most {OLD_MAX} old secrets that still work, each \
                         for a limited time"
                    ),
                )
                .hint(format!(
                    "run `loopdesk key rotate {name}` to end all old secrets now"
                ))
            })?;
            let key = Arc::new(Key {
                secrets,
                ..Key::clone(key)
            });
            keys.insert(key.name.clone(), Arc::clone(&key));
            Ok((key, secret))
        })
    }

    /// Revokes a key, with effect from the next request on. May block.
    ///
    /// # Errors
    /// The key doesn't exist, or the file can't be written. In that case the key is refused all the
    /// same, but would work again after a restart.
    pub fn revoke(&self, name: &str) -> Result<Arc<Key>, Problem> {
        let revoked = {
            let mut writer = self.0.writer();
            self.0.read(&mut writer);
            let state = self.0.state.load_full();
            usable(&state)?;
            let key = Arc::clone(found(&state.by_name, name)?);
            // In force first: a full disk must not keep a key alive.
            writer.revoked.insert(key.id);
            self.0.publish(&writer, state.by_name.values().cloned());
            key
        };
        // Every write from here on leaves it out.
        let change = self.0.change(|_, _| Ok(()));
        change.map_err(|problem| Problem {
            message: format!(
                "key `{name}` is refused from now on, but it couldn't be removed from the file and \
                 would work again after a restart: {}",
                problem.message
            ),
            hints: [
                problem.hints,
                vec![format!("then run `loopdesk key revoke {name}` again")],
            ]
            .concat(),
            ..problem
        })?;
        Ok(revoked)
    }

    /// Lets the keys of an account, or one of them, act for `person`, who is logged in there now.
    /// Returns the keys that acted for somebody else before. May block.
    ///
    /// # Errors
    /// The account has no such key, or the file can't be written.
    pub fn confirm(
        &self,
        account: &AccountName,
        name: Option<&str>,
        person: &Person,
    ) -> Result<Vec<Arc<Key>>, Problem> {
        self.0.change(|keys, _| {
            if let Some(name) = name
                && found(keys, name)?.account != *account
            {
                let problem = format!("key `{name}` doesn't belong to account `{account}`");
                return Err(Problem::new(Kind::Usage, problem).hint("run `loopdesk key list`"));
            }
            let mut confirmed = Vec::new();
            for key in keys.values_mut() {
                let is_meant = name.is_none_or(|name| key.name == name);
                if is_meant && key.account == *account && key.person != *person {
                    let for_another = key.person.id != person.id;
                    *key = Arc::new(Key {
                        person: person.clone(),
                        ..Key::clone(key)
                    });
                    if for_another {
                        confirmed.push(Arc::clone(key));
                    }
                }
            }
            Ok(confirmed)
        })
    }
}

type ByName = BTreeMap<String, Arc<Key>>;

impl KeysInner {
    /// Reads the file again if it has changed. May block.
    pub(super) fn look(&self) {
        let mut writer = self.writer();
        let is_closed = self.state.load().problem.is_some();
        if is_closed || self.store.stamp() != writer.stamp {
            self.read(&mut writer);
        }
    }

    /// Reads the file and puts its keys in force.
    pub(super) fn read(&self, writer: &mut WriteState) {
        match self.store.read() {
            KeyFileState::Keys(contents, stamp) => {
                writer.generation = contents.generation;
                writer.stamp = stamp;
                let keys = contents.keys.into_iter().map(|mut key| {
                    key.counter = self.usage.of_key(key.id);
                    Arc::new(key)
                });
                self.publish(writer, keys);
            }
            KeyFileState::Untrusted(problem) => {
                writer.stamp = None;
                let told = self.state.load().problem.clone();
                if told.as_ref() != Some(&problem) {
                    tracing::error!(%problem, "local keys are refused");
                }
                self.state.store(Arc::new(KeysState {
                    problem: Some(problem),
                    ..KeysState::default()
                }));
            }
        }
    }

    /// Writes a change to disk, then puts it in force.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut ByName, Timestamp) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut writer = self.writer();
        // Another program may have replaced the file: build the change on what is there now.
        self.read(&mut writer);
        let state = self.state.load_full();
        usable(&state)?;
        let now = self.clock.now();
        let mut keys = state.by_name.clone();
        keys.retain(|_, key| !key.is_revoked);
        let changed = change(&mut keys, now)?;
        let contents = KeyFileContents {
            generation: writer.generation + 1,
            keys: keys.values().map(|key| Key::clone(key)).collect(),
        };
        if let Err(problem) = self.store.write(&contents, now) {
            // The change may have reached the disk all the same.
            self.read(&mut writer);
            return Err(problem);
        }
        writer.generation = contents.generation;
        writer.stamp = self.store.stamp();
        writer.revoked.clear();
        self.publish(&writer, keys.into_values());
        failpoint::reach(failpoint::KEYS_PUBLISHED);
        Ok(changed)
    }

    /// Puts `keys` in force, except those that were revoked.
    fn publish(&self, writer: &WriteState, keys: impl Iterator<Item = Arc<Key>>) {
        let mut state = KeysState::default();
        let mut by_id = HashMap::new();
        for mut key in keys {
            if writer.revoked.contains(&key.id) {
                key = Arc::new(Key {
                    is_revoked: true,
                    ..Key::clone(&key)
                });
            } else {
                by_id.insert(key.id, Arc::clone(&key));
            }
            state.by_name.insert(key.name.clone(), key);
        }
        self.usage.keep(|id| by_id.contains_key(&id));
        state.by_id = by_id;
        self.state.store(Arc::new(state));
    }
}

fn usable(state: &KeysState) -> Result<(), Problem> {
    state.problem.clone().map_or(Ok(()), Err)
}

fn found<'a>(keys: &'a ByName, name: &str) -> Result<&'a Arc<Key>, Problem> {
    keys.get(name).ok_or_else(|| {
        let name = Sent::line(name);
        Problem::new(Kind::Usage, format!("there is no key `{name}`"))
            .hint("run `loopdesk key list`")
    })
}

fn no_random(error: &getrandom::Error) -> Problem {
    Problem::new(
        Kind::Internal,
        format!("the system provides no random bytes: {error}"),
    )
}

/// More keys than one person has scripts; few enough to list and write quickly.
const KEYS: usize = 1_000;
