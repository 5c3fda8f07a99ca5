//! Takes a changed configuration into use, or says why not.

use std::sync::Arc;

use loopdesk_protocol::{Kind, Paths, Problem};
use tokio::sync::{Notify, watch};

use super::doors::Doors;
use super::flow::Flow;
use crate::clock::Clock;
use crate::config::check;
use crate::config::live::Loaded;
use crate::config::watch::ConfigWatch;
use crate::session::Sessions;

/// Reads the file when it may have changed.
#[derive(Debug)]
pub(super) struct Reloader {
    paths: Paths,
    loaded: watch::Sender<Loaded>,
    clock: Clock,
    changed: Arc<Notify>,
    watch: Option<ConfigWatch>,
}

impl Reloader {
    pub(super) fn new(paths: Paths, loaded: watch::Sender<Loaded>, clock: Clock) -> Self {
        let mut reloader = Self {
            paths,
            loaded,
            clock,
            changed: Arc::new(Notify::new()),
            watch: None,
        };
        reloader.start_watch();
        reloader
    }

    /// Waits until the file may have changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Reads the file. What is wrong with it leaves everything as it is.
    pub(super) async fn reload(
        &mut self,
        sessions: &Sessions,
        flow: &Flow,
        doors: &mut Doors,
    ) -> Result<(), Problem> {
        if self.watch.is_none() {
            self.start_watch();
        }
        let config = match check::load(&self.paths.config_file()) {
            Ok(config) => Arc::new(config),
            Err(error) => {
                let problem =
                    Problem::new(Kind::Config, error.to_string()).hint("loopdesk config check");
                return Err(self.failed(problem));
            }
        };
        if *config == *self.loaded.borrow().config {
            self.loaded.send_modify(|loaded| loaded.problem = None);
            return Ok(());
        }
        // Sessions first: a request must never find a route to an account without one.
        sessions.apply(&config).await;
        flow.rule_by(&config);
        let bound = doors.open(&config);
        let now = self.clock.now();
        self.loaded.send_modify(|loaded| {
            loaded.config = config;
            loaded.loaded_at = now;
            loaded.problem = None;
        });
        tracing::info!("the changed configuration is in use");
        bound.and(sessions.is_vault_settled())
    }

    fn failed(&self, problem: Problem) -> Problem {
        tracing::warn!(%problem, "the changed configuration is not in use");
        self.loaded
            .send_modify(|loaded| loaded.problem = Some(problem.clone()));
        problem
    }

    fn start_watch(&mut self) {
        let file = self.paths.config_file();
        match ConfigWatch::start(&file, Arc::clone(&self.changed)) {
            Ok(watch) => self.watch = Some(watch),
            // SIGHUP and `loopdesk config reload` remain.
            Err(error) => tracing::debug!(%error, "the configuration isn't watched"),
        }
    }
}
