//! Plain types and calculations. No I/O, and no dependency on the rest of the session.

pub(super) mod binding;
pub(super) mod blocking;
pub(super) mod checks;
pub(super) mod endings;
pub(in crate::session) mod oauth_error;
pub(super) mod outcome;
pub(super) mod per_role;
pub(super) mod person;
pub(super) mod rejection;
pub(super) mod schedule;
pub(super) mod token_pair;
