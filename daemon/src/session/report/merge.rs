//! Merges the states of an account's pairs into one session, and describes each pair to people.

use std::sync::Arc;

use loopdesk_protocol::status::{PairStatus, Role, State};
use loopdesk_protocol::{Kind, Problem};

use super::snapshot::{PairState, Ready, Snapshot};
use super::token_policy::TokenChoice;
use crate::rewrite::leak_filter::TokenPatterns;
use crate::session::model::per_role::role_index;

/// The state of each of an account's pairs.
#[derive(Clone, Debug)]
pub(in crate::session) struct PairStates([Arc<PairState>; 2]);

impl PairStates {
    pub(in crate::session) fn new(make: impl FnMut(Role) -> PairState) -> Self {
        Self(Role::ALL.map(make).map(Arc::new))
    }

    pub(in crate::session) fn get(&self, role: Role) -> &PairState {
        &self.0[role_index(role)]
    }

    /// A copy in which `pair` replaces the one of its role.
    pub(in crate::session) fn with(&self, pair: PairState) -> Self {
        let mut pairs = self.clone();
        let role = pair.role;
        pairs.0[role_index(role)] = Arc::new(pair);
        pairs
    }

    /// A shared reference to the pair of this role.
    pub(in crate::session) fn share(&self, role: Role) -> Arc<PairState> {
        Arc::clone(&self.0[role_index(role)])
    }
}

impl Snapshot {
    /// The session that has these pairs.
    pub(in crate::session) fn merge(pairs: PairStates) -> Self {
        let mut view = pairs.get(Role::Primary).view.clone();
        view.pairs = shown_pairs(&pairs);
        Self {
            view,
            secrets: secrets(&pairs),
            pairs,
        }
    }

    /// Whether requests that carry this token can be sent.
    pub(in crate::session) fn ready(&self, choice: TokenChoice) -> &Ready {
        &self.pairs.get(self.role_for(choice)).readiness
    }

    /// The role of the pair whose token such requests carry.
    pub(in crate::session) fn role_for(&self, choice: TokenChoice) -> Role {
        let read_only = self.pairs.get(Role::ReadOnly);
        // If no user is logged in, the primary pair says that better.
        let is_missing = read_only.is_wanted && !self.pairs.get(Role::Primary).is_absent;
        match choice {
            TokenChoice::ReadOnly if is_missing || !read_only.is_absent => Role::ReadOnly,
            TokenChoice::All | TokenChoice::ReadOnly => Role::Primary,
        }
    }
}

/// The tokens of all pairs: whichever pair serves a request, its answer must not repeat the other's
/// tokens either.
fn secrets(pairs: &PairStates) -> TokenPatterns {
    let all = Role::ALL.map(|role| &pairs.get(role).secrets);
    all.into_iter()
        .fold(TokenPatterns::default(), |all, more| all.and(more))
}

fn shown_pairs(pairs: &PairStates) -> Vec<PairStatus> {
    let is_present = |role: &Role| {
        let view = &pairs.get(*role).view;
        let exists = view.person.is_some() || view.problem.is_some();
        match role {
            Role::Primary => view.person.is_some(),
            Role::ReadOnly => exists && view.state != State::SignedOut,
        }
    };
    let is_any_present = Role::ALL.iter().any(is_present);
    let is_shown = |role: &Role| {
        is_present(role) || (is_any_present && *role != Role::Primary && pairs.get(*role).is_wanted)
    };
    let roles = Role::ALL.into_iter().filter(is_shown);
    roles.map(|role| shown_pair(pairs, role)).collect()
}

fn shown_pair(pairs: &PairStates, role: Role) -> PairStatus {
    let view = &pairs.get(role).view;
    let (note, problem) = match role {
        // The account shows this pair's problem as its own.
        Role::Primary => (None, None),
        Role::ReadOnly => read_only_remarks(pairs),
    };
    PairStatus {
        role,
        state: view.state,
        in_use: role == Role::Primary,
        generation: view.generation,
        scopes: view.scopes.clone(),
        refreshed_at: view.refreshed_at,
        access_expires_at: view.access_expires_at,
        next_refresh_at: view.next_refresh_at,
        refresh_expires_at: view.refresh_expires_at,
        note,
        problem,
    }
}

/// What `status` says about the read-only pair: a note, or a problem.
fn read_only_remarks(pairs: &PairStates) -> (Option<String>, Option<Problem>) {
    let PairState {
        view, is_wanted, ..
    } = pairs.get(Role::ReadOnly);
    let name = &view.name;
    if !is_wanted {
        let note = "the configuration no longer asks for it: it is being revoked";
        return (Some(note.to_owned()), None);
    }
    let primary = &pairs.get(Role::Primary).view;
    let problem = match view.state {
        // One key opens both pairs, so report it once.
        State::KeyMissing if primary.state == State::KeyMissing => None,
        State::SignedOut if primary.person.is_none() => None,
        State::SignedOut if view.problem.as_ref().is_none_or(|p| p.kind == Kind::Login) => {
            let message = format!("account `{name}` has no read-only pair");
            let problem = Problem::new(Kind::Login, message);
            Some(problem.hint(format!("run `loopdesk login {name}` to get it")))
        }
        State::Active
        | State::Rotating
        | State::Doubtful
        | State::Unsaved
        | State::Unreachable
        | State::Blocked
        | State::Ended
        | State::SignedOut
        | State::KeyMissing => view.problem.clone(),
    };
    // What is wrong with the user is wrong with both pairs, so report it once.
    let is_reported = problem.is_some() && problem == primary.problem;
    (None, problem.filter(|_| !is_reported))
}
