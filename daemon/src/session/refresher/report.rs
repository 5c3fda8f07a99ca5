//! Reports the result of a refresh, to those who asked for it and to the log.

use loopdesk_protocol::session::Refreshed;
use loopdesk_protocol::{Kind, Problem};

use super::Task;
use super::refresh::Unsent;
use crate::session::model::outcome::TokenOutcome;

impl Task {
    /// Answers those who asked for a refresh, once none is in progress.
    pub(super) fn answer_refresh_requests(&mut self) {
        if self.machine.is_rotating() || self.refresh_requests.is_empty() {
            return;
        }
        for (before, reply) in std::mem::take(&mut self.refresh_requests) {
            let refreshed = match self.machine.tokens() {
                Some(tokens) if tokens.pair.generation > before => Ok(Refreshed {
                    account: self.name(),
                    generation: tokens.pair.generation.get(),
                    access_expires_at: tokens.pair.expires_at,
                }),
                Some(_) | None => Err(self.not_refreshed()),
            };
            drop(reply.send(refreshed));
        }
    }

    fn not_refreshed(&self) -> Problem {
        let pair = self.parts.publisher.pair(self.parts.role);
        if let Some(problem) = &pair.view.problem {
            return problem.clone();
        }
        let name = self.name();
        let why = self.machine.last_error().map(|error| error.message.clone());
        let why = why.unwrap_or_else(|| "it is still being loaded".to_owned());
        Problem::new(
            Kind::Zendesk,
            format!("account `{name}` could not be refreshed: {why}"),
        )
        .hint("the session goes on, and loopdesk tries again by itself")
    }

    pub(super) fn log_refresh(&self, answer: &Result<TokenOutcome, Unsent>) {
        let account = &self.parts.context.account.name;
        match answer {
            Ok(TokenOutcome::Granted(_)) => tracing::info!(%account, "refreshed"),
            Ok(TokenOutcome::InvalidGrant(_)) => {
                tracing::error!(%account, "Zendesk has ended the session (invalid_grant)");
            }
            Ok(TokenOutcome::Refused(block)) => {
                tracing::error!(%account, why = block.why, "Zendesk refuses to refresh");
            }
            Ok(TokenOutcome::Transient { why, .. }) => {
                tracing::warn!(%account, why, "refresh failed; trying again later");
            }
            Ok(TokenOutcome::Lost(why)) => {
                tracing::warn!(%account, why, "the answer to a refresh was lost")
            }
            Err(Unsent::Because(problem)) => {
                tracing::error!(%account, %problem, "can't send a refresh");
            }
            Err(Unsent::Superseded(_)) => {
                tracing::info!(%account, "using the stored session instead of refreshing")
            }
        }
    }
}
