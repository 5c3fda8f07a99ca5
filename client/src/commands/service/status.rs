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
        // Asking the daemon would start it, or block until it is up.
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

/// Problems of the running daemon: it isn't the service's, or is of another release.
fn of_daemon(version: &Version, is_installed: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    if is_installed && !version.supervised {
        let message = "the running daemon isn't the service's; it was started by a command";
        problems.push(Problem::new(Kind::Daemon, message).hint("run `loopdesk service start`"));
    }
    problems.extend(version_skew::problem(version));
    problems
}

/// A problem if the service listens on other addresses than configured.
async fn mismatch(report: &ServiceReport, context: &Context) -> Option<Problem> {
    report.scope?;
    let judged = context.link.check_config(None).await.ok()?;
    // `loopdesk status` shows errors of the configuration.
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
        "the configuration has {}, but the service listens on {}",
        list(&wanted),
        list(&held)
    );
    Some(Problem::new(Kind::Daemon, message).hint("run `loopdesk service install`"))
}

/// The result.
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
        ServiceState::Waiting => (GOOD, "waiting for the first request to start the daemon"),
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
        Some(InstallScope::Machine) => "for all users, by the administrator",
        None => return problems(text, shown),
    };
    text = text.row("installed", whose).row(
        "starts",
        match (shown.starts_at_login, shown.linger) {
            (true, Some(true)) => "at boot (linger is enabled)",
            (true, _) => "when you log in to this machine",
            (false, _) => "only with `loopdesk service start`",
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
