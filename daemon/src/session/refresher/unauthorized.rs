//! Decides what a 401 means (R2): one check at Zendesk for all requests that met it, and one refresh if
//! need be.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::jobs::{Done, Purpose};
use super::{BUG, Task, Verdict};
use crate::session::model::checks::TokenCheck;
use crate::session::model::token_pair::{Generation, SessionTokens};
use crate::session::state::{Input, Readiness};

impl Task {
    /// Gives rejected requests their verdicts, as far as these are known, and starts a check for the
    /// rest (R2).
    pub(in crate::session) fn answer_rejected(&mut self) {
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
            Readiness::Ready(tokens) => self.check(tokens, Purpose::On401),
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
            Readiness::Ready(_) => match self.verified {
                Some((verified, at)) if verified == generation && at.elapsed() < VALID_FOR => {
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
        let fallback = Done::Checked {
            generation,
            purpose,
            check: TokenCheck::Unclear(BUG.to_owned()),
        };
        self.start(fallback, async move {
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
                tracing::info!(account = %self.name(), %generation, "Zendesk says that the access token is dead");
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
                tracing::debug!(account = %self.name(), why, "can't tell whether the access token is alive");
            }
        }
        // A check that was started before the 401 proves nothing: the token may have died since.
        if purpose == Purpose::On401 {
            self.verified = Some((generation, Instant::now()));
        }
    }
}

/// A script that gets `invalid_token` for reasons of its own must not cause a check per request.
const VALID_FOR: Duration = Duration::from_secs(2);
