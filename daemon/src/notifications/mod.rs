//! Notifies users of what happens to their sessions, once for each cause: on the desktop, and by
//! the command of `hooks.session-event`.
//!
//! ```text
//! sessions ── views ──► diff ── memory ───┬──► desktop   (D-Bus, osascript)
//!                        what is new?     └──► hook      (a command of the user's)
//! ```
//!
//! It only observes sessions and never asks them for anything, so nothing here can delay one. What
//! is about to be reported is first recorded on disk: a daemon that keeps restarting reports
//! nothing twice. Without a bus or a notification service, the desktop stays silent and the command
//! still runs.

mod desktop;
mod diff;
mod hook;
mod memory;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use loopdesk_protocol::Problem;
use loopdesk_protocol::event::{self, SessionEvent, SessionEventKind};
use loopdesk_protocol::status::State;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::diff::NotifiedState;
use crate::clock::Clock;
use crate::config::live::LoadedConfig;
use crate::session::{Sessions, View};

/// Everything that notifying users needs.
#[derive(Debug)]
pub struct Notifications {
    /// The accounts' sessions.
    pub sessions: Sessions,
    /// The configuration in use.
    pub loaded: watch::Receiver<LoadedConfig>,
    /// Tells the time.
    pub clock: Clock,
    /// The file that records what was reported.
    pub memory: PathBuf,
    /// Holds the reason why the command can't be run.
    pub problem: watch::Sender<Option<Problem>>,
    /// Tracks the tasks.
    pub tracker: TaskTracker,
}

impl Notifications {
    /// Watches for news until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let (to_desktop, shown) = mpsc::channel(QUEUE);
        let (to_hook, run) = mpsc::channel(QUEUE);
        self.tracker.spawn(desktop::work(shown, stop.clone()));
        let hook = hook::Worker {
            events: run,
            loaded: self.loaded.clone(),
            problem: self.problem.clone(),
        };
        self.tracker.spawn(hook.work(stop.clone()));
        let told = memory::read(&self.memory).await;
        let mut notifier = Notifier {
            notifications: self,
            told,
            to_desktop,
            to_hook,
        };
        tokio::select! {
            () = notifier.tell() => {}
            () = stop.cancelled() => {}
        }
    }
}

struct Notifier {
    notifications: Notifications,
    told: BTreeMap<String, NotifiedState>,
    to_desktop: mpsc::Sender<SessionEvent>,
    to_hook: mpsc::Sender<SessionEvent>,
}

impl Notifier {
    async fn tell(&mut self) {
        let mut loaded = self.notifications.loaded.clone();
        loop {
            let mut watched = self.watch();
            loop {
                self.look().await;
                tokio::select! {
                    changed = loaded.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    Some(Ok(Some(changes))) = watched.join_next() => {
                        watched.spawn(next(changes));
                        // A change that reverts at once isn't news.
                        tokio::time::sleep(SETTLE).await;
                    }
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
        }
    }

    fn watch(&self) -> JoinSet<Option<SnapshotChanges>> {
        let sessions = self.notifications.sessions.all();
        let next = sessions.into_iter().map(|session| next(session.changes()));
        next.collect()
    }

    /// Compares every session with what was reported about it.
    async fn look(&mut self) {
        let now = self.notifications.clock.now();
        let views: Vec<View> = self
            .notifications
            .sessions
            .all()
            .iter()
            .map(|s| s.view())
            .collect();
        let before = self.told.clone();
        let mut news = Vec::new();
        self.told
            .retain(|name, _| views.iter().any(|view| view.name.as_str() == name));
        for view in &views {
            let told = self.told.entry(view.name.to_string()).or_default();
            if let Some(event) = diff::diff(told, view, now) {
                news.push(describe(event, view, now));
            }
        }
        self.told
            .retain(|_, told| *told != NotifiedState::default());
        if self.told != before {
            memory::write(&self.notifications.memory, &self.told).await;
        }
        for event in news {
            tracing::info!(account = event.account, event = ?event.event, "notifying");
            for queue in [&self.to_desktop, &self.to_hook] {
                if queue.try_send(event.clone()).is_err() {
                    tracing::warn!(
                        account = event.account,
                        "the notification queue is full; one notification is lost"
                    );
                }
            }
        }
    }
}

type SnapshotChanges = watch::Receiver<std::sync::Arc<crate::session::Snapshot>>;

/// `None` once the session no longer exists.
async fn next(mut changes: SnapshotChanges) -> Option<SnapshotChanges> {
    changes.changed().await.ok().map(|()| changes)
}

fn describe(event: SessionEventKind, view: &View, now: Timestamp) -> SessionEvent {
    let problem = view
        .problem
        .clone()
        .filter(|_| event != SessionEventKind::Restored);
    let (message, fix) = match problem {
        Some(problem) => (problem.message, problem.hints),
        None => (
            format!("the session of account `{}` works again", view.name),
            Vec::new(),
        ),
    };
    SessionEvent {
        version: event::VERSION,
        event,
        account: view.name.to_string(),
        at: now,
        // A refresh that happens to be in progress doesn't concern the user.
        state: if view.state == State::Rotating {
            State::Active
        } else {
            view.state
        },
        message,
        fix,
        until: view.expiry_warning.map(|warning| warning.until),
    }
}

/// More than there are accounts; while a command hangs, further events wait here.
const QUEUE: usize = 64;
/// R6: how often the wall clock is checked; days pass without any other change.
const LOOK: Duration = Duration::from_secs(30);
/// A session that has just been loaded, or refreshed after a suspend, goes through several states
/// at once.
const SETTLE: Duration = Duration::from_millis(100);
