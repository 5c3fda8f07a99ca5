//! What a live session can do, and when it takes its next step.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Condition, Effect, Live, Step};
use crate::session::model::oauth_error::{self, ErrorBody};
use crate::session::model::schedule;
use crate::session::model::schedule::Urgency;
use crate::session::model::token_pair::SessionTokens;

impl Live {
    /// Whether requests can use the access token at `now`.
    pub(super) fn is_usable(&self, now: Timestamp) -> bool {
        !self.dead && self.tokens.pair.expires_at > now
    }

    /// Whether a refresh may come early: not while blocked, and not in rapid succession.
    pub(super) fn may_hurry(&self, now: Timestamp) -> bool {
        let rested = self
            .attempted_at
            .is_none_or(|at| schedule::between(at, now) >= DEMAND_PAUSE || now < at);
        matches!(self.step, Step::Idle)
            && matches!(self.condition, Condition::Good | Condition::Doubtful)
            && (rested || self.failures == 0)
    }

    /// Whether a refresh may be waiting for uploads in vain: the token has expired by now, due to a
    /// suspend or a clock step.
    pub(super) fn should_hurry(&self, now: Timestamp) -> bool {
        matches!(self.step, Step::Refreshing { .. }) && !self.is_usable(now)
    }

    /// Starts a refresh.
    pub(super) fn refresh(&mut self, now: Timestamp) -> Effect {
        let urgency = if self.is_usable(now) {
            let pair = &self.tokens.pair;
            Urgency::Planned {
                patience: schedule::patience(now, pair.obtained_at, pair.expires_at),
            }
        } else {
            Urgency::Forced
        };
        self.step = Step::Refreshing { again: false };
        self.attempted_at = Some(now);
        Effect::Refresh {
            tokens: Arc::clone(&self.tokens),
            urgency,
        }
    }

    /// Decides when the pair in use is due for a refresh.
    pub(super) fn plan(&mut self, now: Timestamp, spread: f64) {
        let pair = &self.tokens.pair;
        self.due = schedule::due(
            pair.obtained_at,
            pair.expires_at,
            pair.refresh_expires_at,
            spread,
        );
        // If the clock was set back while the answer was in flight, or while loopdesk wasn't
        // running, the plan is as wrong as after a later setback.
        self.decided_at = now.max(pair.obtained_at);
    }

    /// A new pair is in use: forgets what was wrong with the old one.
    pub(super) fn settle(&mut self, now: Timestamp, spread: f64) {
        self.dead = false;
        self.doubt = None;
        self.failures = 0;
        self.plan(now, spread);
    }

    /// Whether the old token `before` still works beside the one in use. Zendesk deletes the old
    /// one only if a refresh token was used.
    pub(super) fn outlives(&self, before: &SessionTokens, now: Timestamp) -> bool {
        let pair = &before.pair;
        !pair.renewal.is_consumed()
            && pair.generation < self.tokens.pair.generation
            && pair.expires_at > now
            && !self.dead
    }

    /// Asks for the expiry times that the token answer left out, if any.
    pub(super) fn learn(&self) -> Option<Effect> {
        let pair = &self.tokens.pair;
        let ends = pair.renewal.is_consumed() && pair.refresh_expires_at.is_none();
        (pair.expiry_is_guessed || ends).then(|| Effect::Learn(Arc::clone(&self.tokens)))
    }

    /// Why the session ended with `invalid_grant`, as far as is known.
    pub(super) fn end_reason(&self, now: Timestamp, error: &ErrorBody) -> String {
        if let Some(doubt) = &self.doubt {
            return format!(
                "the answer to a refresh was lost ({doubt}) after Zendesk had replaced the token \
                 pair, so loopdesk doesn't have the new one"
            );
        }
        match self.tokens.pair.refresh_expires_at {
            Some(at) if at <= now => format!(
                "it wasn't refreshed in time: Zendesk's limit passed at {}",
                at.strftime("%Y-%m-%d %H:%M UTC")
            ),
            Some(_) | None => oauth_error::end_reason(error),
        }
    }
}

/// Requests may trigger a retry early, but not in rapid succession.
pub(super) const DEMAND_PAUSE: Duration = Duration::from_secs(1);
