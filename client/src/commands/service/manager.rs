//! The service manager of this system.

use std::path::{Path, PathBuf};

use loopdesk_protocol::version::Version;
use loopdesk_protocol::{Kind, Problem};

use super::launchd::Launchd;
use super::model::report::ServiceReport;
use super::model::spec::{ServiceFile, ServiceSpec};
use super::systemd::Systemd;
use crate::context::Context;

/// systemd or launchd.
#[derive(Debug)]
pub(super) enum Manager {
    Systemd(Systemd),
    Launchd(Launchd),
}

impl Manager {
    /// The user's manager, or what is missing.
    pub(super) async fn find(context: &Context) -> Result<Self, Problem> {
        if cfg!(target_os = "macos") {
            Launchd::find(context).await.map(Self::Launchd)
        } else {
            Systemd::find(context).await.map(Self::Systemd)
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Systemd(_) => "systemd",
            Self::Launchd(_) => "launchd",
        }
    }

    pub(super) async fn install(
        &self,
        spec: &ServiceSpec,
    ) -> Result<(Vec<ServiceFile>, bool), Problem> {
        match self {
            Self::Systemd(systemd) => systemd.install(spec).await,
            Self::Launchd(launchd) => launchd.install(spec).await,
        }
    }

    pub(super) async fn uninstall(&self, secrets_file: &Path) -> Result<Vec<PathBuf>, Problem> {
        match self {
            Self::Systemd(systemd) => systemd.uninstall(secrets_file).await,
            Self::Launchd(launchd) => launchd.uninstall().await,
        }
    }

    pub(super) async fn start(&self) -> Result<(), Problem> {
        match self {
            Self::Systemd(systemd) => systemd.start().await,
            Self::Launchd(launchd) => launchd.start().await,
        }
    }

    pub(super) async fn stop(&self) -> Result<(), Problem> {
        match self {
            Self::Systemd(systemd) => systemd.stop().await,
            Self::Launchd(launchd) => launchd.stop().await,
        }
    }

    pub(super) async fn restart(&self) -> Result<(), Problem> {
        match self {
            Self::Systemd(systemd) => systemd.restart().await,
            Self::Launchd(launchd) => launchd.restart().await,
        }
    }

    pub(super) async fn report(&self) -> Result<ServiceReport, Problem> {
        match self {
            Self::Systemd(systemd) => systemd.report().await,
            Self::Launchd(launchd) => Ok(launchd.report().await),
        }
    }

    /// The credential's file of the installed service. launchd has no credentials.
    pub(super) fn credential(&self) -> Option<PathBuf> {
        match self {
            Self::Systemd(systemd) => systemd.credential(),
            Self::Launchd(_) => None,
        }
    }
}

/// Asks the daemon of a service that was just started for its version.
pub(super) async fn handshake(context: &Context) -> Result<Version, Problem> {
    match context.link.version().await? {
        Some((_, version)) => Ok(version),
        None => {
            let message = format!(
                "the service was started, but nothing listens on `{}`",
                context.paths.control_socket().display()
            );
            Err(Problem::new(Kind::Daemon, message).hint("run `loopdesk service status`"))
        }
    }
}
