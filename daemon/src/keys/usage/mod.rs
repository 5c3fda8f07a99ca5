//! Records when each key was last used and by which program, and which programs are served without a
//! key.
//!
//! Recording a use takes a few atomic operations. The background thread looks up the program behind a
//! connection once; until then, requests without a key are counted with the connection.

mod caller;
pub(super) mod memory;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use loopdesk_protocol::key;

pub use self::caller::Caller;
use self::memory::{CALLERS_MAX, SavedUsage};
use super::background::WorkQueue;
use super::connection::Connection;
use super::counter::{Program, UsageCounter};
use super::format::KeyId;
use super::key::Key;
use crate::config::AccountName;

/// What a request used.
#[derive(Clone, Copy, Debug)]
pub enum RequestAuth<'a> {
    /// A key.
    Key(&'a Key),
    /// An account, without a key.
    Keyless(&'a AccountName),
}

/// The recorded uses.
#[derive(Debug)]
pub(super) struct UsageLog {
    /// Numbers the uses. Times can't order them, since a clock may be set back.
    sequence: AtomicU64,
    /// Whether a use isn't on disk yet.
    is_dirty: AtomicBool,
    keys: Mutex<BTreeMap<KeyId, Arc<UsageCounter>>>,
    keyless: Mutex<BTreeMap<AccountName, Vec<CallerEntry>>>,
    queue: Arc<WorkQueue>,
}

/// The requests of one program without a key.
#[derive(Debug)]
struct CallerEntry {
    /// Its name, if known.
    program: Option<Arc<str>>,
    counter: Arc<UsageCounter>,
}

impl UsageLog {
    pub(super) fn new(queue: Arc<WorkQueue>, remembered: SavedUsage) -> Self {
        let usage = Self {
            sequence: AtomicU64::new(0),
            is_dirty: AtomicBool::new(false),
            keys: Mutex::default(),
            keyless: Mutex::default(),
            queue,
        };
        usage.recall(remembered);
        usage
    }

    /// Records a use. Never blocks.
    pub(super) fn note(self: &Arc<Self>, used: RequestAuth<'_>, caller: &Caller, now: Timestamp) {
        let connection = caller.connection(self);
        if !connection.is_asked_for() && self.queue.ask(connection) {
            connection.asked_for();
        }
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        match used {
            RequestAuth::Key(key) => {
                key.counter.count(now, sequence, connection.program());
                if connection.keyed.get().is_none() {
                    let _first = connection.keyed.set(key.account.clone());
                    self.has_key(connection);
                }
            }
            RequestAuth::Keyless(account) => self.note_keyless(account, connection, now, sequence),
        }
        if !self.is_dirty.load(Ordering::Relaxed) && !self.is_dirty.swap(true, Ordering::Relaxed) {
            self.queue.save();
        }
    }

    fn note_keyless(
        &self,
        account: &AccountName,
        connection: &Connection,
        now: Timestamp,
        sequence: u64,
    ) {
        let mut entries = connection.counters();
        let place = entries.iter().position(|(of, _)| of == account);
        let place = place.unwrap_or_else(|| {
            entries.push((account.clone(), Arc::default()));
            entries.len() - 1
        });
        let Some((_, counter)) = entries.get_mut(place) else {
            return;
        };
        // Once the program is known, count in its entry, and in a new one if that entry has been
        // dropped from the list.
        if let Some(program) = connection.program().known()
            && !counter.is_listed()
        {
            let listed = self.entry(account, program.as_ref().map(|p| &p.name));
            listed.take_over(counter);
            *counter = listed;
        }
        if connection.over_tcp {
            counter.over_tcp.store(true, Ordering::Relaxed);
        }
        counter.count(now, sequence, connection.program());
    }

    /// A program that has sent a key no longer counts as one that calls over TCP without a key.
    fn has_key(&self, connection: &Connection) {
        let program = connection.program().known().and_then(Option::as_ref);
        let (Some(account), Some(program)) = (connection.keyed.get(), program) else {
            return;
        };
        let keyless = lock(&self.keyless);
        let mut entries = keyless.get(account).into_iter().flatten();
        if let Some(entry) = entries.find(|entry| entry.program.as_ref() == Some(&program.name)) {
            entry.counter.over_tcp.store(false, Ordering::Relaxed);
        }
    }

    /// The programs that have called an account over TCP without a key since `since`, and haven't sent
    /// one after that; latest first. `None` is an unknown program.
    pub(super) fn over_tcp(
        &self,
        account: &AccountName,
        since: Timestamp,
    ) -> Vec<Option<Arc<str>>> {
        let keyless = lock(&self.keyless);
        let entries = keyless.get(account).map_or(&[][..], Vec::as_slice);
        let calls = |entry: &&CallerEntry| {
            entry.counter.over_tcp.load(Ordering::Relaxed)
                && entry.counter.at.load(Ordering::Relaxed) >= since.as_millisecond()
        };
        let mut callers: Vec<_> = entries.iter().filter(calls).collect();
        callers.sort_by_key(|entry| std::cmp::Reverse(entry.counter.sequence()));
        callers.iter().map(|entry| entry.program.clone()).collect()
    }

    /// Sets the program behind a connection; `None` if it couldn't be found.
    pub(super) fn settle(&self, connection: &Connection, program: Option<Program>) {
        let mut entries = connection.counters();
        connection.program().settle(program);
        let Some(program) = connection.program().known() else {
            return;
        };
        for (account, counter) in entries.iter_mut() {
            let listed = self.entry(account, program.as_ref().map(|p| &p.name));
            listed.take_over(counter);
            *counter = listed;
        }
        drop(entries);
        self.has_key(connection);
    }

    /// The counter of a program in an account's list of callers.
    fn entry(&self, account: &AccountName, program: Option<&Arc<str>>) -> Arc<UsageCounter> {
        let mut keyless = lock(&self.keyless);
        let entries = keyless.entry(account.clone()).or_default();
        if let Some(entry) = entries
            .iter()
            .find(|entry| entry.program.as_ref() == program)
        {
            return Arc::clone(&entry.counter);
        }
        if entries.len() >= CALLERS_MAX {
            let oldest =
                (0..entries.len()).min_by_key(|at| entries.get(*at).map(|s| s.counter.sequence()));
            if let Some(oldest) = oldest {
                entries.swap_remove(oldest).counter.set_listed(false);
            }
        }
        let counter = Arc::new(UsageCounter::default());
        counter.set_listed(true);
        entries.push(CallerEntry {
            program: program.cloned(),
            counter: Arc::clone(&counter),
        });
        counter
    }

    /// The counter of a key.
    pub(super) fn of_key(&self, id: KeyId) -> Arc<UsageCounter> {
        Arc::clone(lock(&self.keys).entry(id).or_default())
    }

    /// Forgets the uses of keys that aren't kept.
    pub(super) fn keep(&self, is_kept: impl Fn(KeyId) -> bool) {
        lock(&self.keys).retain(|id, _| is_kept(*id));
    }

    /// The programs that have used an account without a key, latest first.
    pub(super) fn callers(&self, account: &AccountName) -> Vec<key::KeylessCaller> {
        let keyless = lock(&self.keyless);
        let entries = keyless.get(account).map_or(&[][..], Vec::as_slice);
        let mut callers: Vec<(u64, key::KeylessCaller)> =
            entries.iter().filter_map(CallerEntry::shown).collect();
        callers.sort_by(|(a, _), (b, _)| b.cmp(a));
        callers.into_iter().map(|(_, caller)| caller).collect()
    }

    /// Whether there is something to save. Resets that.
    pub(super) fn take_dirty(&self) -> bool {
        self.is_dirty.swap(false, Ordering::Relaxed)
    }

    /// Requests another save after one has failed.
    pub(super) fn is_unsaved(&self) {
        self.is_dirty.store(true, Ordering::Relaxed);
        self.queue.save();
    }

    /// What has to survive this process.
    pub(super) fn remembered(&self) -> SavedUsage {
        let keys = lock(&self.keys);
        let rows = keys
            .iter()
            .filter_map(|(id, counter)| Some((*id, counter.row()?)));
        let of_keys = rows.collect();
        drop(keys);
        let keyless = lock(&self.keyless);
        let rows = keyless.iter().flat_map(|(account, entries)| {
            entries.iter().filter_map(|entry| {
                let mut row = entry.counter.row()?;
                row.program = entry.program.as_deref().map(str::to_owned);
                Some((account.clone(), row))
            })
        });
        SavedUsage {
            of_keys,
            keyless: rows.collect(),
        }
    }

    fn recall(&self, remembered: SavedUsage) {
        for (id, row) in remembered.of_keys {
            self.of_key(id).recall(&row, 0);
        }
        let mut rows = remembered.keyless;
        rows.sort_by_key(|(_, row)| row.at);
        for (account, row) in rows {
            let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
            let program = row.program.as_deref().map(Arc::from);
            self.entry(&account, program.as_ref())
                .recall(&row, sequence);
        }
    }
}

impl CallerEntry {
    fn shown(&self) -> Option<(u64, key::KeylessCaller)> {
        let (last, requests) = self.counter.shown();
        let last = last?;
        Some((
            self.counter.sequence(),
            key::KeylessCaller { last, requests },
        ))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
