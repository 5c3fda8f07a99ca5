//! `loopdesk status`: every state that a person can be in, and the way out of it.

mod egress;
mod fixes;
mod proof;

use loopdesk_protocol::conditions::Severity;
use loopdesk_protocol::status::{self, Answers, Listener, Status};
use loopdesk_protocol::{Condition, Kind};

use crate::args::session::AccountArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::labels::{account, state};
use crate::problems::{no_account, unknown_account};
use crate::ui::output::{Output, problem_text, warning_text};
use crate::ui::text::Text;
use crate::ui::time::Clock;

pub(crate) async fn run(
    args: &AccountArgs,
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
        return Err(unknown_account(name, known).into());
    }
    status.accounts.retain(|account| account.name == name);
    let concerns = |l: &Listener| l.account.as_deref().is_none_or(|account| account == name);
    status.listeners.retain(concerns);
    let concerns = |c: &Condition| c.account.as_deref().is_none_or(|account| account == name);
    status.conditions.retain(concerns);
    Ok(())
}

fn text(status: &Status, clock: &Clock) -> Text {
    let mut text = daemon(status, clock);
    if status.accounts.is_empty() {
        text = text.end().then(&problem_text(&no_account()));
    }
    for one in &status.accounts {
        text = text.end().then(&account::summary(one, clock));
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
    let (_, words) = state::vault(vault.state);
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

#[cfg(test)]
mod tests;
