//! Applies a changed configuration, or says why not.

use std::sync::Arc;

use loopdesk_protocol::{Kind, Paths, Problem, conditions};
use tokio::sync::watch;

use super::listeners::Listeners;
use super::pipeline::Pipeline;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::files::{ConfigFile, ConfigFiles, ConfigPaths};
use crate::config::live::LoadedConfig;
use crate::config::load;
use crate::config::watch::ConfigWatch;
use crate::session::Sessions;

/// Reads the files when they have changed, or on request.
#[derive(Debug)]
pub(super) struct Reloader {
    paths: ConfigPaths,
    loaded: watch::Sender<LoadedConfig>,
    clock: Clock,
    watch: ConfigWatch,
    /// The files of the configuration in use.
    used: watch::Sender<ConfigFiles>,
    /// The files as they were last read, in use or not.
    last: ConfigFiles,
}

impl Reloader {
    /// Watches the files that `used` were read from.
    pub(super) fn new(
        paths: &Paths,
        used: ConfigFiles,
        loaded: watch::Sender<LoadedConfig>,
        clock: Clock,
    ) -> Self {
        let paths = ConfigPaths::of(paths);
        let last = used.clone();
        let (used, in_use) = watch::channel(used);
        Self {
            watch: ConfigWatch::start(paths.clone(), in_use),
            last,
            used,
            paths,
            loaded,
            clock,
        }
    }

    /// The configuration in use.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.loaded.borrow().config)
    }

    /// Waits until a file has changed and is no longer being written to. Can be cancelled.
    pub(super) async fn changed(&mut self) -> Arc<ConfigFiles> {
        self.watch.changed().await
    }

    /// Applies `found`, or the files as they are now.
    ///
    /// # Errors
    /// What is wrong with the files: then everything stays as it was. Or a port or vault that the
    /// new configuration needs and can't have.
    pub(super) async fn reload(
        &mut self,
        found: Option<Arc<ConfigFiles>>,
        sessions: &Sessions,
        pipeline: &Pipeline,
        listeners: &mut Listeners,
    ) -> Result<(), Problem> {
        let is_asked = found.is_none();
        let files = match found {
            // A reload was requested in the meantime, and read something newer.
            Some(found) if found.read_at < self.last.read_at => return Ok(()),
            Some(found) => Arc::unwrap_or_clone(found),
            None => read(self.paths.clone()).await?,
        };
        self.last = files.clone();
        if let Some(problem) = files.gone_since(&self.used.borrow()).map(gone) {
            return Err(self.failed(problem));
        }
        let config = match load::config(&files) {
            Ok(config) => Arc::new(config),
            Err(wrong) => {
                return Err(self.failed(conditions::config_unusable(wrong)));
            }
        };
        let system_path = files.system_path();
        self.used.send_replace(files);
        let has_changed = *config != *self.loaded.borrow().config;
        // Also if nothing has changed: a port that was held may be free now, a vault that was
        // closed may be open, and files that the configuration names may have other contents.
        // Sessions first: a request must never find a route to an account without one.
        sessions.apply(&config).await;
        pipeline.set_config(&config);
        let bound = listeners.open(&config).await;
        if is_asked {
            sessions.look().await;
        }
        let now = self.clock.now();
        self.loaded.send_modify(|loaded| {
            loaded.system_path = system_path;
            loaded.problem = None;
            if has_changed {
                loaded.config = config;
                loaded.loaded_at = now;
            }
        });
        if has_changed {
            tracing::info!("the changed configuration is in use");
        }
        bound.and(sessions.is_vault_settled())
    }

    fn failed(&self, problem: Problem) -> Problem {
        tracing::warn!(%problem, "the changed configuration is not in use");
        self.loaded
            .send_modify(|loaded| loaded.problem = Some(problem.clone()));
        problem
    }
}

/// A home folder may be on a slow network file system.
async fn read(paths: ConfigPaths) -> Result<ConfigFiles, Problem> {
    tokio::task::spawn_blocking(move || ConfigFiles::read(&paths))
        .await
        .map_err(|e| Problem::new(Kind::Internal, format!("can't read the configuration: {e}")))
}

/// A file that disappears while it is being replaced must not end every account. Leaving an empty
/// file says that it was meant.
fn gone(file: &ConfigFile) -> Problem {
    conditions::config_gone(file.path.display())
}
