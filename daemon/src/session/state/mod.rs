//! What a session's state is and what changes it. No I/O and no clock: the refresher brings time,
//! commands and answers, and carries out the [`Effect`]s.
//!
//! ```text
//!                 no record                            login
//!   loading ────────────────────► signed-out ──────────────────────────┐
//!    │  ▲ │                            ▲                               │
//!    │  │ │ record                     │ logout, from anywhere         │
//!    │  │ └────────────────────────┐   │                               │
//!    ▼  │ the key can be had       ▼   │                               ▼
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
//!              │                 │     lost, and lost again │ │ │ refused  │
//!              │                 │    doubtful ◄────────────┘ │ └────► blocked
//!              │                 │        └── tries again     │       tries hourly,
//!              │                 │                            │       on a config change
//!              │                 └────────────────────────────┼────────────┘
//!              │ login                          invalid_grant │
//!              └──────────────────── ended ◄──────────────────┘
//! ```
//!
//! An account has one machine for each of its pairs: its own and the read-only one. They share nothing
//! but the count of generations, and neither knows of the other.
//!
//! While rotating from `doubtful` or `blocked`, that is still what is shown: the trouble isn't over.
//! A signed-out session looks for a record now and then, as it does when it is loading: the home may
//! come late. An ended session never asks Zendesk for tokens again. Where another process has stored a newer
//! session meanwhile, rotating and saving end in what that one is: active, or ended.

pub(in crate::session) mod health;
mod live;
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

/// One account's session.
#[derive(Debug)]
pub(in crate::session) struct StateMachine {
    state: State,
    /// The highest generation that this role's pairs have had: it never goes back.
    generation: Generation,
    /// The account's count.
    generations: Generations,
    /// A login or logout is under way and nothing else may touch the record.
    paused: bool,
    last_error: Option<status::LastError>,
    health: Health,
    look: Look,
}

/// When it was last looked for a record while nobody is logged in: it may come with a home that is
/// mounted late.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    at: Option<Timestamp>,
    is_under_way: bool,
}

/// The states. [`Live`] has shades of its own.
#[derive(Debug)]
pub(in crate::session) enum State {
    /// The record, or the key that opens it, has not arrived yet.
    Loading,
    /// Nobody is logged in; or there is a record that must not be used, and why.
    SignedOut(Option<Problem>),
    /// There is a record, and the key that opens it can't be had.
    KeyMissing {
        problem: Problem,
        loading: bool,
        tried_at: Timestamp,
    },
    /// There is a pair.
    Live(Box<Live>),
    /// Zendesk has ended the session.
    Ended(Box<Ended>),
}

/// A session with a pair that may be refreshed.
#[derive(Debug)]
pub(in crate::session) struct Live {
    /// The pair in use.
    pub(in crate::session) tokens: Arc<SessionTokens>,
    pub(in crate::session) condition: Condition,
    pub(in crate::session) step: Step,
    /// Zendesk has said that the access token in use is dead.
    dead: bool,
    /// An answer is missing that may have replaced the pair.
    doubt: Option<String>,
    /// Why the last attempt was not even sent: mostly that nothing could be stored.
    pub(in crate::session) unsent: Option<Problem>,
    /// Failed attempts since the last success.
    failures: u32,
    pub(in crate::session) due: Timestamp,
    /// When `due` was decided: if the clock reads less than this, it has been set back.
    decided_at: Timestamp,
    attempted_at: Option<Timestamp>,
}

/// How a live session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) enum Condition {
    Good,
    /// The answer to a refresh was lost twice.
    Doubtful,
    /// Zendesk refuses to refresh, and says why.
    Blocked(RefreshRejection),
    /// The pair in use is not on disk yet, and why.
    Unsaved(Problem),
}

/// What is under way.
#[derive(Debug)]
pub(in crate::session) enum Step {
    Idle,
    /// A refresh: waiting at the gate, or on its way. `again`: the one retry of a lost answer.
    Refreshing {
        again: bool,
    },
    /// A new pair has come and is being stored.
    Saving {
        next: Arc<SessionTokens>,
        failed: u32,
    },
}

/// A session that Zendesk has ended.
#[derive(Debug)]
pub(in crate::session) struct Ended {
    pub(in crate::session) end: End,
    pub(in crate::session) person: Option<Arc<Person>>,
    /// The access token outlives the session until it expires or is refused.
    left: Option<Arc<SessionTokens>>,
    saved: bool,
    /// Why it isn't.
    pub(in crate::session) unsaved: Option<Problem>,
}

/// What happens to a session.
#[derive(Debug)]
pub(in crate::session) enum Input {
    /// What was found on disk.
    Loaded(LoadResult),
    /// Time has passed.
    Tick,
    /// A request waits for a usable token.
    Wanted,
    /// The vault has changed, or can be opened now.
    Unlocked,
    /// Somebody asks whether there is a record by now.
    Look,
    /// Somebody asks for a refresh.
    Asked,
    /// `tokens/current` has confirmed that this generation's access token is dead.
    Dead(Generation),
    /// A refresh could not even be sent.
    NotSent(Problem),
    /// A refresh has ended.
    Answered(TokenOutcome),
    /// Another process has stored a newer session: the refresh that was to be sent, or the pair
    /// that was to be stored, is of no use.
    Superseded(LoadResult),
    /// What was to be stored is durable.
    Stored,
    /// What was to be stored could not be.
    NotStored(Problem),
    /// `tokens/current` has told what the token answer left out.
    Learned {
        generation: Generation,
        expires_at: Option<Timestamp>,
        refresh_expires_at: Option<Timestamp>,
    },
    /// A login or logout begins: nothing else touches the record until it is over.
    Pause,
    /// It is over without effect.
    Resume,
    /// A login has stored a new pair.
    Adopted(SessionTokens),
    /// A logout has removed the record.
    Forgotten,
    /// What the daily probe has brought.
    Health(ProbeInput),
    /// The configuration has changed; `rebound`: so that the pair may belong elsewhere.
    Reconfigured { rebound: bool },
}

/// What was found on disk.
#[derive(Debug)]
pub(in crate::session) enum LoadResult {
    Nothing,
    /// A record that can be used. `doubt`: the journal knows of an answer that never came.
    Found {
        tokens: SessionTokens,
        doubt: Option<String>,
    },
    /// A session that Zendesk has ended.
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
    /// A record, and no key.
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
    /// Let the refresh that waits at the gate wait no longer.
    Hurry,
    /// Make this durable, after a pause.
    Store {
        tokens: Arc<SessionTokens>,
        after: Duration,
    },
    /// Make the end durable, after a pause.
    StoreEnd { after: Duration },
    /// Delete this pair's access token, which the newer one has left alive.
    Revoke(Arc<SessionTokens>),
    /// Ask `tokens/current` for what the token answer left out.
    Learn(Arc<SessionTokens>),
    /// The daily probe's.
    Health(ProbeAction),
}

/// Whether requests can be sent.
#[derive(Clone, Debug)]
pub(in crate::session) enum Readiness {
    /// With this pair's token.
    Ready(Arc<SessionTokens>),
    /// Not yet: this is being waited for.
    Pending,
    /// Not until somebody or something else acts.
    Unready,
}

impl StateMachine {
    /// A session about which nothing is known yet, whose pairs are numbered by `generations`.
    /// [`Effect::Load`] comes first.
    pub(in crate::session) fn new(generations: Generations) -> (Self, Effect) {
        let machine = Self {
            state: State::Loading,
            generation: Generation::default(),
            generations,
            paused: false,
            last_error: None,
            health: Health::default(),
            look: Look::default(),
        };
        (machine, Effect::Load)
    }

    /// Takes in what has happened at `now` and says what to do. `spread` in `0.0..1.0` is jitter.
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
                self.look.at = None;
                self.tick(now)
            }
            Input::Asked => {
                self.look_again(now);
                self.asked(now)
            }
            Input::Health(news) => self.heard(now, spread, news),
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
                effects.push(self.healthy_since(now, spread));
                effects
            }
            Input::Forgotten => {
                self.paused = false;
                self.last_error = None;
                self.look.at = Some(now);
                self.state = State::SignedOut(None);
                vec![Effect::Health(ProbeAction::Forget)]
            }
            Input::Reconfigured { rebound } => {
                self.look_again(now);
                self.reconfigured(now, rebound)
            }
        };
        effects.extend(self.attend(now, spread));
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

    /// The least number that the next pair can get.
    pub(in crate::session) fn upcoming(&self) -> Generation {
        self.generations.upcoming()
    }

    /// What the daily probe knows.
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
                // The login that is under way brings another.
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

    /// The state as people are shown it.
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

    /// Whether a refresh, or the first attempts to store one, are under way.
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

    /// The pair in use, or the one that the ended session has left.
    pub(in crate::session) fn tokens(&self) -> Option<&Arc<SessionTokens>> {
        match &self.state {
            State::Live(live) => Some(&live.tokens),
            State::Ended(ended) => ended.left.as_ref(),
            State::Loading | State::SignedOut(_) | State::KeyMissing { .. } => None,
        }
    }

    /// The next moment at which time alone changes something.
    pub(in crate::session) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.state {
            State::Live(live) => {
                let may = matches!(live.step, Step::Idle) && !self.paused;
                let due = may.then_some(live.due);
                let expiry = live.tokens.pair.expires_at;
                let look = self.next_look().filter(|_| may && live.is_usable(now));
                due.into_iter()
                    .chain(look)
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
