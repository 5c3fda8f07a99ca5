//! How each input changes the state.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use loopdesk_protocol::{Problem, status};

use super::live::DEMAND_PAUSE;
use super::{Condition, Effect, Ended, Live, LoadResult, State, StateMachine, Step};
use crate::session::model::endings::End;
use crate::session::model::outcome::TokenOutcome;
use crate::session::model::schedule;
use crate::session::model::schedule::Urgency;
use crate::session::model::token_pair::{Generation, SessionTokens};

impl StateMachine {
    pub(super) fn loaded(&mut self, now: Timestamp, spread: f64, load: LoadResult) -> Vec<Effect> {
        let looked = std::mem::take(&mut self.record_lookup).is_under_way;
        self.record_lookup.at = Some(now);
        match self.state {
            State::Loading | State::KeyMissing { .. } => {}
            State::SignedOut(_) if looked => {}
            State::SignedOut(_) | State::Live(_) | State::Ended(_) => return Vec::new(),
        }
        match load {
            LoadResult::Nothing => self.state = State::SignedOut(None),
            LoadResult::Found { tokens, doubt } => {
                return self.go_live(now, spread, tokens, doubt);
            }
            LoadResult::Over {
                end,
                person,
                generation,
            } => {
                self.reach(generation);
                self.state = State::Ended(Box::new(Ended {
                    end,
                    person: person.map(Arc::new),
                    left: None,
                    saved: true,
                    unsaved: None,
                }));
            }
            LoadResult::Unusable {
                problem,
                generation,
            } => {
                self.reach(generation.unwrap_or_default());
                self.state = State::SignedOut(Some(problem));
            }
            LoadResult::NoKey(problem) => {
                self.state = State::KeyMissing {
                    problem,
                    loading: false,
                    tried_at: now,
                };
            }
        }
        Vec::new()
    }

    pub(super) fn go_live(
        &mut self,
        now: Timestamp,
        spread: f64,
        mut tokens: SessionTokens,
        doubt: Option<String>,
    ) -> Vec<Effect> {
        tokens.pair.generation = tokens.pair.generation.max(self.generation);
        self.reach(tokens.pair.generation);
        let condition = match &doubt {
            Some(why) => {
                self.note(now, why.clone());
                Condition::Doubtful
            }
            None => Condition::Good,
        };
        let mut live = Live {
            tokens: Arc::new(tokens),
            condition,
            step: Step::Idle,
            dead: false,
            doubt,
            unsent: None,
            failures: 0,
            due: now,
            decided_at: now,
            attempted_at: None,
        };
        if live.doubt.is_none() {
            live.plan(now, spread);
        }
        let learn = live.learn();
        self.state = State::Live(Box::new(live));
        let mut effects = self.tick(now);
        effects.extend(learn);
        effects
    }

    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.paused {
            return Vec::new();
        }
        match &mut self.state {
            State::Live(live) => {
                if schedule::shift(now, schedule::signed(SET_BACK)) < live.decided_at {
                    live.due = match live.condition {
                        Condition::Blocked(_) => {
                            schedule::shift(now, schedule::signed(BLOCKED_RETRY))
                        }
                        Condition::Good | Condition::Doubtful | Condition::Unsaved(_) => now,
                    };
                    live.decided_at = now;
                }
                if live.should_hurry(now) {
                    return vec![Effect::Hurry];
                }
                let is_due = now >= live.due || (live.dead && live.failures == 0);
                let is_blocked = matches!(live.condition, Condition::Blocked(_)) && now < live.due;
                if is_due && !is_blocked && matches!(live.step, Step::Idle) {
                    return vec![live.refresh(now)];
                }
            }
            State::KeyMissing {
                loading, tried_at, ..
            } => {
                let again = schedule::between(*tried_at, now) >= KEY_RETRY || now < *tried_at;
                if again && !*loading {
                    *loading = true;
                    return vec![Effect::Load];
                }
            }
            State::SignedOut(_) => {
                let lookup = &mut self.record_lookup;
                let again = lookup
                    .at
                    .is_none_or(|at| schedule::between(at, now) >= KEY_RETRY || now < at);
                if again && !lookup.is_under_way {
                    lookup.is_under_way = true;
                    return vec![Effect::Load];
                }
            }
            State::Loading | State::Ended(_) => {}
        }
        Vec::new()
    }

    pub(super) fn wanted(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.paused {
            return Vec::new();
        }
        match &mut self.state {
            State::Live(live) if live.may_hurry(now) && !live.is_usable(now) => {
                vec![live.refresh(now)]
            }
            State::Live(live) if live.should_hurry(now) => vec![Effect::Hurry],
            State::KeyMissing {
                loading, tried_at, ..
            } if !*loading && schedule::between(*tried_at, now) >= DEMAND_PAUSE => {
                *loading = true;
                vec![Effect::Load]
            }
            State::Live(_)
            | State::KeyMissing { .. }
            | State::Loading
            | State::SignedOut(_)
            | State::Ended(_) => Vec::new(),
        }
    }

    pub(super) fn unlocked(&mut self) -> Vec<Effect> {
        match &mut self.state {
            State::KeyMissing { loading, .. } if !*loading && !self.paused => {
                *loading = true;
                vec![Effect::Load]
            }
            State::KeyMissing { .. }
            | State::Live(_)
            | State::Loading
            | State::SignedOut(_)
            | State::Ended(_) => Vec::new(),
        }
    }

    pub(super) fn asked(&mut self, now: Timestamp) -> Vec<Effect> {
        match &mut self.state {
            State::Live(live) if matches!(live.step, Step::Idle) && !self.paused => {
                vec![live.refresh(now)]
            }
            State::Live(_)
            | State::Loading
            | State::SignedOut(_)
            | State::KeyMissing { .. }
            | State::Ended(_) => Vec::new(),
        }
    }

    pub(super) fn dead(&mut self, now: Timestamp, generation: Generation) -> Vec<Effect> {
        match &mut self.state {
            State::Live(live) if live.tokens.pair.generation == generation => {
                live.dead = true;
                match live.step {
                    Step::Idle if self.paused => Vec::new(),
                    Step::Idle if live.may_hurry(now) => vec![live.refresh(now)],
                    Step::Idle | Step::Saving { .. } => Vec::new(),
                    Step::Refreshing { .. } => vec![Effect::Hurry],
                }
            }
            State::Ended(ended) => {
                ended
                    .left
                    .take_if(|tokens| tokens.pair.generation == generation);
                Vec::new()
            }
            State::Live(_) | State::Loading | State::SignedOut(_) | State::KeyMissing { .. } => {
                Vec::new()
            }
        }
    }

    pub(super) fn answered(
        &mut self,
        now: Timestamp,
        spread: f64,
        answer: TokenOutcome,
    ) -> Vec<Effect> {
        let State::Live(live) = &mut self.state else {
            return Vec::new();
        };
        let Step::Refreshing { again } = live.step else {
            return Vec::new();
        };
        live.unsent = None;
        match answer {
            TokenOutcome::Granted(grant) => {
                let next = self.generations.next();
                let tokens = Arc::new(SessionTokens {
                    pair: grant.renew(next, &live.tokens.pair),
                    person: Arc::clone(&live.tokens.person),
                    logged_in_at: live.tokens.logged_in_at,
                });
                self.generation = next;
                live.step = Step::Saving {
                    next: Arc::clone(&tokens),
                    failed: 0,
                };
                vec![Effect::Store {
                    tokens,
                    after: Duration::ZERO,
                }]
            }
            TokenOutcome::InvalidGrant(error) => {
                let (why, answer_lost) = (live.end_reason(now, &error), live.doubt.is_some());
                self.note(now, why.clone());
                self.end(End {
                    at: now,
                    why,
                    answer_lost,
                })
            }
            TokenOutcome::Refused(rejection) => {
                live.failures = live.failures.saturating_add(1);
                live.step = Step::Idle;
                live.due = schedule::shift(now, schedule::signed(BLOCKED_RETRY));
                live.decided_at = now;
                let why = rejection.why.clone();
                live.condition = Condition::Blocked(rejection);
                self.note(now, why);
                Vec::new()
            }
            TokenOutcome::Lost(why) if !again => {
                live.doubt = Some(why.clone());
                live.step = Step::Refreshing { again: true };
                let tokens = Arc::clone(&live.tokens);
                self.note(now, why);
                vec![Effect::Refresh {
                    tokens,
                    urgency: Urgency::Forced,
                }]
            }
            TokenOutcome::Lost(why) => {
                live.condition = Condition::Doubtful;
                self.failed(now, spread, why, true)
            }
            TokenOutcome::Transient {
                why,
                may_have_acted,
            } => self.failed(now, spread, why, may_have_acted),
        }
    }

    pub(super) fn not_sent(
        &mut self,
        now: Timestamp,
        spread: f64,
        problem: Problem,
    ) -> Vec<Effect> {
        let effects = self.failed(now, spread, problem.message.clone(), false);
        if let State::Live(live) = &mut self.state {
            live.unsent = Some(problem);
        }
        effects
    }

    /// A refresh failed inconclusively.
    pub(super) fn failed(
        &mut self,
        now: Timestamp,
        spread: f64,
        why: String,
        doubtful: bool,
    ) -> Vec<Effect> {
        let State::Live(live) = &mut self.state else {
            return Vec::new();
        };
        if !matches!(live.step, Step::Refreshing { .. }) {
            return Vec::new();
        }
        live.failures = live.failures.saturating_add(1);
        live.step = Step::Idle;
        let pause = match live.condition {
            Condition::Blocked(_) => BLOCKED_RETRY,
            Condition::Good | Condition::Doubtful | Condition::Unsaved(_) => {
                schedule::back_off(live.failures, spread)
            }
        };
        live.due = schedule::shift(now, schedule::signed(pause));
        live.decided_at = now;
        if doubtful {
            live.doubt = Some(why.clone());
        }
        self.note(now, why);
        Vec::new()
    }

    pub(super) fn superseded(
        &mut self,
        now: Timestamp,
        spread: f64,
        load: LoadResult,
    ) -> Vec<Effect> {
        let State::Live(live) = &self.state else {
            return Vec::new();
        };
        let unused = match &live.step {
            Step::Idle => return Vec::new(),
            Step::Refreshing { .. } => None,
            Step::Saving { next, .. } => Some(Effect::Revoke(Arc::clone(next))),
        };
        self.state = State::Loading;
        let load = match load {
            // Requests recognize a newer token by its number.
            LoadResult::Found { mut tokens, doubt }
                if tokens.pair.generation <= self.generation =>
            {
                tokens.pair.generation = self.generation.next();
                LoadResult::Found { tokens, doubt }
            }
            load @ (LoadResult::Found { .. }
            | LoadResult::Over { .. }
            | LoadResult::Nothing
            | LoadResult::Unusable { .. }
            | LoadResult::NoKey(_)) => load,
        };
        let mut effects = self.loaded(now, spread, load);
        effects.extend(unused);
        effects
    }

    fn end(&mut self, end: End) -> Vec<Effect> {
        let before = std::mem::replace(&mut self.state, State::Loading);
        let State::Live(live) = before else {
            self.state = before;
            return Vec::new();
        };
        let person = Some(Arc::clone(&live.tokens.person));
        self.state = State::Ended(Box::new(Ended {
            end,
            person,
            left: (!live.dead).then_some(live.tokens),
            saved: false,
            unsaved: None,
        }));
        vec![Effect::StoreEnd {
            after: Duration::ZERO,
        }]
    }

    pub(super) fn learned(
        &mut self,
        now: Timestamp,
        spread: f64,
        generation: Generation,
        expires_at: Option<Timestamp>,
        refresh_expires_at: Option<Timestamp>,
    ) {
        let State::Live(live) = &mut self.state else {
            return;
        };
        if live.tokens.pair.generation != generation {
            return;
        }
        let mut tokens = SessionTokens::clone(&live.tokens);
        tokens.pair.refresh_expires_at = tokens.pair.refresh_expires_at.or(refresh_expires_at);
        if let (true, Some(at)) = (tokens.pair.expiry_is_guessed, expires_at) {
            tokens.pair.expires_at = at;
            tokens.pair.expiry_is_guessed = false;
        }
        live.tokens = Arc::new(tokens);
        if live.failures == 0 && matches!(live.condition, Condition::Good) {
            live.plan(now, spread);
        }
    }

    pub(super) fn reconfigured(&mut self, now: Timestamp, rebound: bool) -> Vec<Effect> {
        if rebound {
            self.state = State::Loading;
            return vec![Effect::Load];
        }
        if let State::Live(live) = &mut self.state
            && matches!(live.condition, Condition::Blocked(_))
            && matches!(live.step, Step::Idle)
        {
            live.due = now;
            live.decided_at = now;
        }
        self.tick(now)
    }

    fn reach(&mut self, generation: Generation) {
        self.generation = self.generation.max(generation);
        self.generations.reach(self.generation);
    }

    pub(super) fn note(&mut self, at: Timestamp, message: String) {
        self.last_error = Some(status::LastError { at, message });
    }
}

/// R4: a person has to act; until then there is no point in asking Zendesk more often.
pub(super) const BLOCKED_RETRY: Duration = Duration::from_secs(3600);
/// How soon an unlocked keyring or a new record is noticed.
const KEY_RETRY: Duration = Duration::from_secs(30);
/// NTP's slews and small steps don't matter; a clock that is set back by more makes plans wrong.
const SET_BACK: Duration = Duration::from_secs(60);
