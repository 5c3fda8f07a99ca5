//! Local keys: what scripts send instead of an API token.
//!
//! ```text
//! request ─ extract ─▶ PresentedKey ─ Keys::check ─▶ Key, or KeyError (delayed by throttle)
//!                        format          │
//! keys.toml ─ store ─▶ file ─▶ Key ──────┘        Keys::note_use ─▶ usage ─▶ background
//! ```
//!
//! This module knows what a key looks like (`format`), where a request carries one (`extract`), what
//! is stored of it (`key`, `file`, `store`), and who has used it (`usage`). Which requests a key allows is
//! decided by its [`rights`](crate::rights).
//!
//! While the key file can't be trusted, every key is refused: [`Keys::problem`].

mod background;
mod change;
mod connection;
mod counter;
mod error;
mod extract;
mod file;
mod format;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod key;
mod rights;
mod store;
mod throttle;
mod ticket;
mod usage;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use loopdesk_protocol::{Paths, Problem, key as protocol};
use subtle::Choice;

use self::background::{PACE, Pace, WorkQueue};
use self::change::WriteState;
pub use self::connection::Trace;
pub use self::counter::Program;
pub use self::error::KeyError;
pub use self::extract::{KEY_HEADER, PresentedKey, extract, strip};
pub use self::format::KeyId;
use self::format::SecretDigest;
use self::key::KeySecrets;
pub use self::key::{Key, NewKey};
use self::store::KeyStore;
pub use self::throttle::Failures;
use self::throttle::Throttle;
pub use self::ticket::IssuedTicket;
use self::ticket::Tickets;
pub use self::usage::{Caller, RequestAuth};
use self::usage::{UsageLog, memory};
use crate::clock::Clock;
use crate::config::AccountName;

/// The local keys of this daemon. Clones share them.
#[derive(Clone, Debug)]
pub struct Keys(Arc<KeysInner>);

#[derive(Debug)]
struct KeysInner {
    store: KeyStore,
    clock: Clock,
    state: ArcSwap<KeysState>,
    /// Locked while the file is read or changed.
    writer: Mutex<WriteState>,
    /// What a secret is compared with if its key doesn't exist.
    decoy: KeySecrets,
    throttle: Throttle,
    tickets: Arc<Tickets>,
    usage: Arc<UsageLog>,
    /// Locked while the file is written.
    usage_file: Mutex<PathBuf>,
    queue: Arc<WorkQueue>,
    /// When the file was last checked, in milliseconds since 1970.
    looked_at: AtomicI64,
}

/// The keys in force.
#[derive(Debug, Default)]
struct KeysState {
    by_id: HashMap<KeyId, Arc<Key>>,
    /// Includes keys that were revoked but couldn't be removed from the file.
    by_name: BTreeMap<String, Arc<Key>>,
    /// Why every key is refused.
    problem: Option<Problem>,
}

impl Keys {
    /// Reads the keys from the state folder of `paths`. May block.
    pub fn open(paths: &Paths, clock: Clock) -> Self {
        Self::paced(paths, clock, PACE)
    }

    fn paced(paths: &Paths, clock: Clock, pace: Pace) -> Self {
        let queue = Arc::new(WorkQueue::new(pace));
        let remembered = memory::read(&paths.uses_file());
        // Without random bytes nothing else works either, so any digest that matches no secret
        // will do.
        let decoy = SecretDigest::random().unwrap_or_else(|_| SecretDigest::of_nothing());
        let inner = Arc::new(KeysInner {
            store: KeyStore::new(paths),
            clock,
            state: ArcSwap::default(),
            writer: Mutex::default(),
            decoy: KeySecrets::new(decoy),
            throttle: Throttle::new(),
            tickets: Arc::default(),
            usage: Arc::new(UsageLog::new(Arc::clone(&queue), remembered)),
            usage_file: Mutex::new(paths.uses_file()),
            queue: Arc::clone(&queue),
            looked_at: AtomicI64::new(0),
        });
        inner.read(&mut inner.writer());
        let keys = Arc::downgrade(&inner);
        let spawned = std::thread::Builder::new()
            .name("keys".to_owned())
            .stack_size(STACK)
            .spawn(move || background::run(&queue, &keys));
        if let Err(error) = spawned {
            tracing::warn!(%error, "can't spawn the key usage thread: key usage won't be recorded");
        }
        Self(inner)
    }

    /// Why every key is refused, if it is.
    pub async fn problem(&self) -> Option<Problem> {
        // The user may just have fixed it, or the file appeared late, with a home folder that was
        // mounted after the start.
        let inner = Arc::clone(&self.0);
        let look = tokio::task::spawn_blocking(move || inner.look());
        // If the disk is slow, or a change is being written, report the last known state.
        let _late = tokio::time::timeout(LOOK_PATIENCE, look).await;
        self.0.state.load().problem.clone()
    }

    /// Finds the key whose secret was presented. Whether that key has expired, and what it may do, is
    /// decided later (`route::authorize`).
    ///
    /// A right key returns at once. A wrong one is delayed, longer with each failure.
    ///
    /// # Errors
    /// No key has this id and secret, or the key file can't be trusted.
    pub async fn check(
        &self,
        presented: &PresentedKey,
        failures: &Failures,
    ) -> Result<Arc<Key>, KeyError> {
        let verdict = self.0.judge(presented);
        if matches!(verdict, Err(KeyError::Unknown)) {
            self.0.throttle.delay(presented.0.id, failures).await;
        }
        verdict
    }

    /// The clock by which keys expire.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// All keys, by name, including expired ones and those of removed accounts.
    pub fn all(&self) -> Vec<Arc<Key>> {
        self.0.state.load().by_name.values().cloned().collect()
    }

    /// The key with this name.
    pub fn named(&self, name: &str) -> Option<Arc<Key>> {
        self.0.state.load().by_name.get(name).cloned()
    }

    /// The key with this id.
    pub fn with_id(&self, id: KeyId) -> Option<Arc<Key>> {
        self.0.current(id)
    }

    /// Records that a request was let in. Never blocks.
    pub fn note_use(&self, used: RequestAuth<'_>, caller: &Caller) {
        self.0.usage.note(used, caller, self.0.clock.now());
    }

    /// The last use of a key, and how many requests it has let in.
    pub fn last_use(&self, key: &Key) -> (Option<protocol::Use>, u64) {
        key.counter.shown()
    }

    /// A key as the command line shows it.
    pub fn shown(&self, key: &Key, state: protocol::KeyState) -> protocol::KeyStatus {
        let (last_used, requests) = self.last_use(key);
        protocol::KeyStatus {
            name: key.name.clone(),
            id: key.id.to_string(),
            account: key.account.to_string(),
            person: key.person.clone(),
            rights: key.rights_text().clone(),
            state,
            created_at: key.created_at,
            expires_at: key.expires_at,
            old_secret_until: key.old_secret_until(self.0.clock.now()),
            note: key.note.clone(),
            last_used,
            requests,
        }
    }

    /// The programs that called `account` without a key, latest first.
    pub fn callers(&self, account: &AccountName) -> Vec<protocol::KeylessCaller> {
        self.0.usage.callers(account)
    }

    /// The programs that recently called `account` over TCP without a key; `None` is an unknown
    /// program.
    pub fn over_tcp(&self, account: &AccountName) -> Vec<Option<Arc<str>>> {
        let since = self.0.clock.now() - LATELY;
        self.0.usage.over_tcp(account, since)
    }

    /// Saves what must survive the process. May block. Call it after the last request.
    pub fn finish(&self) {
        self.0.save_usage();
    }
}

impl KeysInner {
    fn judge(&self, presented: &PresentedKey) -> Result<Arc<Key>, KeyError> {
        let now = self.clock.now();
        self.look_now_and_then(now);
        let state = self.state.load();
        if let Some(problem) = &state.problem {
            return Err(KeyError::Closed(problem.clone()));
        }
        let candidate = &presented.0;
        let key = state.by_id.get(&candidate.id);
        // The same work for a key that doesn't exist (W10).
        let (secrets, is_there) = match key {
            Some(key) => (&key.secrets, Choice::from(1)),
            None => (&self.decoy, Choice::from(0)),
        };
        let fits = secrets.fit(&candidate.digest, now) & candidate.is_sound & is_there;
        let key = key.filter(|_| fits.into());
        key.map(Arc::clone).ok_or(KeyError::Unknown)
    }

    /// The key with this id, if it still exists.
    fn current(&self, id: KeyId) -> Option<Arc<Key>> {
        self.look_now_and_then(self.clock.now());
        let state = self.state.load();
        let key = state.by_id.get(&id).filter(|_| state.problem.is_none());
        key.map(Arc::clone)
    }

    /// Asks the background thread to check the file for changes, unless it did so a moment ago: who
    /// removes the file wants every key to stop working.
    fn look_now_and_then(&self, now: Timestamp) {
        let now = now.as_millisecond();
        let last = self.looked_at.load(Ordering::Relaxed);
        // The distance, not the difference: a clock that was set back must not stop the checks.
        let is_due = now.abs_diff(last) >= LOOK_EVERY;
        let set = |_| {
            let (order, failed) = (Ordering::Relaxed, Ordering::Relaxed);
            self.looked_at.compare_exchange(last, now, order, failed)
        };
        if is_due && set(()).is_ok() {
            self.queue.look();
        }
    }

    fn save_usage(&self) {
        // Wait for a writer on another thread: at shutdown the file must be written before this
        // returns.
        let file = self
            .usage_file
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !self.usage.take_dirty() {
            return;
        }
        if let Err(error) = memory::write(&file, &self.usage.remembered()) {
            tracing::info!(%error, "can't save key usage; trying again in a minute");
            self.usage.is_unsaved();
        }
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, WriteState> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KeysInner {
    fn drop(&mut self) {
        self.queue.stop();
    }
}

/// How long a status request waits for the disk.
const LOOK_PATIENCE: Duration = Duration::from_millis(500);
/// Longer than a burst of requests, but short enough to look immediate to a person.
const LOOK_EVERY: u64 = 2_000;
/// Enough to read folders and write a small file.
const STACK: usize = 256 << 10;

/// Longer than the interval of a monthly script.
const LATELY: jiff::SignedDuration = jiff::SignedDuration::from_hours(40 * 24);

#[cfg(test)]
mod tests;
