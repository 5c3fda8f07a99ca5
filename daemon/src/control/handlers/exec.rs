//! `POST /v1/exec` and `POST /v1/exec/ticket`.

use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::exec::{Plan, PlanRequest, Ticket, TicketRequest};
use loopdesk_protocol::key::KeyState;
use loopdesk_protocol::status::State;
use loopdesk_protocol::{Kind, Problem};
use tokio::sync::mpsc;

use super::super::Control;
use super::super::lines::JsonLines;
use super::keys;
use crate::config::{Access, Account, Config};
use crate::keys::Key;
use crate::session::Session;

/// What a run may use, or why it may not begin.
pub(in crate::control) async fn plan(
    control: Arc<Control>,
    asked: PlanRequest,
) -> Result<Plan, Problem> {
    let config = Arc::clone(&control.loaded.borrow().config);
    is_on(&config)?;
    let key = match asked.key.as_deref() {
        Some(name) => Some(keys::named(&control, name).await?),
        None => None,
    };
    let of_key = key.as_ref().map(|key| key.account.as_str());
    let (account, session) = super::pick(&control, asked.account.as_deref().or(of_key))?;
    session.loaded(LOAD_PATIENCE).await;
    is_logged_in(&account, &session)?;
    match &key {
        Some(key) => may_lend(&control, &config, key, &account)?,
        None if account.access == Access::Key => return Err(needs_key(&account)),
        None => {}
    }
    let ports = config.listen.iter().map(|address| address.get().port());
    let ports = ports.chain(config.accounts.values().filter_map(|account| account.port));
    Ok(Plan {
        account: account.name.to_string(),
        origins: account.origins().map(ToString::to_string).collect(),
        key: key.map(|key| key.id.to_string()),
        ports: ports.collect(),
    })
}

/// Lends a key's rights to the helper that asks, for as long as it stays connected.
pub(in crate::control) async fn ticket(
    control: Arc<Control>,
    asked: TicketRequest,
) -> Result<JsonLines<Ticket>, Problem> {
    let config = Arc::clone(&control.loaded.borrow().config);
    is_on(&config)?;
    let key = keys::with_id(&control, &asked.key).await?;
    let issued = control.keys.issue_ticket(key.id).map_err(|error| {
        let message = format!("the system provides no random bytes: {error}");
        Problem::new(Kind::Internal, message)
    })?;
    let (sender, lines) = mpsc::channel(1);
    let ticket = Ticket {
        ticket: issued.text.clone(),
    };
    let stopping = control.stopping.clone();
    control.tracker.spawn(async move {
        if sender.send(ticket).await.is_err() {
            return;
        }
        tokio::select! {
            () = sender.closed() => drop(issued),
            // The answer ends, so that the helper asks the next daemon. Requests that are on their way
            // to this one are still served.
            () = stopping.cancelled() => issued.keep(),
        }
    });
    Ok(JsonLines(lines))
}

fn is_on(config: &Config) -> Result<(), Problem> {
    match config.exec {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::Config,
            "`loopdesk exec` is switched off: the configuration has `exec = false`",
        )
        .hint("run `loopdesk config show`: it names the file that says so")),
    }
}

fn is_logged_in(account: &Account, session: &Session) -> Result<(), Problem> {
    let view = session.view();
    let is_out = matches!(view.state, State::SignedOut | State::Ended);
    match view.problem.filter(|_| is_out) {
        Some(problem) if problem.kind == Kind::Login => Err(problem),
        None if is_out => {
            let name = &account.name;
            let message = format!("not logged in to account `{name}`");
            Err(Problem::new(Kind::Login, message).hint(format!("run `loopdesk login {name}`")))
        }
        Some(_) | None => Ok(()),
    }
}

fn may_lend(
    control: &Control,
    config: &Config,
    key: &Key,
    account: &Account,
) -> Result<(), Problem> {
    let (name, of) = (&key.name, &key.account);
    if *of != account.name {
        let message = format!(
            "key `{name}` belongs to account `{of}`, not to `{}`",
            account.name
        );
        return Err(Problem::new(Kind::Usage, message).hint(format!(
            "leave `--account` out, or create a key with `loopdesk key create NAME --account {} \
             --scope SCOPE`",
            account.name
        )));
    }
    match keys::state(control, config, key) {
        KeyState::Active | KeyState::Limited => Ok(()),
        KeyState::Suspended
        | KeyState::Expired
        | KeyState::NoAccount
        | KeyState::Revoked
        | KeyState::Unreadable => {
            let message = format!("key `{name}` can't be used now");
            Err(Problem::new(Kind::Usage, message)
                .hint(format!("run `loopdesk key show {name}`: it says why")))
        }
    }
}

fn needs_key(account: &Account) -> Problem {
    let name = &account.name;
    let message = format!("account `{name}` serves programs only with a local key");
    Problem::new(Kind::Usage, message)
        .hint("run `loopdesk exec --key NAME -- COMMAND`: the command works with that key's rights")
        .hint(format!(
            "`loopdesk key list` shows the keys, and `loopdesk key create NAME --account {name} \
             --scope SCOPE` makes one"
        ))
}

/// A daemon that has just started opens its records within milliseconds.
const LOAD_PATIENCE: Duration = Duration::from_secs(5);
