//! How many requests with limited keys may be in flight at once, and which of them wait.
//!
//! A key with limited rights must not be able to keep the user's own scripts out. So these keys
//! share part of the places. When all of those are in use, the next free one goes to the key that
//! has the fewest.

use std::collections::BTreeMap;

use crate::keys::KeyId;

/// The shares of limited keys, by the number of the connection's place.
#[derive(Debug)]
pub(super) struct Shares {
    most: usize,
    held: BTreeMap<u64, KeyId>,
    waiting: BTreeMap<u64, KeyId>,
}

impl Shares {
    /// This many shares in all.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            held: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// The place `number` asks for a share.
    pub(super) fn ask(&mut self, number: u64, key: KeyId) {
        self.waiting.insert(number, key);
    }

    /// The place `number` gives up its share, or stops waiting for one.
    pub(super) fn leave(&mut self, number: u64) {
        self.held.remove(&number);
        self.waiting.remove(&number);
    }

    /// Hands out the free shares; returns the places that got one.
    pub(super) fn grant(&mut self) -> Vec<u64> {
        let mut granted = Vec::new();
        if self.waiting.is_empty() {
            return granted;
        }
        let mut counts = counts(self.held.values());
        while self.held.len() < self.most {
            let count = |key: &KeyId| counts.get(key).copied().unwrap_or(0);
            let waiting = self.waiting.iter();
            let Some((&number, &key)) = waiting.min_by_key(|(number, key)| (count(key), **number))
            else {
                break;
            };
            self.waiting.remove(&number);
            self.held.insert(number, key);
            *counts.entry(key).or_insert(0) += 1;
            granted.push(number);
        }
        granted
    }

    /// Whether the place `number` has a share.
    pub(super) fn has(&self, number: u64) -> bool {
        self.held.contains_key(&number)
    }

    /// How many places are waiting.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The places that have a share.
    pub(super) fn held(&self) -> impl Iterator<Item = u64> {
        self.held.keys().copied()
    }

    /// The places whose shares belong to the key that has the most.
    pub(super) fn of_the_greediest(&self) -> impl Iterator<Item = u64> {
        let counts = counts(self.held.values());
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        let is_its = move |key: &KeyId| most.is_some_and(|(greediest, _)| greediest == *key);
        let held = self.held.iter().filter(move |(_, key)| is_its(key));
        held.map(|(number, _)| *number)
    }

    /// The place that began to wait last, of the key that has and wants the most shares.
    pub(super) fn last_in_line(&self) -> Option<u64> {
        let counts = counts(self.held.values().chain(self.waiting.values()));
        let waiting = self.waiting.iter();
        let last = waiting.max_by_key(|(number, key)| (counts.get(key).copied(), **number));
        last.map(|(number, _)| *number)
    }
}

fn counts<'a>(keys: impl Iterator<Item = &'a KeyId>) -> BTreeMap<KeyId, usize> {
    keys.fold(BTreeMap::new(), |mut counts, key| {
        *counts.entry(*key).or_insert(0) += 1;
        counts
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_p18_a_free_share_goes_to_the_key_that_has_the_fewest() {
        let (greedy, modest) = (KeyId::random().unwrap(), KeyId::random().unwrap());
        let mut shares = Shares::new(3);
        for number in 0..6 {
            shares.ask(number, greedy);
        }
        shares.ask(6, modest);
        assert_eq!(shares.grant(), [0, 6, 1], "as evenly as can be");
        shares.ask(7, modest);
        assert!(shares.grant().is_empty());
        assert_eq!(shares.of_the_greediest().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(shares.last_in_line(), Some(5));
        shares.leave(6);
        assert_eq!(shares.grant(), [7]);
        shares.leave(0);
        shares.leave(2);
        assert_eq!(shares.grant(), [3], "who has gone gets none");
        assert_eq!(
            (shares.has(3), shares.has(2), shares.waiting()),
            (true, false, 2)
        );
    }
}
