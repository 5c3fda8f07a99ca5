//! The daily probe: does the token still stand for the person who logged in, with the same rights?
//! It notices a suspension, a demotion or a revocation before a script does (R4).
//!
//! A healthy session is probed once a day, and one that Zendesk refuses every hour, like the
//! retries of blocked ones. Without a usable token, there is no probe. A missing answer, or one
//! that isn't Zendesk's, decides nothing.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use loopdesk_protocol::account::Person;
use serde::{Deserialize, Serialize};

use super::transitions::BLOCKED_RETRY;
use super::{Condition, Effect, State, StateMachine, Step};
use crate::session::model::checks::ProbeResult;
use crate::session::model::rejection::RefreshRejection;
use crate::session::model::schedule;
use crate::session::model::token_pair::{Generation, SessionTokens};

/// What is known about the session's health.
#[derive(Debug, Default)]
pub(in crate::session) struct Health {
    /// When to probe next; `None` until the note of the last probe has been read.
    due: Option<Timestamp>,
    /// A probe, or the reading of the note, is in progress.
    busy: bool,
    /// Why Zendesk refused the last probe, if it did.
    pub(in crate::session) refused: Option<RefreshRejection>,
    /// The person's role at the last probe; `None` before the first one, when the login's role
    /// applies.
    pub(in crate::session) role: Option<String>,
    /// When the session was last healthy.
    pub(in crate::session) good_at: Option<Timestamp>,
    /// The generation whose token turned out not to stand for a user.
    anonymous: Option<Generation>,
}

/// What is stored, so that restarts don't cause more probes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::session) struct Note {
    pub(in crate::session) due: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::session) role: Option<String>,
}

/// What the refresher has to do for the probe.
#[derive(Debug)]
pub(in crate::session) enum ProbeAction {
    /// Read the stored note.
    Recall,
    /// Store this note.
    Remember(Note),
    /// Store the note, then ask Zendesk with this pair's access token.
    Probe(Arc<SessionTokens>, Note),
    /// Remove the stored note.
    Forget,
}

/// The result of a [`ProbeAction`].
#[derive(Debug)]
pub(in crate::session) enum ProbeInput {
    Recalled(Option<Note>),
    Probed(Generation, ProbeResult),
}

impl StateMachine {
    /// Starts a probe if it is due and possible.
    pub(super) fn probe_if_due(&mut self, now: Timestamp, spread: f64) -> Vec<Effect> {
        let State::Live(live) = &self.state else {
            if !matches!(self.state, State::Loading | State::KeyMissing { .. }) {
                self.health = Health::default();
            }
            return Vec::new();
        };
        let health = &mut self.health;
        let Some(due) = health.due else {
            let recall = !std::mem::replace(&mut health.busy, true);
            return recall
                .then_some(Effect::Health(ProbeAction::Recall))
                .into_iter()
                .collect();
        };
        let is_new = health
            .anonymous
            .is_some_and(|g| g < live.tokens.pair.generation);
        // If the clock was set back, the probe must not be delayed by more than a day.
        let is_due = now >= due || due > latest(now) || is_new;
        let is_quiet = matches!(live.step, Step::Idle) && !self.paused && !health.busy;
        let is_open = !matches!(live.condition, Condition::Blocked(_)) && live.is_usable(now);
        if !(is_due && is_quiet && is_open) {
            return Vec::new();
        }
        health.busy = true;
        let note = health.set_due(schedule::tomorrow(now, spread));
        vec![Effect::Health(ProbeAction::Probe(
            Arc::clone(&live.tokens),
            note,
        ))]
    }

    /// When the next probe is due, unless one is in progress.
    pub(super) fn next_probe(&self) -> Option<Timestamp> {
        self.health.due.filter(|_| !self.health.busy)
    }

    /// A login has just shown who the person is, so the next probe is a day away.
    pub(super) fn probed_by_login(&mut self, now: Timestamp, spread: f64) -> Effect {
        self.health = Health {
            good_at: Some(now),
            ..Health::default()
        };
        let note = self.health.set_due(schedule::tomorrow(now, spread));
        Effect::Health(ProbeAction::Remember(note))
    }

    /// The reason for a refusal may be gone: probe now.
    pub(super) fn probe_soon(&mut self, now: Timestamp) {
        if self.health.refused.is_some() {
            self.health.due = Some(now);
        }
    }

    pub(super) fn on_probe(
        &mut self,
        now: Timestamp,
        spread: f64,
        input: ProbeInput,
    ) -> Vec<Effect> {
        self.health.busy = false;
        let State::Live(live) = &mut self.state else {
            return Vec::new();
        };
        let health = &mut self.health;
        let (generation, found) = match input {
            ProbeInput::Recalled(note) => {
                let first = schedule::tomorrow(live.tokens.logged_in_at, spread);
                // A login may have set the time by now.
                health
                    .due
                    .get_or_insert(note.as_ref().map_or(first, |note| note.due));
                health.role = health.role.take().or(note.and_then(|note| note.role));
                return Vec::new();
            }
            ProbeInput::Probed(generation, found) => (generation, found),
        };
        if live.tokens.pair.generation != generation {
            health.due = Some(schedule::shift(now, schedule::signed(PROBE_RETRY)));
            return Vec::new();
        }
        match found {
            ProbeResult::Alive {
                person,
                expires_at,
                refresh_expires_at,
            } => {
                health.anonymous = None;
                health.role.clone_from(&person.role);
                if person.id != live.tokens.person.id {
                    let rejection = other_person(&person, &live.tokens.person);
                    return health.refuse(now, rejection);
                }
                health.refused = None;
                health.good_at = Some(now);
                let note = health.set_due(schedule::tomorrow(now, spread));
                self.learned(now, spread, generation, expires_at, refresh_expires_at);
                vec![Effect::Health(ProbeAction::Remember(note))]
            }
            ProbeResult::Dead => self.dead(now, generation),
            // The first time, a refresh is worth trying. The second time, block and don't use the
            // token: scripts would take anonymous answers for the truth.
            ProbeResult::Anonymous if health.anonymous.replace(generation).is_none() => {
                self.dead(now, generation)
            }
            ProbeResult::Anonymous => {
                live.dead = true;
                live.condition = Condition::Blocked(anonymous_token());
                live.due = schedule::shift(now, schedule::signed(BLOCKED_RETRY));
                live.decided_at = now;
                self.note(now, anonymous_token().why);
                Vec::new()
            }
            ProbeResult::Refused(rejection) => {
                let why = rejection.why.clone();
                let effects = health.refuse(now, rejection);
                self.note(now, why);
                effects
            }
            ProbeResult::Unclear(_) => {
                health.due = Some(schedule::shift(now, schedule::signed(PROBE_RETRY)));
                Vec::new()
            }
        }
    }
}

impl Health {
    fn set_due(&mut self, due: Timestamp) -> Note {
        self.due = Some(due);
        Note {
            due,
            role: self.role.clone(),
        }
    }

    fn refuse(&mut self, now: Timestamp, rejection: RefreshRejection) -> Vec<Effect> {
        self.refused = Some(rejection);
        let note = self.set_due(schedule::shift(now, schedule::signed(BLOCKED_RETRY)));
        vec![Effect::Health(ProbeAction::Remember(note))]
    }
}

fn latest(now: Timestamp) -> Timestamp {
    schedule::tomorrow(now, 1.0)
}

fn anonymous_token() -> RefreshRejection {
    RefreshRejection {
        why: "Zendesk accepts the token, but it doesn't stand for a user (users/me has no id)"
            .to_owned(),
        fix: "ask a Zendesk admin whether the user still exists".to_owned(),
    }
}

fn other_person(found: &Person, ours: &Person) -> RefreshRejection {
    RefreshRejection {
        why: format!(
            "Zendesk says that the token belongs to user {}, but user {} logged in",
            found.id, ours.id
        ),
        fix: "ask a Zendesk admin whether the two were merged".to_owned(),
    }
}

/// By then the network is usually back, and a concurrent rotation over.
const PROBE_RETRY: Duration = Duration::from_secs(3600);
