//! systemd's user manager.

mod find;
mod state;
mod units;

use std::path::{Path, PathBuf};

use loopdesk_protocol::Problem;

use crate::commands::service::model::report::ServiceReport;
use crate::commands::service::model::spec::{ServiceFile, ServiceSpec};
use crate::commands::service::os::files;
use units::{SERVICE, SOCKET, SOCKET_V6};

pub(super) use find::Systemd;

impl Systemd {
    /// Writes the units and starts them. Returns the files, and whether any was written.
    pub(super) async fn install(
        &self,
        spec: &ServiceSpec,
    ) -> Result<(Vec<ServiceFile>, bool), Problem> {
        let files = units::render(spec, self.version, &self.dir)?;
        let has_v6 = files.iter().any(|file| file.path.ends_with(SOCKET_V6));
        let (mut sockets_changed, mut service_changed) = (false, false);
        if !has_v6 && self.dir.join(SOCKET_V6).exists() {
            self.call(&["stop", SOCKET_V6]).await?;
            self.call(&["disable", SOCKET_V6]).await?;
            sockets_changed = files::remove(&self.dir.join(SOCKET_V6))?;
        }
        for file in &files {
            let is_written = files::write(file)?;
            match file.path.extension().is_some_and(|kind| kind == "socket") {
                true => sockets_changed |= is_written,
                false => service_changed |= is_written,
            }
        }
        if spec.environment.secret.is_empty() {
            service_changed |= files::remove(&spec.secrets_file)?;
        }
        self.call(&["daemon-reload"]).await?;
        let mut names = vec![SOCKET, SERVICE];
        names.extend(has_v6.then_some(SOCKET_V6));
        if sockets_changed {
            // A socket can't be rebound while its service is running.
            self.call(&with("stop", &names)).await?;
        }
        self.call(&with("enable", &names)).await?;
        self.start().await?;
        if service_changed && !sockets_changed {
            self.restart().await?;
        }
        Ok((files, sockets_changed || service_changed))
    }

    /// Stops the units and removes them. Returns what was removed.
    pub(super) async fn uninstall(&self, secrets_file: &Path) -> Result<Vec<PathBuf>, Problem> {
        let ours = [SOCKET, SOCKET_V6, SERVICE].map(|name| self.dir.join(name));
        let names: Vec<_> = [SOCKET, SOCKET_V6, SERVICE]
            .into_iter()
            .filter(|name| self.dir.join(name).exists())
            .collect();
        if !names.is_empty() {
            self.call(&with("stop", &names)).await?;
            self.call(&with("disable", &names)).await?;
        }
        let mut removed = Vec::new();
        for path in ours.iter().map(PathBuf::as_path).chain([secrets_file]) {
            if files::remove(path)? {
                removed.push(path.to_owned());
            }
        }
        self.call(&["daemon-reload"]).await?;
        for name in names {
            // Fails for a unit that hasn't failed.
            drop(self.call(&["reset-failed", name]).await);
        }
        let parent = self.dir.parent().unwrap_or(&self.dir);
        let wants = WANTED_BY.map(|target| self.dir.join(format!("{target}.wants")));
        files::remove_if_empty(wants.iter().map(PathBuf::as_path));
        files::remove_if_empty([&*self.dir, parent]);
        Ok(removed)
    }

    /// Starts the sockets and the daemon.
    pub(super) async fn start(&self) -> Result<(), Problem> {
        for name in [SOCKET, SOCKET_V6, SERVICE] {
            // Fails for a unit that hasn't failed.
            drop(self.call(&["reset-failed", name]).await);
        }
        self.call(&["start", SOCKET]).await?;
        // Fails on machines without ::1, which don't need it.
        drop(self.call(&["start", SOCKET_V6]).await);
        self.call(&["start", SERVICE]).await.map(drop)
    }

    /// Stops the daemon and the sockets.
    pub(super) async fn stop(&self) -> Result<(), Problem> {
        let state = state::read(self).await?;
        let names = [SOCKET, SOCKET_V6, SERVICE].into_iter();
        let known: Vec<_> = names.filter(|name| state.is_known(name)).collect();
        self.call(&with("stop", &known)).await.map(drop)
    }

    /// Restarts the daemon; the sockets stay open.
    pub(super) async fn restart(&self) -> Result<(), Problem> {
        self.call(&["restart", SERVICE]).await.map(drop)
    }

    /// The service's state.
    pub(super) async fn report(&self) -> Result<ServiceReport, Problem> {
        state::read(self).await.map(|state| state.report(self))
    }

    /// The credential's file of the installed service.
    pub(super) fn credential(&self) -> Option<PathBuf> {
        let text = std::fs::read_to_string(self.dir.join(SERVICE)).ok()?;
        units::credential(&text)
    }
}

fn with<'a>(verb: &'a str, names: &[&'a str]) -> Vec<&'a str> {
    std::iter::once(verb).chain(names.iter().copied()).collect()
}

/// The targets of the units' `[Install]` sections.
const WANTED_BY: [&str; 2] = ["default.target", "sockets.target"];
