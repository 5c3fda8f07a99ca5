//! `loopdesk status`: what works, what doesn't, and how to fix it.

mod egress;
mod fixes;
mod proof;
mod verdict;

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
    let mut status: Status = client.get(status::CALL).await?;
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

/// Removes what belongs to other accounts.
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
    let mut text = verdict::line(status).end().then(&daemon(status, clock));
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

/// What is wrong, and since when, if known.
fn condition(condition: &Condition, clock: &Clock) -> Text {
    let mut problem = condition.problem.clone();
    if let Some(since) = condition.since {
        let since = clock.relative(since);
        problem.message.push_str(&format!(" (since {since})"));
    }
    match condition.severity {
        Severity::Warning => warning_text(&problem),
        Severity::Error => problem_text(&problem),
    }
}

fn daemon(status: &Status, clock: &Clock) -> Text {
    let daemon = &status.daemon;
    let lifetime = if daemon.supervised {
        "kept running as a service"
    } else {
        "running until you log out or shut down"
    };
    let served: Vec<_> = status.listeners.iter().map(listener).collect();
    let text = Text::new()
        .strong("loopdesk")
        .plain(format!(" {}, {lifetime}", daemon.version))
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
        .row("vault", vault(&status.vault))
        .row("listens on", served.join("\n"));
    match egress::lines(&status.egress, clock) {
        Some(lines) => text.row("proxy", lines),
        None => text,
    }
}

fn configuration(config: &status::ConfigStatus) -> String {
    let mut text = config.path.clone();
    if let Some(below) = &config.system_path {
        text.push_str(&format!(", on top of {below}"));
    }
    if config.problem.is_some() {
        text.push_str(" (an earlier version, see below)");
    }
    text
}

fn vault(vault: &status::VaultStatus) -> String {
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
        Some(Answers::ThisDaemon) => text.push_str(&format!(" (answers{see})")),
        Some(Answers::Another) => text.push_str(&format!(" (another program answers{see})")),
        Some(Answers::Nobody) => text.push_str(&format!(" (no answer{see})")),
        None if listener.problem.is_some() => text.push_str(" (closed, see below)"),
        None => {}
    }
    text
}

#[cfg(test)]
mod tests;
