//! What is wrong at the moment, as reported by the part that notices it; `status` shows it.
//!
//! To add a condition: write its row in `loopdesk_protocol::conditions`, take a [`ConditionSlot`]
//! when your part is built, [`raise`](ConditionSlot::raise) what the row's function returns while
//! the condition lasts, and [`clear`](ConditionSlot::clear) the slot when it is over. Only the
//! owner of the slot can do either, so each condition has one owner. Anything that a session's
//! state or another part of the status already shows needs no slot.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use loopdesk_protocol::{Condition, Problem};

use crate::clock::Clock;
use crate::config::AccountName;

/// The conditions of the daemon and of all accounts. Clones share them.
#[derive(Clone, Debug)]
pub struct Conditions(Arc<SharedConditions>);

#[derive(Debug)]
struct SharedConditions {
    clock: Clock,
    held: Mutex<HeldConditions>,
}

#[derive(Debug, Default)]
struct HeldConditions {
    next: u64,
    raised: BTreeMap<u64, Condition>,
}

impl Conditions {
    /// No conditions yet. `clock` says when each one began.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(SharedConditions {
            clock,
            held: Mutex::default(),
        }))
    }

    /// A slot for one condition of the daemon at a time.
    pub fn slot(&self) -> ConditionSlot {
        self.slot_for(None)
    }

    /// A slot for one condition of this account at a time.
    pub fn slot_of(&self, account: &AccountName) -> ConditionSlot {
        self.slot_for(Some(account))
    }

    fn slot_for(&self, account: Option<&AccountName>) -> ConditionSlot {
        let mut held = self.0.held();
        held.next += 1;
        ConditionSlot {
            shared: Arc::clone(&self.0),
            id: held.next,
            account: account.map(ToString::to_string),
            is_raised: AtomicBool::new(false),
        }
    }

    /// Everything that is wrong now: first the daemon's conditions, then the accounts' by name.
    pub fn all(&self) -> Vec<Condition> {
        let mut all: Vec<_> = self.0.held().raised.values().cloned().collect();
        all.sort_by(|one, other| one.account.cmp(&other.account));
        all
    }
}

impl SharedConditions {
    fn held(&self) -> std::sync::MutexGuard<'_, HeldConditions> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds one condition at a time, or none. Dropping it clears it.
#[derive(Debug)]
pub struct ConditionSlot {
    shared: Arc<SharedConditions>,
    id: u64,
    account: Option<String>,
    is_raised: AtomicBool,
}

impl ConditionSlot {
    /// Puts `problem` in the slot. If it already holds one with the same code, that keeps its age.
    pub fn raise(&self, problem: Problem) {
        let mut condition = Condition::new(problem);
        condition.account.clone_from(&self.account);
        let now = self.shared.clock.now();
        let mut held = self.shared.held();
        let before = held.raised.get(&self.id);
        let same = before.filter(|before| before.code() == condition.code());
        condition.since = same.map_or(Some(now), |same| same.since);
        if same.is_none() {
            let (code, account) = (condition.code(), condition.account.as_deref());
            tracing::warn!(code, account, "{}", condition.problem);
        }
        held.raised.insert(self.id, condition);
        self.is_raised.store(true, Ordering::Release);
    }

    /// Empties the slot. Nearly free if it is empty, so it can be called after each success.
    pub fn clear(&self) {
        if !self.is_raised.load(Ordering::Acquire) {
            return;
        }
        let mut held = self.shared.held();
        self.is_raised.store(false, Ordering::Release);
        if let Some(over) = held.raised.remove(&self.id) {
            let (code, account) = (over.code(), over.account.as_deref());
            tracing::info!(code, account, "this is over");
        }
    }

    /// Whether it holds a condition.
    pub fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::Acquire)
    }
}

impl Drop for ConditionSlot {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use loopdesk_protocol::conditions;

    use super::*;

    #[test]
    fn o3_a_condition_lasts_until_its_owner_clears_it_and_keeps_its_age() {
        let (clock, mover) = Clock::movable();
        let conditions = Conditions::new(clock);
        let acme: AccountName = "acme".parse().unwrap();
        let (ours, other) = (conditions.slot_of(&acme), conditions.slot());
        ours.raise(conditions::connection_refused("https://a", "refused"));
        other.raise(conditions::no_authorities("none"));
        let first = conditions.all();
        let codes: Vec<_> = first.iter().map(Condition::code).collect();
        assert_eq!(codes, ["no-authorities", "connection-refused"]);
        assert_eq!(first[1].account.as_deref(), Some("acme"));

        mover.jump(SignedDuration::from_mins(5));
        ours.raise(conditions::connection_refused("https://a", "again"));
        let same = &conditions.all()[1];
        assert_eq!(same.since, first[1].since);
        assert!(same.problem.message.contains("again"), "{same:?}");
        ours.raise(conditions::name_unknown("https://a", "no such name"));
        assert!(
            conditions.all()[1].since > first[1].since,
            "another one is newer"
        );

        ours.clear();
        assert!(!ours.is_raised());
        drop(other);
        assert!(conditions.all().is_empty());
    }
}
