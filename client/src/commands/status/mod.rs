//! `loopdesk status`: every state that a person can be in, and the way out of it.

mod egress;
mod fixes;
mod pairs;
mod proof;

use anstyle::Style;
use loopdesk_protocol::account::CLIENT_CREDENTIALS;
use loopdesk_protocol::conditions::Severity;
use loopdesk_protocol::status::{self, Account, Answers, Listener, State, Status, VaultState};
use loopdesk_protocol::{Condition, Kind};

use super::key;
use crate::args::session::OneAccount;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::{Output, problem_text, warning_text};
use crate::ui::text::{BAD, DIM, GOOD, Text, WARN};
use crate::ui::time::Clock;

pub(crate) async fn run(
    args: &OneAccount,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = context.link.required().await?;
    let mut status: Status = client.get(status::PATH).await?;
    if let Some(name) = &args.account {
        only(&mut status, name)?;
    }
    proof::complete(&client, &mut status).await;
    fixes::complete(&mut status);
    output.result(&status, || text(&status, &context.clock))?;
    if status.problems().next().is_some() {
        return Err(CliError::Reported(Kind::Trouble));
    }
    Ok(())
}

/// Leaves out what concerns other accounts.
fn only(status: &mut Status, name: &str) -> Result<(), CliError> {
    let known = status.accounts.iter().map(|account| account.name.as_str());
    if !known.clone().any(|known| known == name) {
        return Err(super::unknown_account(name, known).into());
    }
    status.accounts.retain(|account| account.name == name);
    let concerns = |l: &Listener| l.account.as_deref().is_none_or(|account| account == name);
    status.listeners.retain(concerns);
    let concerns = |c: &Condition| c.account.as_deref().is_none_or(|account| account == name);
    status.conditions.retain(concerns);
    Ok(())
}

/// The vault's state in words.
pub(super) fn vault_state(state: VaultState) -> (Style, &'static str) {
    match state {
        VaultState::Available => (GOOD, "available"),
        VaultState::Untested => (DIM, "not used yet"),
        VaultState::Locked => (BAD, "locked"),
        VaultState::Absent => (BAD, "not there"),
        VaultState::Slow => (WARN, "slow to answer"),
        VaultState::NoEntry => (WARN, "without a key"),
        VaultState::NeedsPassphrase => (WARN, "waiting for its passphrase"),
        VaultState::Failed => (BAD, "failing"),
    }
}

/// The state in words; what a script may expect in colour.
pub(crate) fn state(state: State) -> (Style, &'static str) {
    match state {
        State::SignedOut => (DIM, "signed out"),
        State::Active => (GOOD, "active"),
        State::Rotating => (GOOD, "active, being refreshed"),
        State::Doubtful => (WARN, "in doubt: the answer to a refresh was lost"),
        State::Unsaved => (WARN, "active, but not saved"),
        State::Unreachable => (BAD, "logged in, but Zendesk can't be reached"),
        State::Blocked => (BAD, "blocked"),
        State::Ended => (BAD, "ended"),
        State::KeyMissing => (BAD, "locked: its key can't be had"),
    }
}

fn text(status: &Status, clock: &Clock) -> Text {
    let mut text = daemon(status, clock);
    if status.accounts.is_empty() {
        text = text.end().then(&problem_text(&super::no_account()));
    }
    for one in &status.accounts {
        text = text.end().then(&account(one, clock));
    }
    for one in &status.conditions {
        text = text.end().then(&condition(one, clock));
    }
    text
}

/// What is wrong, and since when where that is known.
fn condition(condition: &Condition, clock: &Clock) -> Text {
    let mut problem = condition.problem.clone();
    if let Some(since) = condition.since {
        let since = clock.relative(since);
        problem.message.push_str(&format!(" (noticed {since})"));
    }
    match condition.severity {
        Severity::Warning => warning_text(&problem),
        Severity::Error => problem_text(&problem),
    }
}

fn daemon(status: &Status, clock: &Clock) -> Text {
    let daemon = &status.daemon;
    let keeper = if daemon.supervised {
        "kept running by the system"
    } else {
        "runs until this login session or machine ends"
    };
    let served: Vec<_> = status.listeners.iter().map(listener).collect();
    let text = Text::new()
        .strong("loopdesk")
        .plain(format!(" {}, {keeper}", daemon.version))
        .end()
        .row(
            "process",
            format!(
                "{}, started {}",
                daemon.pid,
                clock.relative(daemon.started_at)
            ),
        )
        .row("configuration", configuration(&status.config))
        .row("data key in", vault(&status.vault))
        .row("listens at", served.join("\n"));
    match egress::lines(&status.egress, clock) {
        Some(lines) => text.row("proxy", lines),
        None => text,
    }
}

fn configuration(config: &status::Config) -> String {
    let mut text = config.path.clone();
    if let Some(below) = &config.system_path {
        text.push_str(&format!(", over {below}"));
    }
    if config.problem.is_some() {
        text.push_str(" (as it was before, see below)");
    }
    text
}

fn vault(vault: &status::Vault) -> String {
    let (_, words) = vault_state(vault.state);
    let see = if vault.problem.is_some() {
        ", see below"
    } else {
        ""
    };
    format!("{} ({words}{see})", vault.kind)
}

fn listener(listener: &Listener) -> String {
    let mut text = listener.address.clone();
    if let Some(account) = &listener.account {
        text.push_str(&format!(" for {account}"));
    }
    let see = if listener.problem.is_some() {
        ", see below"
    } else {
        ""
    };
    match listener.answers {
        Some(Answers::ThisDaemon) => text.push_str(&format!(" (answers for this daemon{see})")),
        Some(Answers::Another) => text.push_str(&format!(" (somebody else answers{see})")),
        Some(Answers::Nobody) => text.push_str(&format!(" (nobody answers{see})")),
        None if listener.problem.is_some() => text.push_str(" (not now, see below)"),
        None => {}
    }
    text
}

/// One account and its session.
pub(crate) fn account(account: &Account, clock: &Clock) -> Text {
    let (style, words) = state(account.state);
    let mut text = Text::new().strong(&account.name);
    if account.default {
        text = text.plain(" (default)");
    }
    text = text
        .plain(": ")
        .styled(style, words)
        .end()
        .row("Zendesk", &account.origin);
    if let Some(person) = &account.person {
        text = text.row("user", super::person(person));
    }
    if account.grant == CLIENT_CREDENTIALS {
        text = text.row(
            "login",
            "by the OAuth client's own secret, nobody in a browser",
        );
    }
    if !account.scopes.is_empty() {
        text = text.row("scopes", account.scopes.join(" "));
    }
    if let Some(then) = account.access_expires_at {
        let verb = if then > clock.now() {
            "expires"
        } else {
            "expired"
        };
        text = text.row("access token", format!("{verb} {}", clock.both(then)));
    }
    if let Some(then) = account.next_refresh_at {
        text = text.row("next refresh", clock.both(then));
    }
    if let Some(then) = account.refresh_expires_at {
        text = text.row(
            "may stay off",
            format!("until {} ({})", clock.day(then), clock.relative(then)),
        );
    }
    text = text
        .row("base URL", account.base_urls.join("\n"))
        .row("answers", key::answers(account));
    if let Some(lines) = pairs::lines(account, clock) {
        text = text.row("pairs", lines);
    }
    if let Some(error) = &account.last_error {
        let when = clock.relative(error.at);
        text = text.row("last error", format!("{when}: {}", error.message));
    }
    text
}

#[cfg(test)]
mod tests;
