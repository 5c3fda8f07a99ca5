//! Limits the memory for buffered bodies.

use std::sync::atomic::{AtomicUsize, Ordering};

use http_body::Body as _;

use super::Body;

/// Memory for bodies, shared by all requests.
#[derive(Debug)]
pub struct Budget {
    free: AtomicUsize,
    /// The larger budget that this one is part of.
    within: Option<&'static Self>,
}

impl Budget {
    /// The budget of the process, or the half of it that requests with limited keys share.
    pub fn of(is_limited: bool) -> &'static Self {
        static PROCESS: Budget = Budget::new(TOTAL_MAX, None);
        static LIMITED: Budget = Budget::new(TOTAL_MAX / 2, Some(&PROCESS));
        if is_limited { &LIMITED } else { &PROCESS }
    }

    const fn new(size: usize, within: Option<&'static Self>) -> Self {
        let free = AtomicUsize::new(size);
        Self { free, within }
    }

    fn take(&self, size: usize) -> bool {
        let rest = |free: usize| free.checked_sub(size);
        let taken = self
            .free
            .try_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        if taken.is_err() {
            return false;
        }
        let is_granted = self.within.is_none_or(|whole| whole.take(size));
        if !is_granted {
            self.free.fetch_add(size, Ordering::Relaxed);
        }
        is_granted
    }

    fn give_back(&self, size: usize) {
        self.free.fetch_add(size, Ordering::Relaxed);
        if let Some(whole) = self.within {
            whole.give_back(size);
        }
    }
}

/// A request's share of a budget. It covers all copies of the request's body, and is returned when
/// dropped.
#[derive(Debug)]
pub struct BudgetShare {
    budget: &'static Budget,
    size: usize,
}

impl BudgetShare {
    /// An empty share of `budget`.
    pub fn of(budget: &'static Budget) -> Self {
        Self { budget, size: 0 }
    }

    /// Takes memory for all of `body`. Returns its length, or `None` if that is unknown or too large.
    pub(crate) fn room_for(&mut self, body: &Body) -> Option<usize> {
        let length = usize::try_from(body.size_hint().exact()?).ok()?;
        (length <= REQUEST_MAX && self.grow(length)).then_some(length)
    }

    /// Grows the share to `size`, if the budget has that much left.
    pub(crate) fn grow(&mut self, size: usize) -> bool {
        let missing = size.saturating_sub(self.size);
        let granted = self.budget.take(missing);
        if granted {
            self.size += missing;
        }
        granted
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        self.budget.give_back(self.size);
    }
}

/// The most that is buffered of one body. Larger ones are uploads; nearly every JSON body is far smaller.
pub(crate) const REQUEST_MAX: usize = 1 << 20;

/// The most that is buffered of all bodies together, so that the daemon stays small with hundreds of
/// concurrent uploads.
const TOTAL_MAX: usize = 64 << 20;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A separate budget.
    pub(crate) fn budget(size: usize) -> &'static Budget {
        Box::leak(Box::new(Budget::new(size, None)))
    }

    /// How much of it is free.
    pub(crate) fn free(budget: &Budget) -> usize {
        budget.free.load(Ordering::Relaxed)
    }

    #[test]
    fn s7_p24_a_part_of_a_budget_is_taken_out_of_the_whole() {
        let whole = budget(100);
        let part: &Budget = Box::leak(Box::new(Budget::new(50, Some(whole))));
        let (mut first, mut second) = (BudgetShare::of(part), BudgetShare::of(part));
        assert!(first.grow(40) && !second.grow(20), "its own limit");
        assert_eq!((free(part), free(whole)), (10, 60));
        let mut others = BudgetShare::of(whole);
        assert!(others.grow(55) && !second.grow(10), "the whole's");
        assert_eq!((free(part), free(whole)), (10, 5));
        assert!(first.grow(30), "it has that");
        drop((first, second, others));
        assert_eq!((free(part), free(whole)), (50, 100));
    }
}
