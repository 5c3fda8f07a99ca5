//! Records of one kind: seeded by rule, created only when they are read.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use super::Seed;

/// Records of one kind.
#[derive(Debug)]
pub(in crate::zendesk) struct Collection {
    seeded: Range<u64>,
    make: fn(&Seed, u64) -> Value,
    /// What requests changed or added, and `None` for what they deleted.
    changed: BTreeMap<u64, Option<Value>>,
    next: u64,
}

impl Collection {
    pub(super) fn new(first: u64, count: u64, make: fn(&Seed, u64) -> Value) -> Self {
        Self {
            seeded: first..first + count,
            make,
            changed: BTreeMap::new(),
            next: first + count,
        }
    }

    /// The ids of all records, ascending.
    pub(in crate::zendesk) fn ids(&self) -> Vec<u64> {
        let seeded = self.seeded.clone();
        let untouched = seeded.filter(|id| !self.changed.contains_key(id));
        let present = self.changed.iter().filter(|(_, value)| value.is_some());
        let mut ids: Vec<_> = untouched.chain(present.map(|(id, _)| *id)).collect();
        ids.sort_unstable();
        ids
    }

    pub(in crate::zendesk) fn get(&self, seed: &Seed, id: u64) -> Option<Value> {
        match self.changed.get(&id) {
            Some(changed) => changed.clone(),
            None => self.seeded.contains(&id).then(|| (self.make)(seed, id)),
        }
    }

    /// All records, by their ids.
    pub(in crate::zendesk) fn all(&self, seed: &Seed) -> Vec<Value> {
        let ids = self.ids().into_iter();
        ids.filter_map(|id| self.get(seed, id)).collect()
    }

    pub(in crate::zendesk) fn put(&mut self, id: u64, value: Value) {
        self.changed.insert(id, Some(value));
    }

    /// The id of the next record to be added.
    pub(in crate::zendesk) fn next_id(&mut self) -> u64 {
        let id = self.next;
        self.next += 1;
        id
    }

    /// Deletes a record; false if there is none.
    pub(in crate::zendesk) fn remove(&mut self, id: u64) -> bool {
        let present = match self.changed.get(&id) {
            Some(changed) => changed.is_some(),
            None => self.seeded.contains(&id),
        };
        if present {
            self.changed.insert(id, None);
        }
        present
    }
}
