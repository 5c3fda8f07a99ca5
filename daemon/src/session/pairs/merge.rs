//! Several pairs into one session: which one serves, and what people are told of each.

use jiff::Timestamp;
use loopdesk_protocol::status::{Pair, Role, State};
use loopdesk_protocol::{Kind, Problem};

use super::{Parts, Rights};
use crate::rewrite::leak_filter::TokenPatterns;
use crate::session::snapshot::{Part, Ready, Snapshot, View};
use crate::session::state::Cover;

impl Snapshot {
    /// The session of these pairs. `lone_since`: Zendesk has ended one pair when it granted another.
    pub(super) fn merge(parts: Parts, lone_since: Option<Timestamp>) -> Self {
        let server = serving(&parts);
        let serving = parts.get(server);
        let mut view = serving.view.clone();
        if server == Role::Spare {
            let primary = parts.get(Role::Primary);
            view.last_error = primary.view.last_error.clone().or(view.last_error);
            if primary.cover == Cover::Lost && view.problem.is_none() {
                view.problem = Some(stands_in(&primary.view));
            }
        }
        view.pairs = pairs(&parts, server, lone_since);
        Self {
            view,
            readiness: serving.readiness.clone(),
            secrets: secrets(&parts),
            parts,
            lone_since,
        }
    }

    /// Whether requests with these rights can be sent. `late`: the primary pair has been waiting for
    /// an answer for so long that it counts as lost.
    pub(in crate::session) fn ready(&self, rights: Rights, late: bool) -> &Ready {
        let readiness = |role| &self.parts.get(role).readiness;
        match self.candidates(rights) {
            [role] => readiness(*role),
            [.., role] if late && matches!(readiness(*role), Ready::Yes(_)) => readiness(*role),
            _ => &self.readiness,
        }
    }

    /// The pairs whose tokens requests with these rights can carry.
    pub(in crate::session) fn candidates(&self, rights: Rights) -> &'static [Role] {
        let read_only = self.parts.get(Role::ReadOnly);
        // Where nobody is logged in, that is what there is to say.
        let is_missed = read_only.is_wanted && !self.parts.get(Role::Primary).is_absent;
        match rights {
            Rights::ReadOnly if is_missed || !read_only.is_absent => &[Role::ReadOnly],
            Rights::All | Rights::ReadOnly => &[Role::Primary, Role::Spare],
        }
    }
}

/// Whatever pair serves a request: none of the others' tokens may come back by it either.
fn secrets(parts: &Parts) -> TokenPatterns {
    let all = Role::ALL.map(|role| &parts.get(role).secrets);
    all.into_iter()
        .fold(TokenPatterns::default(), |known, more| known.and(more))
}

/// The pair that serves requests (R5): the primary one, unless an answer to it is lost.
fn serving(parts: &Parts) -> Role {
    let primary = parts.get(Role::Primary);
    let spare = parts.get(Role::Spare);
    let stands_in = match (primary.cover, &spare.readiness) {
        (Cover::Never, _) => false,
        (Cover::Doubt | Cover::Lost, Ready::Yes(_)) => true,
        // What the primary still has may be dead, or not: better than waiting.
        (Cover::Doubt, Ready::Soon) => !matches!(primary.readiness, Ready::Yes(_)),
        (Cover::Doubt, Ready::No(_)) => false,
        // Whatever stops it stops the account, as long as it is there.
        (Cover::Lost, Ready::Soon | Ready::No(_)) => is_alive(spare),
    };
    if stands_in {
        Role::Spare
    } else {
        Role::Primary
    }
}

/// Whether there is a pair that Zendesk may still honour.
fn is_alive(part: &Part) -> bool {
    match part.view.state {
        State::Active
        | State::Rotating
        | State::Doubtful
        | State::Unsaved
        | State::Unreachable
        | State::Blocked
        | State::KeyMissing => true,
        State::SignedOut | State::Ended => false,
    }
}

fn stands_in(primary: &View) -> Problem {
    let why = primary.problem.as_ref().map_or("", |p| p.message.as_str());
    let name = &primary.name;
    Problem::new(
        Kind::Login,
        format!("account `{name}` is served by its spare pair, and has no other any more: {why}"),
    )
    .hint(format!(
        "run `loopdesk login {name}` at leisure, for a new first pair; scripts work meanwhile"
    ))
}

fn pairs(parts: &Parts, server: Role, lone_since: Option<Timestamp>) -> Vec<Pair> {
    let is_there = |role: &Role| {
        let part = parts.get(*role);
        let exists = part.view.person.is_some() || part.view.problem.is_some();
        match role {
            Role::Primary => part.view.person.is_some(),
            Role::Spare | Role::ReadOnly => exists && part.view.state != State::SignedOut,
        }
    };
    let somebody = Role::ALL.iter().any(is_there);
    let shown = |role: &Role| {
        is_there(role) || (somebody && *role != Role::Primary && parts.get(*role).is_wanted)
    };
    let roles = Role::ALL.into_iter().filter(shown);
    roles
        .map(|role| pair(parts, role, role == server, lone_since))
        .collect()
}

fn pair(parts: &Parts, role: Role, in_use: bool, lone_since: Option<Timestamp>) -> Pair {
    let part = parts.get(role);
    let view = &part.view;
    let (note, problem) = match role {
        // The account's own problem.
        _ if in_use => (None, None),
        Role::Primary if part.cover == Cover::Doubt => {
            let note = "the answer to its refresh was lost: the spare pair serves until Zendesk \
                        tells whether this one lives";
            (Some(note.to_owned()), None)
        }
        Role::Primary => (view.last_error.as_ref().map(|e| e.message.clone()), None),
        Role::Spare | Role::ReadOnly => further(parts, part, lone_since),
    };
    Pair {
        role,
        state: view.state,
        in_use,
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

/// What is to be said of a pair beside the primary one.
fn further(
    parts: &Parts,
    part: &Part,
    lone_since: Option<Timestamp>,
) -> (Option<String>, Option<Problem>) {
    let view = &part.view;
    let (name, role) = (&view.name, part.role.name());
    if !part.is_wanted {
        let note = "the configuration doesn't ask for it any more: it is being revoked";
        return (Some(note.to_owned()), None);
    }
    if let Some(at) = lone_since {
        let day = at.strftime("%Y-%m-%d");
        let key = key(part.role);
        let note = format!(
            "off since {day}: Zendesk ended one pair when it granted another, so there can be one \
             only. To try again: `loopdesk account set {name} {key} false`, then `true`, then \
             `loopdesk login {name}`"
        );
        return (Some(note), None);
    }
    let primary = &parts.get(Role::Primary).view;
    let problem = match view.state {
        // One key opens both; it is said once.
        State::KeyMissing if primary.state == State::KeyMissing => None,
        State::SignedOut if primary.person.is_none() => None,
        State::SignedOut if view.problem.as_ref().is_none_or(|p| p.kind == Kind::Login) => {
            let message = format!("account `{name}` has no {role} pair");
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
    // What concerns the person concerns all pairs, and is said once.
    let is_said = problem.is_some() && problem == primary.problem;
    (None, problem.filter(|_| !is_said))
}

/// The key of the configuration that asks for it.
pub(in crate::session) fn key(role: Role) -> &'static str {
    match role {
        Role::Primary => "client-id",
        Role::Spare => "spare",
        Role::ReadOnly => "read-only-grant",
    }
}
