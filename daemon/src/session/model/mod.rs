//! Plain types and sums: no I/O, and nothing else of the session.

pub(super) mod blocking;
pub(super) mod per_role;
pub(super) mod person;
pub(super) mod schedule;
pub(super) mod token_pair;
