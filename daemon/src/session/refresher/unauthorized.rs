//! What becomes of a 401 (R2): one question for all who met it, and one refresh if need be.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::jobs::{Done, Purpose};
use super::{BUG, Task, Verdict};
use crate::session::model::checks::TokenCheck;
use crate::session::model::token_pair::{Generation, SessionTokens};
use crate::session::state::{Input, Readiness};

impl Task {
    /// Answers those whose requests were rejected, as far as is known by now (R2).
    pub(in crate::session) fn judge(&mut self) {
        for (generation, reply) in std::mem::take(&mut self.rejected) {
            match self.verdict(generation) {
                Some(verdict) => drop(reply.send(verdict)),
                None => self.rejected.push((generation, reply)),
            }
        }
        if self.rejected.is_empty() || self.checking || self.parts.gate.is_closed() {
            return;
        }
        match self.machine.readiness(self.parts.clock.now()) {
            Readiness::Ready(tokens) => self.check(tokens, Purpose::Judge),
            Readiness::Pending | Readiness::Unready => {}
        }
    }

    fn verdict(&mut self, generation: Generation) -> Option<Verdict> {
        let Some(tokens) = self.machine.tokens() else {
            return Some(Verdict::Unusable);
        };
        let current = tokens.pair.generation;
        if current > generation {
            return Some(Verdict::Replay);
        }
        if self.parts.gate.is_closed() {
            return None;
        }
        match self.machine.readiness(self.parts.clock.now()) {
            Readiness::Pending => None,
            Readiness::Unready => Some(Verdict::Unusable),
            Readiness::Ready(_) => match self.valid {
                Some((valid, at)) if valid == generation && at.elapsed() < VALID_FOR => {
                    Some(Verdict::PassOn)
                }
                Some(_) | None => None,
            },
        }
    }

    pub(in crate::session) fn check(&mut self, tokens: Arc<SessionTokens>, purpose: Purpose) {
        self.checking = true;
        let context = Arc::clone(&self.parts.context);
        let generation = tokens.pair.generation;
        let lost = Done::Checked {
            generation,
            purpose,
            check: TokenCheck::Unclear(BUG.to_owned()),
        };
        self.start(lost, async move {
            Done::Checked {
                generation,
                purpose,
                check: context.zendesk.check(&tokens.pair.access).await,
            }
        });
    }

    pub(in crate::session) fn checked(
        &mut self,
        generation: Generation,
        purpose: Purpose,
        check: TokenCheck,
    ) {
        self.checking = false;
        match check {
            TokenCheck::Dead => {
                tracing::info!(account = %self.name(), %generation, "the access token is dead");
                return self.input(Input::Dead(generation));
            }
            TokenCheck::Alive {
                expires_at,
                refresh_expires_at,
            } => self.input(Input::Learned {
                generation,
                expires_at,
                refresh_expires_at,
            }),
            TokenCheck::Unclear(why) => {
                tracing::debug!(account = %self.name(), why, "can't tell whether the token lives");
            }
        }
        // What was learned before a 401 says nothing about it: the token may have died since.
        if purpose == Purpose::Judge {
            self.valid = Some((generation, Instant::now()));
        }
    }
}

/// One script that is told `invalid_token` for its own reasons must not double its traffic.
const VALID_FOR: Duration = Duration::from_secs(2);
