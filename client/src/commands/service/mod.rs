//! `loopdesk service`: runs the daemon as a user service of systemd or launchd.
//!
//! ```text
//! install, uninstall, control, status
//!   └→ manager ─→ systemd → units     the templates of packaging/, rendered
//!        │    └─→ launchd → plist
//!        └→ os: files, programs ──→ model: what to install, and what the manager reports
//! ```

mod control;
mod install;
mod launchd;
mod linger;
mod manager;
mod model;
mod os;
mod ports;
mod purge;
mod status;
mod systemd;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
mod uninstall;
mod unsupervised;

use crate::args::service::ServiceCommand;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;

pub(crate) async fn run(
    command: &ServiceCommand,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    match command {
        ServiceCommand::Install(args) => install::run(args, context, output).await,
        ServiceCommand::Uninstall(args) => uninstall::run(args, context, output).await,
        ServiceCommand::Start => control::start(context, output).await,
        ServiceCommand::Stop => control::stop(context, output).await,
        ServiceCommand::Restart => control::restart(context, output).await,
        ServiceCommand::Status => status::run(context, output).await,
    }
}
