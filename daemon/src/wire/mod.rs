//! Builds every part in the order of the flow, and takes them down again.

mod doors;
pub mod flow;
mod life;
mod reload;
#[cfg(test)]
mod table_tests;

use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::{Kind, Paths, Problem};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::doors::Doors;
use self::flow::Flow;
use self::life::{Beat, Life};
use self::reload::Reloader;
use crate::clock::Clock;
use crate::conditions::Conditions;
use crate::config::Config;
use crate::config::files::Files;
use crate::config::live::Loaded;
use crate::control::Control;
use crate::keys::Keys;
use crate::notices::Notices;
use crate::proof::Prover;
use crate::session::{Deps, Sessions};
use crate::supervise::notify;
use crate::supervise::signals::{Asked, Signals};
use crate::supervise::sockets::Inherited;
use crate::upstream::egress::{Egress, Variables};

/// Runs the daemon until a signal ends it. The folders of `paths` exist and are private, and this
/// process holds the instance lock. What `inherited` holds isn't bound again.
///
/// # Errors
/// What keeps the daemon from serving: a port or a socket that can't be had.
pub async fn run(
    paths: Paths,
    files: Files,
    config: Config,
    inherited: Inherited,
    proxies: Variables,
    clock: Clock,
) -> Result<Ended, Problem> {
    let internal = |e: std::io::Error| Problem::new(Kind::Internal, format!("no signals: {e}"));
    let signals = Signals::catch().map_err(internal)?;
    let started_at = clock.now();
    let config = Arc::new(config);
    tracing::info!(egress = %Egress::new(&proxies, &config), "Zendesk is reached");
    let tracker = TaskTracker::new();
    let conditions = Conditions::new(clock.clone());
    let sessions = Sessions::new(Deps {
        clock: clock.clone(),
        paths: paths.clone(),
        proxies,
        conditions: conditions.clone(),
        tracker: tracker.clone(),
    });

    let prover =
        Prover::new().map_err(|e| Problem::new(Kind::Internal, format!("no random bytes: {e}")))?;
    let keys = Keys::open(&paths, clock.clone());
    let flow = Flow::new(sessions.clone(), keys.clone(), prover.clone(), &config);
    let inherited = Arc::new(inherited);
    let mut doors = Doors::new(
        Arc::clone(&flow),
        paths.proxy_socket(),
        Arc::clone(&inherited),
        tracker.clone(),
    );
    // Whoever waits at a socket of the supervisor's is served once the sessions are there.
    sessions.apply(&config).await;
    let control_socket = doors
        .open(&config)
        .and_then(|()| doors::unix(&inherited, &paths.control_socket()));
    let control_socket = match control_socket {
        Ok(listener) => listener,
        Err(problem) => {
            // A session may have begun to refresh itself.
            sessions.shutdown().await;
            return Err(problem);
        }
    };

    let (loaded, loaded_now) = watch::channel(Loaded {
        config,
        path: paths.config_file().display().to_string(),
        system_path: files.system_path(),
        loaded_at: started_at,
        problem: None,
    });
    let (reload, mut reloads) = mpsc::channel(1);
    let (hook, hook_now) = watch::channel(None);
    let notices = Notices {
        sessions: sessions.clone(),
        loaded: loaded_now.clone(),
        clock: clock.clone(),
        memory: paths.notices_file(),
        problem: hook,
        tracker: tracker.clone(),
    };
    let control = Control {
        sessions: sessions.clone(),
        keys: keys.clone(),
        loaded: loaded_now,
        conditions,
        listeners: doors.listeners(),
        hook: hook_now,
        reload,
        prover,
        clock: clock.clone(),
        started_at,
        tracker: tracker.clone(),
    };
    let stop = CancellationToken::new();
    tracker.spawn(control.serve(control_socket, stop.clone()));
    tracker.spawn(notices.run(stop.clone()));
    if let Err(error) = paths.write_runtime_hint() {
        tracing::warn!(%error, "commands with another XDG_RUNTIME_DIR won't find this daemon");
    }
    let life = Life::new(sessions.clone(), !inherited.is_empty(), clock.clone());
    let mut daemon = Daemon {
        reloader: Reloader::new(&paths, files, loaded, clock),
        sessions,
        flow,
        doors,
        signals,
        life,
    };
    notify::ready("serving");
    tracing::info!(pid = std::process::id(), "ready");
    let ended = daemon.serve(&mut reloads).await;

    notify::stopping();
    tracing::info!("stopping");
    stop.cancel();
    daemon.doors.close();
    // A name without a listener would look like a crash to the next start; at one of the
    // supervisor's the next daemon finds callers waiting.
    let control = paths.control_socket();
    if !inherited.has_unix(&control)
        && let Err(error) = std::fs::remove_file(control)
    {
        tracing::debug!(%error, "the control socket's name stays");
    }
    if let Err(error) = paths.remove_runtime_hint() {
        tracing::debug!(%error, "the hint at the sockets stays");
    }
    daemon.finish(&tracker).await;
    keys.finish();
    Ok(ended)
}

/// Why the daemon has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A signal asked for it.
    Asked,
    /// Another program has taken the place of this one.
    Replaced,
}

/// What has a say while the daemon serves, and when it ends.
struct Daemon {
    reloader: Reloader,
    sessions: Sessions,
    flow: Arc<Flow>,
    doors: Doors,
    signals: Signals,
    life: Life,
}

impl Daemon {
    /// Serves until there is a reason to end.
    async fn serve(&mut self, asked: &mut mpsc::Receiver<Answer>) -> Ended {
        let mut again = false;
        loop {
            let (answer, found) = if std::mem::take(&mut again) {
                (None, None)
            } else {
                tokio::select! {
                    signal = self.signals.next() => match signal {
                        Asked::Stop => return Ended::Asked,
                        Asked::Reload => (None, None),
                    },
                    answer = asked.recv() => (answer, None),
                    found = self.reloader.changed() => (None, Some(found)),
                    beat = self.life.beat() => {
                        if beat == Beat::Look && self.life.is_over(&self.doors) {
                            return Ended::Replaced;
                        }
                        continue;
                    }
                }
            };
            notify::reloading();
            let reload = self
                .reloader
                .reload(found, &self.sessions, &self.flow, &mut self.doors);
            tokio::pin!(reload);
            // A keyring that doesn't answer can hold this up; neither signals nor the supervisor
            // wait.
            let result = loop {
                tokio::select! {
                    result = reload.as_mut() => break result,
                    signal = self.signals.next() => match signal {
                        Asked::Stop => return Ended::Asked,
                        // What it is about may have been read already.
                        Asked::Reload => again = true,
                    },
                    _ = self.life.beat() => {}
                }
            };
            notify::ready("serving");
            if let Some(answer) = answer {
                // Whoever asked may have hung up; the outcome shows in the status.
                let _unheard = answer.send(result);
            }
        }
    }

    /// Lets everything under way come to its end, unless another signal says that it may not.
    async fn finish(&mut self, tracker: &TaskTracker) {
        let budget = tokio::time::sleep(DRAIN);
        let sessions = self.sessions.clone();
        let finished = async {
            // Never cut short: a refresh that Zendesk has carried out must be stored. Requests go
            // on meanwhile.
            sessions.shutdown().await;
            tracker.close();
            tokio::select! {
                biased;
                () = tracker.wait() => tracing::info!("stopped"),
                () = budget => tracing::warn!(
                    "stopped with {} tasks unfinished after {} s", tracker.len(), DRAIN.as_secs()
                ),
            }
        };
        tokio::select! {
            biased;
            () = self.life.until_the_end() => {}
            () = stop_again(&mut self.signals) => {
                tracing::warn!("stopped at once, on a second signal");
            }
            () = finished => {}
        }
    }
}

async fn stop_again(signals: &mut Signals) {
    while signals.next().await != Asked::Stop {}
}

/// Where the outcome of a reload goes that somebody has asked for.
type Answer = tokio::sync::oneshot::Sender<Result<(), Problem>>;

/// For requests in flight, from the signal on. Enough for any but a very long download; scripts that
/// call meanwhile wait for the next daemon.
const DRAIN: Duration = Duration::from_secs(15);
