//! `loopdesk service start`, `stop` and `restart`.

use loopdesk_protocol::{Kind, Problem};
use serde::Serialize;

use super::manager::{Manager, handshake};
use super::model::report::{ServiceDaemon, ServiceState};
use super::unsupervised;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;
use crate::ui::text::Text;

pub(super) async fn start(context: &Context, output: &mut Output) -> Result<(), CliError> {
    let manager = installed(context).await?;
    if let Some(pid) = unsupervised::stop(context).await? {
        output.note(&Text::from(format!(
            "Stopped the daemon that was running in the background (process {pid})."
        )));
    }
    manager.start().await?;
    runs(&manager, context, output).await
}

pub(super) async fn restart(context: &Context, output: &mut Output) -> Result<(), CliError> {
    let manager = installed(context).await?;
    if manager.report().await?.state.holds_sockets() {
        manager.restart().await?;
    } else {
        unsupervised::stop(context).await?;
        manager.start().await?;
    }
    runs(&manager, context, output).await
}

pub(super) async fn stop(context: &Context, output: &mut Output) -> Result<(), CliError> {
    let manager = installed(context).await?;
    manager.stop().await?;
    let done = ServiceActionOutput {
        manager: manager.name(),
        state: ServiceState::Stopped,
        daemon: None,
    };
    output.result(&done, || {
        Text::from(
            "Stopped until you log in to this machine again or run `loopdesk service start`. To \
             remove it, run `loopdesk service uninstall`.",
        )
    })
}

async fn runs(manager: &Manager, context: &Context, output: &mut Output) -> Result<(), CliError> {
    let done = ServiceActionOutput {
        manager: manager.name(),
        state: ServiceState::Running,
        daemon: Some(handshake(context).await?.into()),
    };
    output.result(&done, || {
        let daemon = done.daemon.iter();
        let daemon = daemon.map(|daemon| format!("{}, process {}", daemon.version, daemon.pid));
        Text::from(format!(
            "loopdesk {} is running.",
            daemon.collect::<String>()
        ))
    })
}

async fn installed(context: &Context) -> Result<Manager, Problem> {
    let manager = Manager::find(context).await?;
    if manager.report().await?.state == ServiceState::NotInstalled {
        let message = "loopdesk isn't installed as a service";
        return Err(Problem::new(Kind::Usage, message).hint("run `loopdesk service install`"));
    }
    Ok(manager)
}

/// The result.
#[derive(Debug, Serialize)]
struct ServiceActionOutput {
    manager: &'static str,
    state: ServiceState,
    daemon: Option<ServiceDaemon>,
}
