//! An account's pairs into one session, and what people are told of each.

use std::sync::Arc;

use loopdesk_protocol::status::{Pair, Role, State};
use loopdesk_protocol::{Kind, Problem};

use super::snapshot::{PairState, Ready, Snapshot};
use super::token_policy::TokenChoice;
use crate::rewrite::leak_filter::TokenPatterns;
use crate::session::model::per_role::role_index;

/// One value for each role.
#[derive(Clone, Debug)]
pub(in crate::session) struct PairStates([Arc<PairState>; 2]);

impl PairStates {
    pub(in crate::session) fn new(make: impl FnMut(Role) -> PairState) -> Self {
        Self(Role::ALL.map(make).map(Arc::new))
    }

    pub(in crate::session) fn get(&self, role: Role) -> &PairState {
        &self.0[role_index(role)]
    }

    /// The same with this one in its role.
    pub(in crate::session) fn with(&self, part: PairState) -> Self {
        let mut parts = self.clone();
        let role = part.role;
        parts.0[role_index(role)] = Arc::new(part);
        parts
    }

    /// The one of this role, to keep.
    pub(in crate::session) fn share(&self, role: Role) -> Arc<PairState> {
        Arc::clone(&self.0[role_index(role)])
    }
}

impl Snapshot {
    /// The session of these pairs.
    pub(in crate::session) fn merge(parts: PairStates) -> Self {
        let mut view = parts.get(Role::Primary).view.clone();
        view.pairs = pairs(&parts);
        Self {
            view,
            secrets: secrets(&parts),
            parts,
        }
    }

    /// Whether requests with these rights can be sent.
    pub(in crate::session) fn ready(&self, rights: TokenChoice) -> &Ready {
        &self.parts.get(self.role_for(rights)).readiness
    }

    /// The pair whose token requests with these rights carry.
    pub(in crate::session) fn role_for(&self, rights: TokenChoice) -> Role {
        let read_only = self.parts.get(Role::ReadOnly);
        // Where nobody is logged in, that is what there is to say.
        let is_missed = read_only.is_wanted && !self.parts.get(Role::Primary).is_absent;
        match rights {
            TokenChoice::ReadOnly if is_missed || !read_only.is_absent => Role::ReadOnly,
            TokenChoice::All | TokenChoice::ReadOnly => Role::Primary,
        }
    }
}

/// Whatever pair serves a request: the other's tokens may not come back by it either.
fn secrets(parts: &PairStates) -> TokenPatterns {
    let all = Role::ALL.map(|role| &parts.get(role).secrets);
    all.into_iter()
        .fold(TokenPatterns::default(), |known, more| known.and(more))
}

fn pairs(parts: &PairStates) -> Vec<Pair> {
    let is_there = |role: &Role| {
        let part = parts.get(*role);
        let exists = part.view.person.is_some() || part.view.problem.is_some();
        match role {
            Role::Primary => part.view.person.is_some(),
            Role::ReadOnly => exists && part.view.state != State::SignedOut,
        }
    };
    let somebody = Role::ALL.iter().any(is_there);
    let shown = |role: &Role| {
        is_there(role) || (somebody && *role != Role::Primary && parts.get(*role).is_wanted)
    };
    let roles = Role::ALL.into_iter().filter(shown);
    roles.map(|role| pair(parts, role)).collect()
}

fn pair(parts: &PairStates, role: Role) -> Pair {
    let view = &parts.get(role).view;
    let (note, problem) = match role {
        // Its problem is the account's.
        Role::Primary => (None, None),
        Role::ReadOnly => read_only(parts),
    };
    Pair {
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

/// What is to be said of the read-only pair.
fn read_only(parts: &PairStates) -> (Option<String>, Option<Problem>) {
    let PairState {
        view, is_wanted, ..
    } = parts.get(Role::ReadOnly);
    let name = &view.name;
    if !is_wanted {
        let note = "the configuration doesn't ask for it any more: it is being revoked";
        return (Some(note.to_owned()), None);
    }
    let primary = &parts.get(Role::Primary).view;
    let problem = match view.state {
        // One key opens both; it is said once.
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
    // What concerns the person concerns both pairs, and is said once.
    let is_said = problem.is_some() && problem == primary.problem;
    (None, problem.filter(|_| !is_said))
}
