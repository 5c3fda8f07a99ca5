//! Changes to the keys: on disk first, then in force.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::{Kind, Problem, SecretText};

use super::file::Contents;
use super::format::{self, KeyId};
use super::key::{Key, New, OLD_MAX};
use super::store::{Found, Stamp};
use super::{Inner, Keys, State};
use crate::config::AccountName;
use crate::failpoint;
use crate::telemetry::Sent;

/// What whoever changes keys has to know.
#[derive(Debug, Default)]
pub(super) struct Writer {
    generation: u64,
    /// The file as it was last read or written.
    stamp: Option<Stamp>,
    /// Keys that were revoked, but are in the file, as it couldn't be written.
    revoked: BTreeSet<KeyId>,
}

impl Keys {
    /// Makes a key. When this returns, it survives a power cut, and works. May block.
    ///
    /// # Errors
    /// What is wrong with the wish, or keeps it from being kept.
    pub fn create(&self, new: New) -> Result<(Arc<Key>, SecretText), Problem> {
        self.0.change(|keys, now| {
            if keys.contains_key(&new.name) {
                let problem = format!("there is a key `{}` already", new.name);
                return Err(Problem::new(Kind::Usage, problem)
                    .hint(format!(
                        "a new secret for it: `loopdesk key rotate {}`",
                        new.name
                    ))
                    .hint("or choose another name"));
            }
            if keys.len() >= KEYS {
                let problem = format!("there are {KEYS} keys already");
                return Err(Problem::new(Kind::Usage, problem)
                    .hint("revoke those that nobody uses: `loopdesk key list` shows them"));
            }
            let id = loop {
                let id = KeyId::random().map_err(|e| no_random(&e))?;
                if keys.values().all(|key| key.id != id) {
                    break id;
                }
            };
            let (secret, digest) = format::generate(id).map_err(|e| no_random(&e))?;
            let mut key = Key::new(new, id, digest, now)?;
            key.tally = self.0.uses.of_key(id);
            let key = Arc::new(key);
            keys.insert(key.name.clone(), Arc::clone(&key));
            Ok((key, secret))
        })
    }

    /// Gives a key another secret. The one before works for `grace` more, and earlier ones until
    /// the moment that they were promised; without a grace, none of them works from now on. May
    /// block.
    ///
    /// # Errors
    /// No such key, too many secrets of it that still work, or a disk that doesn't take it.
    pub fn rotate(&self, name: &str, grace: Duration) -> Result<(Arc<Key>, SecretText), Problem> {
        self.0.change(|keys, now| {
            let key = found(keys, name)?;
            let (secret, digest) = format::generate(key.id).map_err(|e| no_random(&e))?;
            let secrets = key.secrets.rotated(digest, grace, now).ok_or_else(|| {
                Problem::new(
                    Kind::Usage,
                    format!(
                        "key `{name}` can't have more than {OLD_MAX} old secrets, nor for ever"
                    ),
                )
                .hint(format!(
                    "end all old secrets now: `loopdesk key rotate {name}`"
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

    /// Ends a key, from the next request on. May block.
    ///
    /// # Errors
    /// No such key. Or the disk didn't take it: the key is refused all the same, but would work
    /// again after a restart.
    pub fn revoke(&self, name: &str) -> Result<Arc<Key>, Problem> {
        let revoked = {
            let mut writer = self.0.writer();
            self.0.read(&mut writer);
            let state = self.0.state.load_full();
            usable(&state)?;
            let key = Arc::clone(found(&state.by_name, name)?);
            // In force first: a full disk must keep no key alive.
            writer.revoked.insert(key.id);
            self.0.publish(&writer, state.by_name.values().cloned());
            key
        };
        // It is left out of whatever is written from now on.
        let change = self.0.change(|_, _| Ok(()));
        change.map_err(|problem| Problem {
            message: format!(
                "key `{name}` is refused from now on, but is in the file still, from where it \
                 would come back with a restart: {}",
                problem.message
            ),
            hints: [
                problem.hints,
                vec![format!("then again: `loopdesk key revoke {name}`")],
            ]
            .concat(),
            ..problem
        })?;
        Ok(revoked)
    }

    /// Lets the keys of an account, or one of them, act for `person`, who is logged in there now.
    /// Answers those for whom that is new. May block.
    ///
    /// # Errors
    /// No such key there, or a disk that doesn't take it.
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
                let problem = format!("key `{name}` is no key of account `{account}`");
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

impl Inner {
    /// Reads the file again if it isn't as it was. May block.
    pub(super) fn look(&self) {
        let mut writer = self.writer();
        let is_closed = self.state.load().problem.is_some();
        if is_closed || self.store.stamp() != writer.stamp {
            self.read(&mut writer);
        }
    }

    /// Reads the file, and goes by what it says from now on.
    pub(super) fn read(&self, writer: &mut Writer) {
        match self.store.read() {
            Found::Keys(contents, stamp) => {
                writer.generation = contents.generation;
                writer.stamp = stamp;
                let keys = contents.keys.into_iter().map(|mut key| {
                    key.tally = self.uses.of_key(key.id);
                    Arc::new(key)
                });
                self.publish(writer, keys);
            }
            Found::Nothing(problem) => {
                writer.stamp = None;
                let told = self.state.load().problem.clone();
                if told.as_ref() != Some(&problem) {
                    tracing::error!(%problem, "local keys are refused");
                }
                self.state.store(Arc::new(State {
                    problem: Some(problem),
                    ..State::default()
                }));
            }
        }
    }

    /// Puts a change on disk, and then in force.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut ByName, Timestamp) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut writer = self.writer();
        // Whatever somebody else has made of it: what a change builds on must be what is there.
        self.read(&mut writer);
        let state = self.state.load_full();
        usable(&state)?;
        let now = self.clock.now();
        let mut keys = state.by_name.clone();
        keys.retain(|_, key| !key.is_revoked);
        let changed = change(&mut keys, now)?;
        let contents = Contents {
            generation: writer.generation + 1,
            keys: keys.values().map(|key| Key::clone(key)).collect(),
        };
        if let Err(problem) = self.store.write(&contents, now) {
            // It may have come to the disk all the same.
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

    /// Puts `keys` in force, but those that were revoked.
    fn publish(&self, writer: &Writer, keys: impl Iterator<Item = Arc<Key>>) {
        let mut state = State::default();
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
        self.uses.keep(|id| by_id.contains_key(&id));
        state.by_id = by_id;
        self.state.store(Arc::new(state));
    }
}

fn usable(state: &State) -> Result<(), Problem> {
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
        format!("the system gives no random bytes: {error}"),
    )
}

/// More than anybody has scripts; listing and writing them stays quick.
const KEYS: usize = 1_000;
