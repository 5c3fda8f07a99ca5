//! `GET /v1/wait`.

use std::sync::Arc;

use loopdesk_protocol::status::{AccountStatus, State};
use loopdesk_protocol::wait::{WaitRequest, too_long};
use loopdesk_protocol::{Kind, Problem};
use tokio::time::Instant;

use super::super::Control;

/// Answers once the account can serve requests.
pub(in crate::control) async fn wait(
    control: Arc<Control>,
    asked: WaitRequest,
) -> Result<AccountStatus, Problem> {
    let since = Instant::now();
    let (account, session) = super::pick(&control, asked.account.as_deref())?;
    let mut changes = session.changes();
    let serving = async {
        loop {
            changes.mark_unchanged();
            let view = session.view();
            // While the record is being opened, requests wait for the outcome.
            if view.serves && view.state != State::KeyMissing {
                return Ok(view);
            }
            if let (State::SignedOut | State::Ended, Some(problem)) = (view.state, view.problem)
                && problem.kind == Kind::Login
            {
                return Err(problem);
            }
            if changes.changed().await.is_err() {
                return Err(Problem::new(Kind::Daemon, "the daemon is shutting down"));
            }
        }
    };
    let name = &account.name;
    let view = tokio::time::timeout(asked.timeout, serving)
        .await
        .unwrap_or_else(|_| {
            let (why, hints) = match session.view().problem {
                Some(problem) => (problem.message, problem.hints),
                None => (format!("account `{name}` is not ready"), Vec::new()),
            };
            let mut problem = too_long(asked.waited + since.elapsed(), &why);
            problem.hints = hints;
            Err(problem.hint(format!("run `loopdesk status {name}`")))
        })?;
    let config = Arc::clone(&control.loaded.borrow().config);
    Ok(super::status::account(&config, &account, view))
}
