//! A session's state and what changes it. No I/O and no clock: the refresher passes in the time,
//! commands and answers, and carries out the [`Effect`]s.
//!
//! ```text
//!                 no record                            login
//!   loading ────────────────────► signed-out ──────────────────────────┐
//!    │  ▲ │                            ▲                               │
//!    │  │ │ record                     │ logout, from anywhere         │
//!    │  │ └────────────────────────┐   │                               │
//!    ▼  │ key is available         ▼   │                               ▼
//!   key-missing                  ┌─────┴─ live ────────────────────────────┐
//!                                │                                         │
//!                                │          due, wanted, asked, dead       │
//!              ┌────────────────►│ active ─────────────► rotating ──┐      │
//!              │                 │   ▲   ▲        granted │ │ │ │   │      │
//!              │                 │   │   └── stored ── saving │ │  transient│
//!              │                 │   │                 │    │ │ │   │      │
//!              │                 │   │ stored      2 s │    │ │ │   └─► active, tries
//!              │                 │   │ at last         ▼    │ │ │       again later
//!              │                 │   └─────────── unsaved   │ │ │          │
//!              │                 │        (no refresh here) │ │ │          │
//!              │                 │                          │ │ │          │
//!              │                 │               lost twice │ │ │ refused  │
//!              │                 │    doubtful ◄────────────┘ │ └────► blocked
//!              │                 │        └── tries again     │       tries hourly,
//!              │                 │                            │       on a config change
//!              │                 └────────────────────────────┼────────────┘
//!              │ login                          invalid_grant │
//!              └──────────────────── ended ◄──────────────────┘
//! ```
//!
//! An account has one state machine for each of its token pairs, the primary and the read-only one.
//! They share only the generation counter and don't know of each other.
//!
//! While rotating from `doubtful` or `blocked`, the session is still shown as such, since the
//! problem persists. A signed-out session regularly looks for a record: the home folder may be
//! mounted late. An ended session never asks Zendesk for tokens again. If another process has
//! stored a newer session, rotating and saving end in that session's state: active or ended.

pub(in crate::session) mod health;
mod live;
mod saving;
mod transitions;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::{Problem, status};

use self::health::{Health, ProbeAction, ProbeInput};
use super::model::endings::End;
use super::model::outcome::TokenOutcome;
use super::model::rejection::RefreshRejection;
use super::model::schedule::Urgency;
use super::model::token_pair::{Generation, Generations, SessionTokens};

/// The state of one token pair's session.
#[derive(Debug)]
pub(in crate::session) struct StateMachine {
    state: State,
    /// The highest generation of this role's pairs so far. It never decreases.
    generation: Generation,
    /// The account's counter of generations.
    generations: Generations,
    /// A login or logout is in progress, so nothing else may touch the record.
    paused: bool,
    last_error: Option<status::LastError>,
    health: Health,
    record_lookup: RecordLookup,
}

/// When the machine last looked for a record while signed out. The record may appear when the home
/// folder is mounted.
#[derive(Clone, Copy, Debug, Default)]
struct RecordLookup {
    at: Option<Timestamp>,
    is_under_way: bool,
}

/// The states. [`Live`] has sub-states.
#[derive(Debug)]
pub(in crate::session) enum State {
    /// The record, or the key that opens it, hasn't been read yet.
    Loading,
    /// Not logged in; or there is a record that must not be used, and why.
    SignedOut(Option<Problem>),
    /// There is a record, but the key that opens it isn't available.
    KeyMissing {
        problem: Problem,
        loading: bool,
        tried_at: Timestamp,
    },
    /// There is a token pair.
    Live(Box<Live>),
    /// Zendesk ended the session.
    Ended(Box<Ended>),
}

/// A session with a pair that may be refreshed.
#[derive(Debug)]
pub(in crate::session) struct Live {
    /// The pair in use.
    pub(in crate::session) tokens: Arc<SessionTokens>,
    pub(in crate::session) condition: Condition,
    pub(in crate::session) step: Step,
    /// Zendesk confirmed that the access token in use is invalid.
    dead: bool,
    /// An answer was lost that may have replaced the pair, and why.
    doubt: Option<String>,
    /// Why the last attempt wasn't even sent: usually because nothing could be stored.
    pub(in crate::session) unsent: Option<Problem>,
    /// Failed attempts since the last success.
    failures: u32,
    pub(in crate::session) due: Timestamp,
    /// When `due` was decided. If the clock reads less than this, it was set back.
    decided_at: Timestamp,
    attempted_at: Option<Timestamp>,
}

/// The condition of a live session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) enum Condition {
    Good,
    /// Answers to refreshes were lost that may have replaced the pair.
    Doubtful,
    /// Zendesk refuses to refresh, and says why.
    Blocked(RefreshRejection),
    /// The pair in use isn't on disk yet, and why.
    Unsaved(Problem),
}

/// What a live session is doing.
#[derive(Debug)]
pub(in crate::session) enum Step {
    Idle,
    /// A refresh waits at the gate or is in flight. `again`: it is the one retry after a lost
    /// answer.
    Refreshing {
        again: bool,
    },
    /// A new pair has arrived and is being stored.
    Saving {
        next: Arc<SessionTokens>,
        failed: u32,
    },
}

/// A session that Zendesk ended.
#[derive(Debug)]
pub(in crate::session) struct Ended {
    pub(in crate::session) end: End,
    pub(in crate::session) person: Option<Arc<Person>>,
    /// The access token, which outlives the session until it expires or is refused.
    left: Option<Arc<SessionTokens>>,
    saved: bool,
    /// Why the end isn't stored yet.
    pub(in crate::session) unsaved: Option<Problem>,
}

/// What happens to a session.
#[derive(Debug)]
pub(in crate::session) enum Input {
    /// What was found on disk.
    Loaded(LoadResult),
    /// Time has passed.
    Tick,
    /// A request is waiting for a usable token.
    Wanted,
    /// The vault has changed, or is open now.
    Unlocked,
    /// A command asks to look for a record now.
    Look,
    /// A command asks for a refresh.
    Asked,
    /// `tokens/current` has confirmed that this generation's access token is invalid.
    Dead(Generation),
    /// A refresh couldn't even be sent.
    NotSent(Problem),
    /// A refresh has been answered, or its answer was lost.
    Answered(TokenOutcome),
    /// Another process has stored a newer session, so the refresh about to be sent, or the pair
    /// about to be stored, is obsolete.
    Superseded(LoadResult),
    /// The pair or the end is durable.
    Stored,
    /// The pair or the end couldn't be stored.
    NotStored(Problem),
    /// `tokens/current` has supplied what the token answer left out.
    Learned {
        generation: Generation,
        expires_at: Option<Timestamp>,
        refresh_expires_at: Option<Timestamp>,
    },
    /// A login or logout begins. Nothing else touches the record until it is over.
    Pause,
    /// The login or logout is over without effect.
    Resume,
    /// A login has stored a new pair.
    Adopted(SessionTokens),
    /// A logout has removed the record.
    Forgotten,
    /// A step of the daily probe is done.
    Health(ProbeInput),
    /// The configuration has changed; if `rebound`, the pair may belong to something else now.
    Reconfigured { rebound: bool },
}

/// What was found on disk.
#[derive(Debug)]
pub(in crate::session) enum LoadResult {
    Nothing,
    /// A usable record. `doubt`: the journal mentions a refresh whose answer never came, and why.
    Found {
        tokens: SessionTokens,
        doubt: Option<String>,
    },
    /// A session that Zendesk ended.
    Over {
        end: End,
        person: Option<Person>,
        generation: Generation,
    },
    /// A record that must not be used.
    Unusable {
        problem: Problem,
        generation: Option<Generation>,
    },
    /// A record, but no key.
    NoKey(Problem),
}

/// What the refresher has to do.
#[derive(Debug)]
pub(in crate::session) enum Effect {
    /// Read the record.
    Load,
    /// Refresh with this pair.
    Refresh {
        tokens: Arc<SessionTokens>,
        urgency: Urgency,
    },
    /// Send the refresh that waits at the gate now.
    Hurry,
    /// Make this pair durable, after a pause.
    Store {
        tokens: Arc<SessionTokens>,
        after: Duration,
    },
    /// Make the end durable, after a pause.
    StoreEnd { after: Duration },
    /// Revoke this pair's access token, which still works beside the newer one.
    Revoke(Arc<SessionTokens>),
    /// Ask `tokens/current` for what the token answer left out.
    Learn(Arc<SessionTokens>),
    /// Do this for the daily probe.
    Health(ProbeAction),
}

/// Whether requests can be sent.
#[derive(Clone, Debug)]
pub(in crate::session) enum Readiness {
    /// Yes, with this pair's token.
    Ready(Arc<SessionTokens>),
    /// Not yet, but worth waiting for.
    Pending,
    /// No, not until a person or something else acts.
    Unready,
}

impl StateMachine {
    /// A session about which nothing is known yet, and the first effect, [`Effect::Load`].
    /// `generations` numbers its pairs.
    pub(in crate::session) fn new(generations: Generations) -> (Self, Effect) {
        let machine = Self {
            state: State::Loading,
            generation: Generation::default(),
            generations,
            paused: false,
            last_error: None,
            health: Health::default(),
            record_lookup: RecordLookup::default(),
        };
        (machine, Effect::Load)
    }

    /// Applies what happened at `now` and returns what to do. `spread`, in `0.0..1.0`, is the
    /// jitter.
    pub(in crate::session) fn on(
        &mut self,
        now: Timestamp,
        spread: f64,
        input: Input,
    ) -> Vec<Effect> {
        let mut effects = match input {
            Input::Loaded(load) => self.loaded(now, spread, load),
            Input::Tick => self.tick(now),
            Input::Wanted => self.wanted(now),
            Input::Unlocked => self.unlocked(),
            Input::Look => {
                self.record_lookup.at = None;
                self.tick(now)
            }
            Input::Asked => {
                self.probe_soon(now);
                self.asked(now)
            }
            Input::Health(news) => self.on_probe(now, spread, news),
            Input::Dead(generation) => self.dead(now, generation),
            Input::NotSent(problem) => self.not_sent(now, spread, problem),
            Input::Answered(answer) => self.answered(now, spread, answer),
            Input::Superseded(load) => self.superseded(now, spread, load),
            Input::Stored => self.stored(now, spread),
            Input::NotStored(problem) => self.not_stored(now, spread, problem),
            Input::Learned {
                generation,
                expires_at,
                refresh_expires_at,
            } => {
                self.learned(now, spread, generation, expires_at, refresh_expires_at);
                Vec::new()
            }
            Input::Pause => {
                self.paused = true;
                Vec::new()
            }
            Input::Resume => {
                self.paused = false;
                self.tick(now)
            }
            Input::Adopted(mut tokens) => {
                self.paused = false;
                self.last_error = None;
                if tokens.pair.generation <= self.generation {
                    tokens.pair.generation = self.generations.next();
                }
                let mut effects = self.go_live(now, spread, tokens, None);
                effects.push(self.probed_by_login(now, spread));
                effects
            }
            Input::Forgotten => {
                self.paused = false;
                self.last_error = None;
                self.record_lookup.at = Some(now);
                self.state = State::SignedOut(None);
                vec![Effect::Health(ProbeAction::Forget)]
            }
            Input::Reconfigured { rebound } => {
                self.probe_soon(now);
                self.reconfigured(now, rebound)
            }
        };
        effects.extend(self.probe_if_due(now, spread));
        effects
    }

    /// The state.
    pub(in crate::session) fn state(&self) -> &State {
        &self.state
    }

    /// The highest generation so far.
    pub(in crate::session) fn generation(&self) -> Generation {
        self.generation
    }

    /// A number for a pair that is about to be stored.
    pub(in crate::session) fn next_generation(&self) -> Generation {
        self.generations.next()
    }

    /// The lowest number that the next pair can get.
    pub(in crate::session) fn upcoming(&self) -> Generation {
        self.generations.upcoming()
    }

    /// What the daily probe has found.
    pub(in crate::session) fn health(&self) -> &Health {
        &self.health
    }

    /// What went wrong last.
    pub(in crate::session) fn last_error(&self) -> Option<&status::LastError> {
        self.last_error.as_ref()
    }

    /// Whether requests can be sent at `now`.
    pub(in crate::session) fn readiness(&self, now: Timestamp) -> Readiness {
        match &self.state {
            State::Loading | State::KeyMissing { loading: true, .. } => Readiness::Pending,
            State::SignedOut(_) | State::KeyMissing { .. } => Readiness::Unready,
            State::Live(live) if live.is_usable(now) => Readiness::Ready(Arc::clone(&live.tokens)),
            State::Live(live) => match live.step {
                // The login in progress brings another token.
                Step::Idle if self.paused => Readiness::Pending,
                Step::Idle => Readiness::Unready,
                Step::Refreshing { .. } => Readiness::Pending,
                Step::Saving { .. } if matches!(live.condition, Condition::Unsaved(_)) => {
                    Readiness::Unready
                }
                Step::Saving { .. } => Readiness::Pending,
            },
            State::Ended(ended) => match &ended.left {
                Some(tokens) if tokens.pair.expires_at > now => {
                    Readiness::Ready(Arc::clone(tokens))
                }
                Some(_) | None => Readiness::Unready,
            },
        }
    }

    /// The state that users are shown.
    pub(in crate::session) fn shown(&self) -> status::State {
        match &self.state {
            State::Loading | State::KeyMissing { .. } => status::State::KeyMissing,
            State::SignedOut(_) => status::State::SignedOut,
            State::Ended(_) => status::State::Ended,
            State::Live(live) => match (&live.condition, &live.step) {
                (Condition::Doubtful, _) => status::State::Doubtful,
                (Condition::Blocked(_), _) => status::State::Blocked,
                (Condition::Unsaved(_), _) => status::State::Unsaved,
                (Condition::Good, _) if self.health.refused.is_some() => status::State::Blocked,
                (Condition::Good, Step::Idle) => status::State::Active,
                (Condition::Good, Step::Refreshing { .. } | Step::Saving { .. }) => {
                    status::State::Rotating
                }
            },
        }
    }

    /// Whether a refresh, or one of the first attempts to store its pair, is in progress.
    pub(in crate::session) fn is_rotating(&self) -> bool {
        match &self.state {
            State::Live(live) => match live.step {
                Step::Idle => false,
                Step::Refreshing { .. } => true,
                Step::Saving { .. } => !matches!(live.condition, Condition::Unsaved(_)),
            },
            State::Loading | State::SignedOut(_) | State::KeyMissing { .. } | State::Ended(_) => {
                false
            }
        }
    }

    /// The pair in use, or the one that the ended session left.
    pub(in crate::session) fn tokens(&self) -> Option<&Arc<SessionTokens>> {
        match &self.state {
            State::Live(live) => Some(&live.tokens),
            State::Ended(ended) => ended.left.as_ref(),
            State::Loading | State::SignedOut(_) | State::KeyMissing { .. } => None,
        }
    }

    /// When the state next changes by time alone.
    pub(in crate::session) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.state {
            State::Live(live) => {
                let may = matches!(live.step, Step::Idle) && !self.paused;
                let due = may.then_some(live.due);
                let expiry = live.tokens.pair.expires_at;
                let probe = self.next_probe().filter(|_| may && live.is_usable(now));
                due.into_iter()
                    .chain(probe)
                    .chain((expiry > now).then_some(expiry))
                    .min()
            }
            State::Ended(ended) => {
                let expiry = ended.left.as_ref().map(|tokens| tokens.pair.expires_at);
                expiry.filter(|at| *at > now)
            }
            State::Loading | State::SignedOut(_) | State::KeyMissing { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
