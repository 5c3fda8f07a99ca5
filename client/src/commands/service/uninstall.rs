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

/// Removes the service's sockets and their folder, unless a daemon is running.
fn remove_sockets(context: &Context) -> Result<Vec<PathBuf>, Problem> {
    let dir = context.paths.runtime_dir();
    let mut removed = Vec::new();
    for path in [context.paths.control_socket(), context.paths.proxy_socket()] {
        // A command may have started a daemon since.
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
        "Log out of every account and delete `{}` with all sessions, keys and logs? [y/N] ",
        context.paths.state_dir().display()
    );
    match confirm::yes_or_no(&question, false, &mut context.keyboard, output).await? {
        Some(true) => Ok(()),
        Some(false) => Err(Problem::new(Kind::Usage, "nothing was removed")
            .hint("run `loopdesk service uninstall` to stay logged in")
            .into()),
        None => Err(Problem::new(
            Kind::Usage,
            "`--purge` logs out of every account, and there is no terminal to ask on",
        )
        .hint("run `loopdesk service uninstall --purge --yes`")
        .into()),
    }
}

fn for_everybody(manager: &Manager) -> Problem {
    let message = "the service is installed for all users of this machine, so you can't remove it";
    let problem = Problem::new(Kind::Usage, message);
    match manager {
        Manager::Systemd(_) => problem.hint(
            "run `systemctl --user mask --now loopdesk.socket loopdesk-v6.socket loopdesk.service` \
             to turn it off for yourself",
        ),
        Manager::Launchd(_) => problem
            .hint("run `launchctl disable gui/$(id -u)/loopdesk`, then `loopdesk service stop`"),
    }
}

/// The result.
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
            false => "deleted here, but Zendesk didn't confirm that it is revoked",
        };
        text = text
            .plain(format!("The session of `{}` is {how}.", one.account))
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
            "The configuration is kept; `rm -r {}` removes it.",
            crate::ui::shell::quote(&dir)
        ));
    }
    text.plain("You are still logged in; `loopdesk service uninstall --purge` also logs you out.")
}
