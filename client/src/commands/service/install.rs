//! `loopdesk service install`.

use std::net::SocketAddr;
use std::path::PathBuf;

use loopdesk_protocol::config::Effective;
use loopdesk_protocol::status::{self, Status};
use loopdesk_protocol::{Kind, Problem};
use serde::Serialize;

use super::manager::{Manager, handshake};
use super::model::address;
use super::model::environment::ServiceEnvironment;
use super::model::report::ServiceDaemon;
use super::model::spec::{ServiceSpec, secrets_file};
use super::ports::{self, MovedPort};
use super::{linger, unsupervised};
use crate::args::service::InstallArgs;
use crate::config_report::valid_config;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;
use crate::ui::text::{GOOD, Text};

pub(super) async fn run(
    args: &InstallArgs,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let program = context.link.program()?.to_owned();
    let manager = Manager::find(context).await?;
    let report = context.link.check_config(None).await?;
    let config = valid_config(&report)?.clone();
    let credential = credential(args, &config, &manager)?;
    let stopped_daemon = unsupervised::stop(context).await?;
    let ours = ours(&manager, context).await?;
    let (config, moved_ports) =
        ports::resolve_conflicts(config, &ours, args.yes, context, output).await?;
    let addresses = address::all(&config);
    let spec = ServiceSpec {
        program,
        environment: ServiceEnvironment::of(&context.env, &addresses),
        addresses,
        secrets_file: secrets_file(context),
        credential,
    };
    // launchd makes sockets, but not the folder that they lie in.
    context.link.private_dirs()?;
    let (files, changed) = manager.install(&spec).await?;
    let version = handshake(context).await?;
    let linger = match &manager {
        Manager::Systemd(_) => linger::offer(args.linger, context, output).await?,
        Manager::Launchd(_) => None,
    };
    let installed = ServiceInstallOutput {
        manager: manager.name(),
        changed,
        files: files.into_iter().map(|file| file.path).collect(),
        listen: spec.sockets().iter().map(ToString::to_string).collect(),
        environment: spec.environment.names(),
        left_out: spec
            .environment
            .left_out
            .iter()
            .map(|(name, _)| name.clone())
            .collect(),
        moved_ports,
        stopped_daemon,
        linger,
        daemon: version.into(),
    };
    for (name, why) in &spec.environment.left_out {
        output.warn(format!("the service doesn't get {name}: {why}."));
    }
    for (name, why) in &spec.environment.unusable {
        output.warn(format!(
            "{name} {why}. The service can't reach Zendesk until you fix it and run `loopdesk \
             service install` again."
        ));
    }
    output.result(&installed, || text(&installed, config.accounts.is_empty()))
}

/// The addresses that the service holds already: sockets of the manager, and listeners of the
/// running daemon, which may have opened more since.
async fn ours(manager: &Manager, context: &Context) -> Result<Vec<SocketAddr>, Problem> {
    let report = manager.report().await?;
    let mut ours = match report.state.holds_sockets() {
        true => report.listens,
        false => Vec::new(),
    };
    if let Some((client, _)) = context.link.version().await? {
        let status: Option<Status> = client.get(status::CALL).await.ok();
        let listeners = status.into_iter().flat_map(|status| status.listeners);
        let open = listeners.filter(|listener| listener.open);
        ours.extend(open.filter_map(|listener| listener.address.parse::<SocketAddr>().ok()));
    }
    Ok(ours)
}

/// The credential's file, if the vault is a credential.
fn credential(
    args: &InstallArgs,
    config: &Effective,
    manager: &Manager,
) -> Result<Option<PathBuf>, Problem> {
    let is_needed = config.vault == "credential";
    match (&args.credential, is_needed) {
        (None, false) => Ok(None),
        (Some(_), false) => {
            let message = format!(
                "`--credential` needs `vault = \"credential\"`, but `vault` is \"{}\"",
                config.vault
            );
            Err(Problem::new(Kind::Usage, message)
                .hint("run `loopdesk config set vault credential` first, or omit `--credential`"))
        }
        (_, true) if matches!(manager, Manager::Launchd(_)) => {
            let message = "`vault` is \"credential\", which launchd doesn't support";
            Err(Problem::new(Kind::Config, message).hint("run `loopdesk config set vault keyring`"))
        }
        (None, true) => match manager.credential() {
            Some(path) => Ok(Some(path)),
            None => {
                let message = "`vault` is \"credential\", but no file with the credential is given";
                Err(Problem::new(Kind::Usage, message)
                    .hint("run `loopdesk service install --credential FILE`; any file with 32 bytes or more will do"))
            }
        },
        (Some(path), true) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            match std::fs::File::open(&path) {
                Ok(_) => Ok(Some(path)),
                Err(error) => Err(crate::error::file(Kind::Usage, "read", &path, &error).hint(
                    "run `(umask 077; head -c 32 /dev/urandom | base64 > FILE)` to create one",
                )),
            }
        }
    }
}

/// The result.
#[derive(Debug, Serialize)]
struct ServiceInstallOutput {
    manager: &'static str,
    /// Whether anything was changed.
    changed: bool,
    files: Vec<PathBuf>,
    listen: Vec<String>,
    /// The names of the variables the service gets.
    environment: Vec<String>,
    /// The names of those it doesn't get.
    left_out: Vec<String>,
    moved_ports: Vec<MovedPort>,
    /// The process id of a daemon that was stopped first.
    stopped_daemon: Option<u32>,
    linger: Option<bool>,
    daemon: ServiceDaemon,
}

fn text(installed: &ServiceInstallOutput, is_empty: bool) -> Text {
    let mut text = Text::new();
    if let Some(pid) = installed.stopped_daemon {
        text = text
            .plain(format!(
                "Stopped the daemon that was running in the background (process {pid})."
            ))
            .end();
    }
    for moved in &installed.moved_ports {
        let whose = moved
            .account
            .as_deref()
            .map_or_else(String::new, |name| format!(" of account {name}"));
        text = text
            .plain(format!(
                "Changed port {}{whose} to {} in the configuration. Update your scripts.",
                moved.from, moved.to
            ))
            .end();
    }
    let done = match installed.changed {
        true => "Installed",
        false => "Nothing to do",
    };
    text = text.styled(GOOD, done).plain(format!(
        ": loopdesk {} is running as a service of {} (process {}), and starts by itself.",
        installed.daemon.version, installed.manager, installed.daemon.pid
    ));
    text = text.end().row("listens on", installed.listen.join(", "));
    if !installed.environment.is_empty() {
        text = text.row("environment", installed.environment.join(", "));
    }
    let files = installed.files.iter().map(|path| path.to_string_lossy());
    text = text.row("files", files.collect::<Vec<_>>().join("\n"));
    if is_empty {
        text = text.plain("Next: ").strong("loopdesk account add").end();
    }
    text
}
