//! The daily look at whether the token still stands for the person who logged in, and may do what
//! she may: a suspension, a demotion or a revocation is noticed before a script meets it (R4).
//!
//! A healthy session is looked at once a day; one that Zendesk refuses, hourly, as blocked ones are
//! tried. Nothing is asked while there is no usable token, or nobody is logged in. No answer, and
//! any that isn't Zendesk's, mean nothing.

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

/// What is known of the session's health.
#[derive(Debug, Default)]
pub(in crate::session) struct Health {
    /// When to look again; `None` until the note of the last time has been read.
    due: Option<Timestamp>,
    busy: bool,
    /// The last answer was a refusal.
    pub(in crate::session) refused: Option<RefreshRejection>,
    /// The person's role when it was last seen; at the login, it is the person's own.
    pub(in crate::session) role: Option<String>,
    /// When all was well last.
    pub(in crate::session) good_at: Option<Timestamp>,
    /// The token of this generation stood for nobody.
    nobody: Option<Generation>,
}

/// What has to survive a restart, so that restarts don't ask more often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::session) struct Note {
    pub(in crate::session) due: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::session) role: Option<String>,
}

/// What there is to do.
#[derive(Debug)]
pub(in crate::session) enum ProbeAction {
    /// Read the note.
    Recall,
    /// Write it.
    Remember(Note),
    /// Write it, then ask Zendesk with this pair's access token.
    Probe(Arc<SessionTokens>, Note),
    /// Remove it.
    Forget,
}

/// What has come of it.
#[derive(Debug)]
pub(in crate::session) enum ProbeInput {
    Recalled(Option<Note>),
    Probed(Generation, ProbeResult),
}

impl StateMachine {
    /// Whether it is time to look.
    pub(super) fn attend(&mut self, now: Timestamp, spread: f64) -> Vec<Effect> {
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
            .nobody
            .is_some_and(|g| g < live.tokens.pair.generation);
        // A clock that was set back must not put it off for longer than a day.
        let is_due = now >= due || due > latest(now) || is_new;
        let is_quiet = matches!(live.step, Step::Idle) && !self.paused && !health.busy;
        let is_open = !matches!(live.condition, Condition::Blocked(_)) && live.is_usable(now);
        if !(is_due && is_quiet && is_open) {
            return Vec::new();
        }
        health.busy = true;
        let note = health.put_off(schedule::tomorrow(now, spread));
        vec![Effect::Health(ProbeAction::Probe(
            Arc::clone(&live.tokens),
            note,
        ))]
    }

    /// When to look again, as far as time alone decides it.
    pub(super) fn next_look(&self) -> Option<Timestamp> {
        self.health.due.filter(|_| !self.health.busy)
    }

    /// A login has just shown who the person is.
    pub(super) fn healthy_since(&mut self, now: Timestamp, spread: f64) -> Effect {
        self.health = Health {
            good_at: Some(now),
            ..Health::default()
        };
        let note = self.health.put_off(schedule::tomorrow(now, spread));
        Effect::Health(ProbeAction::Remember(note))
    }

    /// Somebody may have mended what was refused.
    pub(super) fn look_again(&mut self, now: Timestamp) {
        if self.health.refused.is_some() {
            self.health.due = Some(now);
        }
    }

    pub(super) fn heard(&mut self, now: Timestamp, spread: f64, news: ProbeInput) -> Vec<Effect> {
        self.health.busy = false;
        let State::Live(live) = &mut self.state else {
            return Vec::new();
        };
        let health = &mut self.health;
        let (generation, found) = match news {
            ProbeInput::Recalled(note) => {
                let first = schedule::tomorrow(live.tokens.logged_in_at, spread);
                // A login may have decided meanwhile.
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
                health.nobody = None;
                health.role.clone_from(&person.role);
                if person.id != live.tokens.person.id {
                    let block = another(&person, &live.tokens.person);
                    return health.refuse(now, block);
                }
                health.refused = None;
                health.good_at = Some(now);
                let note = health.put_off(schedule::tomorrow(now, spread));
                self.learned(now, spread, generation, expires_at, refresh_expires_at);
                vec![Effect::Health(ProbeAction::Remember(note))]
            }
            ProbeResult::Dead => self.dead(now, generation),
            // One refresh is worth trying; a second nobody is a block, and the token is kept back:
            // scripts would take anonymous answers for the truth.
            ProbeResult::Anonymous if health.nobody.replace(generation).is_none() => {
                self.dead(now, generation)
            }
            ProbeResult::Anonymous => {
                live.dead = true;
                live.condition = Condition::Blocked(nobody());
                live.due = schedule::shift(now, schedule::signed(BLOCKED_RETRY));
                live.decided_at = now;
                self.note(now, nobody().why);
                Vec::new()
            }
            ProbeResult::Refused(block) => {
                let why = block.why.clone();
                let effects = health.refuse(now, block);
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
    fn put_off(&mut self, due: Timestamp) -> Note {
        self.due = Some(due);
        Note {
            due,
            role: self.role.clone(),
        }
    }

    fn refuse(&mut self, now: Timestamp, block: RefreshRejection) -> Vec<Effect> {
        self.refused = Some(block);
        let note = self.put_off(schedule::shift(now, schedule::signed(BLOCKED_RETRY)));
        vec![Effect::Health(ProbeAction::Remember(note))]
    }
}

fn latest(now: Timestamp) -> Timestamp {
    schedule::tomorrow(now, 1.0)
}

fn nobody() -> RefreshRejection {
    RefreshRejection {
        why: "Zendesk accepts the token, but it stands for nobody (users/me has no id)".to_owned(),
        fix: "ask a Zendesk admin whether the user still exists".to_owned(),
    }
}

fn another(found: &Person, ours: &Person) -> RefreshRejection {
    RefreshRejection {
        why: format!(
            "Zendesk says that the token is user {}'s, and user {} has logged in",
            found.id, ours.id
        ),
        fix: "ask a Zendesk admin whether the two were merged".to_owned(),
    }
}

/// A network that is away, or a rotation in between, is usually over by then.
const PROBE_RETRY: Duration = Duration::from_secs(3600);
