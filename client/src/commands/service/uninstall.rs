//! `loopdesk service uninstall`.

use std::path::PathBuf;

use loopdesk_protocol::session::LoggedOut;
use loopdesk_protocol::{Kind, Problem};
use serde::Serialize;

use super::manager::Manager;
use super::model::report::InstallScope;
use super::model::spec::secrets_file;
use super::os::files;
use super::{purge, unsupervised};
use crate::args::service::UninstallArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::confirm;
use crate::ui::output::Output;
use crate::ui::text::Text;

pub(super) async fn run(
    args: &UninstallArgs,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let manager = Manager::find(context).await?;
    if manager.report().await?.scope == Some(InstallScope::Machine) && !args.purge {
        return Err(for_everybody(&manager).into());
    }
    let mut logged_out = Vec::new();
    if args.purge {
        confirmed(args, context, output).await?;
        logged_out = purge::log_out(args.forget, context, output).await?;
    }
    let mut removed = manager.uninstall(&secrets_file(context)).await?;
    if args.purge {
        unsupervised::stop(context).await?;
        removed.extend(purge::remove_state(context)?);
    }
    if manager.report().await?.scope.is_none() {
        removed.extend(remove_sockets(context)?);
    }
    let done = ServiceUninstallOutput {
        manager: manager.name(),
        removed,
        logged_out,
    };
    output.result(&done, || text(&done, args.purge, context))
}

/// Removes what the service has left in the runtime folder, and the folder, unless a daemon runs.
fn remove_sockets(context: &Context) -> Result<Vec<PathBuf>, Problem> {
    let dir = context.paths.runtime_dir();
    let mut removed = Vec::new();
    for path in [context.paths.control_socket(), context.paths.proxy_socket()] {
        // A daemon that a command has started meanwhile keeps its own.
        if std::os::unix::net::UnixStream::connect(&path).is_ok() {
            return Ok(removed);
        }
        if files::remove(&path)? {
            removed.push(path);
        }
    }
    for name in ["start.lock", "start.sock"] {
        files::remove(&dir.join(name))?;
    }
    files::remove_if_empty([dir]);
    Ok(removed)
}

async fn confirmed(
    args: &UninstallArgs,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    if args.yes {
        return Ok(());
    }
    let question = format!(
        "Log every account out and remove `{}` with all sessions, keys and logs? [y/N] ",
        context.paths.state_dir().display()
    );
    match confirm::yes_or_no(&question, false, &mut context.keyboard, output).await? {
        Some(true) => Ok(()),
        Some(false) => Err(Problem::new(Kind::Usage, "nothing was removed")
            .hint("run `loopdesk service uninstall`, which keeps the logins")
            .into()),
        None => Err(Problem::new(
            Kind::Usage,
            "`--purge` ends every login, and nobody is there to be asked",
        )
        .hint("run `loopdesk service uninstall --purge --yes`")
        .into()),
    }
}

fn for_everybody(manager: &Manager) -> Problem {
    let message =
        "the service is installed for every user of this machine, so it isn't yours to remove";
    let problem = Problem::new(Kind::Usage, message);
    match manager {
        Manager::Systemd(_) => problem.hint(
            "run `systemctl --user mask --now loopdesk.socket loopdesk-v6.socket loopdesk.service` \
             to have none yourself",
        ),
        Manager::Launchd(_) => problem
            .hint("run `launchctl disable gui/$(id -u)/loopdesk`, then `loopdesk service stop`"),
    }
}

/// What was done.
#[derive(Debug, Serialize)]
struct ServiceUninstallOutput {
    manager: &'static str,
    removed: Vec<PathBuf>,
    logged_out: Vec<LoggedOut>,
}

fn text(done: &ServiceUninstallOutput, purged: bool, context: &Context) -> Text {
    let mut text = Text::new();
    for one in done.logged_out.iter().filter(|one| one.person.is_some()) {
        let how = match one.revoked {
            true => "revoked at Zendesk",
            false => "forgotten here; Zendesk has not confirmed that it is revoked",
        };
        text = text
            .plain(format!("The session of {} is {how}.", one.account))
            .end();
    }
    text = match done.removed.is_empty() {
        true => text.plain("There was no service to remove.").end(),
        false => text.plain("Removed:").end(),
    };
    for path in &done.removed {
        text = text.plain(format!("  {}", path.display())).end();
    }
    if purged {
        let dir = context.paths.config_dir().to_string_lossy().into_owned();
        return text.plain(format!(
            "The configuration stays; `rm -r {}` removes it.",
            crate::ui::shell::quote(&dir)
        ));
    }
    text.plain("The accounts stay logged in; `loopdesk service uninstall --purge` ends that, too.")
}
