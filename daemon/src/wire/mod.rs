//! Builds every part in the order of the flow, and takes them down again.

mod doors;
pub mod flow;
mod life;
mod reload;

use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::{Kind, Paths, Problem};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::doors::Doors;
use self::flow::Flow;
use self::life::Life;
use self::reload::Reloader;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::live::Loaded;
use crate::control::Control;
use crate::listener;
use crate::notices::Notices;
use crate::proof::Prover;
use crate::session::{Deps, Sessions};
use crate::supervise::notify;
use crate::supervise::signals::{Asked, Signals};
use crate::supervise::sockets::Inherited;

/// Runs the daemon until a signal ends it. The folders of `paths` exist and are private, and this
/// process holds the instance lock. What `inherited` holds isn't bound again.
///
/// # Errors
/// What keeps the daemon from serving: a port or a socket that can't be had.
pub async fn run(
    paths: Paths,
    config: Config,
    inherited: Inherited,
    clock: Clock,
) -> Result<Ended, Problem> {
    let internal = |e: std::io::Error| Problem::new(Kind::Internal, format!("no signals: {e}"));
    let mut signals = Signals::catch().map_err(internal)?;
    let started_at = clock.now();
    let config = Arc::new(config);
    let tracker = TaskTracker::new();
    let sessions = Sessions::new(Deps {
        clock: clock.clone(),
        paths: paths.clone(),
        tracker: tracker.clone(),
    });

    let prover =
        Prover::new().map_err(|e| Problem::new(Kind::Internal, format!("no random bytes: {e}")))?;
    let flow = Flow::new(sessions.clone(), prover.clone(), &config);
    let inherited = Arc::new(inherited);
    let mut doors = Doors::new(
        Arc::clone(&flow),
        paths.proxy_socket(),
        Arc::clone(&inherited),
        tracker.clone(),
    );
    doors.open(&config)?;
    let given = inherited
        .unix(&paths.control_socket())
        .map_err(doors::lost)?;
    let control_socket = given.map_or_else(|| listener::bind::unix(&paths.control_socket()), Ok)?;
    sessions.apply(&config).await;

    let (loaded, loaded_now) = watch::channel(Loaded {
        config,
        path: paths.config_file().display().to_string(),
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
        loaded: loaded_now,
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
    let own_paths = paths.clone();
    let life_clock = clock.clone();
    let mut reloader = Reloader::new(paths, loaded, clock);
    notify::ready("serving");
    tracing::info!(pid = std::process::id(), "ready");

    let mut life = Life::new(sessions.clone(), life_clock);
    let ended = 'served: loop {
        let answer = tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop => break Ended::Asked,
                Asked::Reload => {
                    notify::reloading();
                    None
                }
            },
            answer = reloads.recv() => answer,
            () = reloader.changed() => None,
            () = life.beat() => {
                if life.is_over(&doors) {
                    break Ended::Replaced;
                }
                continue;
            }
        };
        let reload = reloader.reload(&sessions, &flow, &mut doors);
        tokio::pin!(reload);
        // A keyring that doesn't answer can hold this up; neither signals nor the supervisor wait.
        let result = loop {
            tokio::select! {
                result = reload.as_mut() => break result,
                asked = signals.next() => if asked == Asked::Stop {
                    break 'served Ended::Asked;
                },
                () = life.beat() => {}
            }
        };
        notify::ready("serving");
        if let Some(answer) = answer {
            // Whoever asked may have hung up; the outcome shows in the status.
            let _unheard = answer.send(result);
        }
    };

    notify::stopping();
    tracing::info!("stopping");
    stop.cancel();
    doors.close();
    // A name without a listener would look like a crash to the next start.
    let control = own_paths.control_socket();
    if !inherited.has_unix(&control)
        && let Err(error) =
            std::fs::remove_file(control).and_then(|()| own_paths.remove_runtime_hint())
    {
        tracing::debug!(%error, "the control socket's name stays");
    }
    // Never cut short: a refresh that Zendesk has carried out must be stored.
    sessions.shutdown().await;
    tracker.close();
    tokio::select! {
        () = tracker.wait() => tracing::info!("stopped"),
        () = tokio::time::sleep(DRAIN) => tracing::warn!(
            "stopped with {} tasks unfinished after {} s", tracker.len(), DRAIN.as_secs()
        ),
        _ = again(&mut signals) => tracing::warn!("stopped at once, on a second signal"),
    }
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

async fn again(signals: &mut Signals) -> Asked {
    loop {
        if signals.next().await == Asked::Stop {
            return Asked::Stop;
        }
    }
}

/// Under the 20 s after which launchd kills, and enough for any but a very long download.
const DRAIN: Duration = Duration::from_secs(15);
