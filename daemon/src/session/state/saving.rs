//! Saving a new pair, or the end of a session: what success and failure change.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use loopdesk_protocol::Problem;

use super::{Condition, Effect, State, StateMachine, Step};

impl StateMachine {
    pub(super) fn stored(&mut self, now: Timestamp, spread: f64) -> Vec<Effect> {
        match &mut self.state {
            State::Live(live) => {
                let Step::Saving { next, .. } = &live.step else {
                    return Vec::new();
                };
                let before = std::mem::replace(&mut live.tokens, Arc::clone(next));
                let outlives = live.outlives(&before, now);
                live.settle(now, spread);
                live.condition = Condition::Good;
                live.step = Step::Idle;
                let outdated = outlives.then_some(Effect::Revoke(before));
                live.learn().into_iter().chain(outdated).collect()
            }
            State::Ended(ended) => {
                ended.saved = true;
                ended.unsaved = None;
                Vec::new()
            }
            State::Loading | State::SignedOut(_) | State::KeyMissing { .. } => Vec::new(),
        }
    }

    pub(super) fn not_stored(
        &mut self,
        now: Timestamp,
        spread: f64,
        problem: Problem,
    ) -> Vec<Effect> {
        let why = problem.message.clone();
        let effects = match &mut self.state {
            State::Live(live) => {
                let Step::Saving { next, failed } = &mut live.step else {
                    return Vec::new();
                };
                *failed = failed.saturating_add(1);
                let (tokens, failed) = (Arc::clone(next), *failed);
                let after = if failed < SAVE_ATTEMPTS {
                    SAVE_RETRY
                } else {
                    // Zendesk has deleted the old pair, so serve the new one unsaved (R3).
                    live.tokens = Arc::clone(&tokens);
                    live.settle(now, spread);
                    live.condition = Condition::Unsaved(problem);
                    UNSAVED_RETRY
                };
                vec![Effect::Store { tokens, after }]
            }
            State::Ended(ended) if !ended.saved => {
                ended.unsaved = Some(problem);
                vec![Effect::StoreEnd {
                    after: UNSAVED_RETRY,
                }]
            }
            State::Ended(_) | State::Loading | State::SignedOut(_) | State::KeyMissing { .. } => {
                return Vec::new();
            }
        };
        self.note(now, why);
        effects
    }
}

/// R3: within two seconds, a full disk has often been cleaned up, and a busy one is idle.
const SAVE_RETRY: Duration = Duration::from_millis(200);
const SAVE_ATTEMPTS: u32 = 11;
/// Often enough to lose little, and rare enough for a disk that stays full.
const UNSAVED_RETRY: Duration = Duration::from_secs(5);
