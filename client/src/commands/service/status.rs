//! `loopdesk service status`.

use std::path::PathBuf;

use loopdesk_protocol::version::Version;
use loopdesk_protocol::{Kind, Problem};
use serde::Serialize;

use super::linger;
use super::manager::Manager;
use super::model::address;
use super::model::report::{InstallScope, ServiceDaemon, ServiceReport, ServiceState};
use crate::config_report::valid_config;
use crate::context::Context;
use crate::daemon_client::version_skew;
use crate::error::CliError;
use crate::ui::output::{Output, problem_text};
use crate::ui::text::{BAD, GOOD, Text, WARN};

pub(super) async fn run(context: &Context, output: &mut Output) -> Result<(), CliError> {
    let manager = Manager::find(context).await?;
    let mut report = manager.report().await?;
    let found = match report.state {
        // To ask would start it, or wait until it is there.
        ServiceState::Waiting | ServiceState::Starting | ServiceState::Failed => None,
        ServiceState::NotInstalled | ServiceState::Stopped | ServiceState::Running => {
            let found = context.link.version().await;
            found.unwrap_or_else(|problem| {
                report.problems.push(problem);
                None
            })
        }
    };
    let is_installed = report.state != ServiceState::NotInstalled;
    if let Some((_, version)) = &found {
        report.problems.extend(of_daemon(version, is_installed));
    }
    report.problems.extend(mismatch(&report, context).await);
    let linger = match &manager {
        Manager::Systemd(_) => linger::state(context).await,
        Manager::Launchd(_) => None,
    };
    let shown = ServiceStatusOutput {
        manager: manager.name(),
        state: report.state,
        installed_for: report.scope,
        starts_at_login: report.starts_at_login,
        linger,
        files: report.files,
        daemon: found.map(|(_, version)| version.into()),
        problems: report.problems,
    };
    output.result(&shown, || text(&shown))?;
    if shown.state.holds_sockets() && shown.problems.is_empty() {
        Ok(())
    } else {
        Err(CliError::Reported(Kind::Trouble))
    }
}

/// That another daemon than the service's runs, or an older one.
fn of_daemon(version: &Version, is_installed: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    if is_installed && !version.supervised {
        let message = "the daemon that runs isn't the service's: a command has started it";
        problems.push(Problem::new(Kind::Daemon, message).hint("run `loopdesk service start`"));
    }
    problems.extend(version_skew::problem(version));
    problems
}

/// That the configuration asks for other addresses than the manager holds.
async fn mismatch(report: &ServiceReport, context: &Context) -> Option<Problem> {
    report.scope?;
    let judged = context.link.check_config(None).await.ok()?;
    // A configuration with errors isn't in use; `loopdesk status` shows them.
    let config = valid_config(&judged).ok()?;
    let mut wanted: Vec<_> = address::all(config).iter().map(|a| a.socket).collect();
    let mut held = report.listens.clone();
    wanted.sort();
    wanted.dedup();
    held.sort();
    held.dedup();
    if wanted == held {
        return None;
    }
    let list = |all: &[std::net::SocketAddr]| {
        let all = all.iter().map(ToString::to_string);
        all.collect::<Vec<_>>().join(", ")
    };
    let message = format!(
        "the configuration asks for {}, the service holds {}",
        list(&wanted),
        list(&held)
    );
    Some(Problem::new(Kind::Daemon, message).hint("run `loopdesk service install`"))
}

/// The service in plain words.
#[derive(Debug, Serialize)]
struct ServiceStatusOutput {
    manager: &'static str,
    state: ServiceState,
    installed_for: Option<InstallScope>,
    starts_at_login: bool,
    linger: Option<bool>,
    files: Vec<PathBuf>,
    daemon: Option<ServiceDaemon>,
    problems: Vec<Problem>,
}

fn text(shown: &ServiceStatusOutput) -> Text {
    let (style, state) = match shown.state {
        ServiceState::NotInstalled => (WARN, "not installed: run `loopdesk service install`"),
        ServiceState::Stopped => (WARN, "stopped: run `loopdesk service start`"),
        ServiceState::Waiting => (
            GOOD,
            "waiting for the first request, which starts the daemon",
        ),
        ServiceState::Starting => (WARN, "starting"),
        ServiceState::Running => (GOOD, "running"),
        ServiceState::Failed => (BAD, "failed"),
    };
    let mut text = Text::new()
        .strong(format!("service of {}", shown.manager))
        .plain(": ")
        .styled(style, state)
        .end();
    if let Some(daemon) = &shown.daemon {
        text = text.row(
            "daemon",
            format!("loopdesk {}, process {}", daemon.version, daemon.pid),
        );
    }
    let whose = match shown.installed_for {
        Some(InstallScope::User) => "for you",
        Some(InstallScope::Machine) => "for every user, by the machine's admin",
        None => return problems(text, shown),
    };
    text = text.row("installed", whose).row(
        "comes up",
        match (shown.starts_at_login, shown.linger) {
            (true, Some(true)) => "with the machine (linger is on)",
            (true, _) => "when you log in to this machine",
            (false, _) => "only by `loopdesk service start`",
        },
    );
    let files = shown.files.iter().map(|path| path.to_string_lossy());
    text = text.row("files", files.collect::<Vec<_>>().join("\n"));
    problems(text, shown)
}

fn problems(text: Text, shown: &ServiceStatusOutput) -> Text {
    let problems = shown.problems.iter();
    problems.fold(text, |text, problem| text.then(&problem_text(problem)))
}
