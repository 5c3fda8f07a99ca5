//! Builds every part in the order of the request path, and takes them down again.

mod control_listener;
mod exports;
mod home;
mod listeners;
pub mod pipeline;
mod reload;
#[cfg(test)]
mod table_tests;
mod watchdog;

use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::{Kind, Paths, Problem};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::control_listener::ControlListener;
use self::exports::Exports;
use self::home::{FoldersSeen, Home};
use self::listeners::Listeners;
use self::pipeline::Pipeline;
use self::reload::Reloader;
use self::watchdog::{Watchdog, WatchdogTick};
use crate::clock::Clock;
use crate::conditions::Conditions;
use crate::config::Config;
use crate::config::files::ConfigFiles;
use crate::config::live::LoadedConfig;
use crate::control::Control;
use crate::keys::Keys;
use crate::network::Network;
use crate::notifications::Notifications;
use crate::proof::Prover;
use crate::session::{Dependencies, Sessions};
use crate::supervise::descriptors::Room;
use crate::supervise::instance::InstanceLock;
use crate::supervise::signals::{SignalRequest, SignalStream};
use crate::supervise::sockets::Inherited;
use crate::supervise::{notify, runtime_dir};
use crate::telemetry;
use crate::upstream::egress::{Egress, Variables};

/// Runs the daemon until a signal ends it. The state folder of `paths` must exist and be private,
/// and this process must hold `lock`. Sockets in `inherited` aren't bound again.
///
/// # Errors
/// Why the daemon can't serve: a port or a socket that it can't have, for example.
pub async fn run(
    paths: Paths,
    lock: InstanceLock,
    files: ConfigFiles,
    config: Config,
    inherited: Inherited,
    proxies: Variables,
    clock: Clock,
) -> Result<DaemonEnd, Problem> {
    let internal =
        |e: std::io::Error| Problem::new(Kind::Internal, format!("can't catch signals: {e}"));
    let signals = SignalStream::catch().map_err(internal)?;
    let started_at = clock.now();
    let config = Arc::new(config);
    tracing::info!(egress = %Egress::new(&proxies, &config), "Zendesk is reached");
    let tracker = TaskTracker::new();
    let conditions = Conditions::new(clock.clone());
    let sessions = Sessions::new(Dependencies {
        clock: clock.clone(),
        paths: paths.clone(),
        proxies,
        conditions: conditions.clone(),
        network: Network::watch(),
        tracker: tracker.clone(),
    });

    let prover = Prover::new().map_err(|e| {
        Problem::new(
            Kind::Internal,
            format!("the system provides no random bytes: {e}"),
        )
    })?;
    let keys = Keys::open(&paths, clock.clone());
    let exports = Exports::new(conditions.clone());
    let pipeline = Pipeline::new(
        sessions.clone(),
        keys.clone(),
        prover.clone(),
        exports,
        &config,
    );
    let inherited = Arc::new(inherited);
    let room = Room::now(listeners::count(&config));
    // The current place of the sockets.
    let at = runtime_dir::settle(&paths)?;
    let mut listeners = Listeners::new(
        Arc::clone(&pipeline),
        at.proxy_socket(),
        Arc::clone(&inherited),
        tracker.clone(),
        room,
    );
    // Clients that wait at the supervisor's sockets are served once the sessions exist.
    sessions.apply(&config).await;
    let opened = listeners.open(&config).await;

    let (loaded, loaded_now) = watch::channel(LoadedConfig {
        config,
        path: paths.config_file().display().to_string(),
        system_path: files.system_path(),
        loaded_at: started_at,
        problem: None,
    });
    let (reload, mut reloads) = mpsc::channel(1);
    let (hook, hook_now) = watch::channel(None);
    let notifications = Notifications {
        sessions: sessions.clone(),
        loaded: loaded_now.clone(),
        clock: clock.clone(),
        memory: paths.notices_file(),
        problem: hook,
        tracker: tracker.clone(),
    };
    let stop = CancellationToken::new();
    let control = Control {
        sessions: sessions.clone(),
        keys: keys.clone(),
        loaded: loaded_now,
        conditions,
        listeners: listeners.status(),
        hook: hook_now,
        reload,
        prover,
        clock: clock.clone(),
        started_at,
        places: room.control,
        stopping: stop.clone(),
        tracker: tracker.clone(),
    };
    let mut control_listener =
        ControlListener::new(control, Arc::clone(&inherited), tracker.clone());
    if let Err(problem) = opened.and_then(|()| control_listener.open(&at.control_socket())) {
        // A session may have begun a refresh by itself.
        sessions.shutdown().await;
        return Err(problem);
    }
    tracker.spawn(notifications.run(stop.clone()));
    leave_hint(&at);
    let watchdog = Watchdog::new(sessions.clone(), !inherited.is_empty(), clock.clone());
    let mut daemon = Daemon {
        reloader: Reloader::new(&paths, files, loaded, clock),
        home: Home::new(paths, lock),
        at,
        homeless: 0,
        control_listener,
        sessions,
        pipeline,
        listeners,
        signals,
        watchdog,
    };
    notify::ready("serving");
    tracing::info!(pid = std::process::id(), "ready");
    let ended = daemon.serve(&mut reloads).await;

    notify::stopping();
    tracing::info!("stopping");
    stop.cancel();
    daemon.listeners.close();
    daemon.control_listener.close();
    if let Err(error) = daemon.at.remove_runtime_hint() {
        tracing::debug!(%error, "the hint at the sockets stays");
    }
    daemon.finish(&tracker).await;
    keys.finish();
    ended
}

/// Leaves a hint at where the sockets are.
fn leave_hint(at: &Paths) {
    if let Err(error) = at.write_runtime_hint() {
        tracing::warn!(%error, "commands with a different XDG_RUNTIME_DIR won't find this daemon");
    }
}

/// Why the daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaemonEnd {
    /// A signal asked it to.
    Asked,
    /// Another binary has taken the place of this one.
    Replaced,
}

/// Everything that matters while the daemon serves, or decides when it ends.
struct Daemon {
    home: Home,
    /// The folders, with the current place of the sockets.
    at: Paths,
    /// How often in a row there was no place for the sockets.
    homeless: u32,
    control_listener: ControlListener,
    reloader: Reloader,
    sessions: Sessions,
    pipeline: Arc<Pipeline>,
    listeners: Listeners,
    signals: SignalStream,
    watchdog: Watchdog,
}

impl Daemon {
    /// Serves until there is a reason to end.
    ///
    /// # Errors
    /// If this daemon could no longer be found, or another one has its place.
    async fn serve(
        &mut self,
        asked: &mut mpsc::Receiver<ReloadAnswer>,
    ) -> Result<DaemonEnd, Problem> {
        let mut again = false;
        loop {
            let (answer, found) = if std::mem::take(&mut again) {
                (None, None)
            } else {
                tokio::select! {
                    signal = self.signals.next() => match signal {
                        SignalRequest::Stop => return Ok(DaemonEnd::Asked),
                        SignalRequest::Reload => {
                            telemetry::reopen();
                            (None, None)
                        }
                    },
                    answer = asked.recv() => (answer, None),
                    found = self.reloader.changed() => (None, Some(found)),
                    tick = self.watchdog.tick() => {
                        if tick == WatchdogTick::Look && self.watchdog.is_over(&self.listeners) {
                            return Ok(DaemonEnd::Replaced);
                        }
                        continue;
                    }
                    seen = self.home.seen() => {
                        self.settle(seen).await?;
                        continue;
                    }
                }
            };
            notify::reloading();
            let reload =
                self.reloader
                    .reload(found, &self.sessions, &self.pipeline, &mut self.listeners);
            tokio::pin!(reload);
            // A keyring that doesn't answer can delay this, but not signals or the supervisor.
            let result = loop {
                tokio::select! {
                    result = reload.as_mut() => break result,
                    signal = self.signals.next() => match signal {
                        SignalRequest::Stop => return Ok(DaemonEnd::Asked),
                        // The change may have been read already.
                        SignalRequest::Reload => {
                            telemetry::reopen();
                            again = true;
                        }
                    },
                    _ = self.watchdog.tick() => {}
                }
            };
            notify::ready("serving");
            if let Some(answer) = answer {
                // The caller may have hung up; the outcome is also in the status.
                let _unheard = answer.send(result);
            }
        }
    }

    /// Opens the sockets again where they belong, if they aren't there.
    ///
    /// # Errors
    /// If that has failed for too long, or another daemon has the place of this one.
    async fn settle(&mut self, seen: FoldersSeen) -> Result<(), Problem> {
        let opened = match seen? {
            Ok(at) => self.move_to(at).await,
            Err(problem) => Err(problem),
        };
        match opened {
            Ok(()) => self.homeless = 0,
            Err(problem) if self.homeless < PATIENCE => {
                tracing::warn!(%problem, "the command line can't find this daemon");
                self.homeless += 1;
            }
            Err(problem) => return Err(problem),
        }
        Ok(())
    }

    async fn move_to(&mut self, at: Paths) -> Result<(), Problem> {
        let (control, proxy) = (at.control_socket(), at.proxy_socket());
        if self.control_listener.is_open_at(&control) && self.listeners.has_socket_at(&proxy) {
            return Ok(());
        }
        let folder = at.runtime_dir().display().to_string();
        tracing::warn!(
            folder,
            "the sockets aren't where they belong: opening them again"
        );
        if let Err(error) = self.at.remove_runtime_hint() {
            tracing::debug!(%error, "the hint at the sockets stays");
        }
        self.at = at;
        self.listeners.move_socket_to(proxy.clone());
        let config = self.reloader.config();
        let opened = self.listeners.open(&config).await;
        self.control_listener.open(&control)?;
        leave_hint(&self.at);
        match opened {
            // A port that can't be bound is shown in the status.
            Err(problem) if !self.listeners.has_socket_at(&proxy) => Err(problem),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Lets everything under way finish, unless a second signal forbids it.
    async fn finish(&mut self, tracker: &TaskTracker) {
        let budget = tokio::time::sleep(DRAIN);
        let sessions = self.sessions.clone();
        let finished = async {
            // Never cut short: a refresh that Zendesk has carried out must be stored. Requests go
            // on at the same time.
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
            () = self.watchdog.until_the_end() => {}
            () = stop_again(&mut self.signals) => {
                tracing::warn!("stopped at once by a second signal");
            }
            () = finished => {}
        }
    }
}

async fn stop_again(signals: &mut SignalStream) {
    while signals.next().await != SignalRequest::Stop {}
}

/// Receives the outcome of a requested reload.
type ReloadAnswer = tokio::sync::oneshot::Sender<Result<(), Problem>>;

/// How often in a row opening the sockets may fail before the daemon, which can't be reached then,
/// ends. A disk that is full for a moment isn't a reason.
const PATIENCE: u32 = 6;

/// For requests in flight, from the signal on. Enough for all but very long downloads; scripts that
/// connect during this time wait for the next daemon.
const DRAIN: Duration = Duration::from_secs(15);
