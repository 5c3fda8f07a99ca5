//! Notices that the configuration's files have changed, and waits until nobody is writing to them.
//!
//! Editors truncate and write, or write beside the file and rename; some set-ups swap a symbolic
//! link, or a link to a folder. So the folders are watched in which any name lies that leads to
//! a file (`trail`), and an event is a hint only: the files are read, and count once they have
//! stayed as they are for a while (`settle`).

mod lease;
mod settle;
mod trail;

use std::sync::Arc;
use std::time::Duration;

use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

use self::settle::{Writers, settled};
use self::trail::Trail;
use super::files::{Files, Places};

/// Watches for as long as it lives.
#[derive(Debug)]
pub struct ConfigWatch {
    changed: watch::Receiver<Option<Arc<Files>>>,
    _task: AbortOnDropHandle<()>,
}

impl ConfigWatch {
    /// Watches the files at `places`, which held `known`. Needs a runtime.
    pub fn start(places: Places, known: Files) -> Self {
        let (tell, changed) = watch::channel(None);
        let task = tokio::spawn(run(places, known, tell));
        Self {
            changed,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// The files, once they have changed and have settled. Can be cancelled without losing any.
    pub async fn changed(&mut self) -> Arc<Files> {
        loop {
            if self.changed.changed().await.is_err() {
                // Nobody watches any more: SIGHUP and `loopdesk config reload` remain.
                return std::future::pending().await;
            }
            let newest = self.changed.borrow_and_update().clone();
            if let Some(files) = newest {
                return files;
            }
        }
    }
}

async fn run(places: Places, mut known: Files, tell: watch::Sender<Option<Arc<Files>>>) {
    let woken = Arc::new(Notify::new());
    let mut eyes = Eyes::new(Arc::clone(&woken));
    loop {
        // Watched first, then looked at: what changes in between is an event.
        eyes.turn_to(&places).await;
        let found = settled(&places, &known, &mut eyes).await;
        if !found.hold_the_same(&known) {
            known = found.clone();
            tell.send_replace(Some(Arc::new(found)));
        }
        if eyes.trail != trail(&places).await {
            continue;
        }
        // Also where all folders are seen: nothing tells of a home that is mounted over one of them.
        let _late = tokio::time::timeout(BLIND, woken.notified()).await;
    }
}

/// The trail as it is now. A home folder may be far away.
async fn trail(places: &Places) -> Trail {
    let places = places.clone();
    let walked = tokio::task::spawn_blocking(move || Trail::of(&places));
    walked.await.unwrap_or_default()
}

/// What sees changes in folders.
#[derive(Debug)]
struct Eyes {
    trail: Trail,
    writers: Writers,
    woken: Arc<Notify>,
    /// Sees for as long as it lives.
    watcher: Option<RecommendedWatcher>,
    /// Why some folder isn't seen.
    blind: Option<notify::Error>,
}

impl Eyes {
    fn new(woken: Arc<Notify>) -> Self {
        Self {
            trail: Trail::default(),
            writers: Writers::default(),
            woken,
            watcher: None,
            blind: None,
        }
    }

    /// Sees changes on the way to `places` from now on.
    async fn turn_to(&mut self, places: &Places) {
        let trail = trail(places).await;
        if self.watcher.is_some() && self.blind.is_none() && self.trail == trail {
            return;
        }
        self.trail = trail;
        let was_blind = self.blind.take().is_some();
        let (trail, seen) = (self.trail.clone(), self.seen());
        let watching = tokio::task::spawn_blocking(move || watch(&trail, seen));
        let watching = watching.await;
        match watching.unwrap_or_else(|e| Err(notify::Error::generic(&e.to_string()))) {
            // The last one sees until this one does. It can't be turned: it may have followed a
            // folder to another name.
            Ok((watcher, blind)) => {
                self.watcher = Some(watcher);
                self.blind = blind;
            }
            Err(error) => {
                self.watcher = None;
                self.blind = Some(error);
            }
        }
        if let (Some(error), false) = (&self.blind, was_blind) {
            let late = BLIND.as_secs();
            tracing::warn!(%error, "changes of the configuration may be noticed only after {late} s");
        }
    }

    /// Takes what a watcher sees.
    fn seen(&self) -> impl Fn(notify::Result<Event>) + Send + 'static {
        let woken = Arc::clone(&self.woken);
        let names = self.trail.names().clone();
        let writers = self.writers.clone();
        move |result: notify::Result<Event>| {
            let concerns = match &result {
                // It may hide a change.
                Err(_) => true,
                Ok(event) if event.need_rescan() => true,
                Ok(event) => {
                    let mut ours = event.paths.iter().filter(|path| names.contains(*path));
                    ours.any(|path| writers.note(path, &event.kind))
                }
            };
            if concerns {
                woken.notify_one();
            }
        }
    }
}

/// Watches the folders of `trail`; and why some of them aren't. May block.
fn watch(
    trail: &Trail,
    seen: impl Fn(notify::Result<Event>) + Send + 'static,
) -> notify::Result<(RecommendedWatcher, Option<notify::Error>)> {
    let mut watcher = RecommendedWatcher::new(seen, Config::default())?;
    let mut blind = None;
    for folder in trail.folders() {
        let watched = watcher.watch(folder, RecursiveMode::NonRecursive);
        blind = watched.err().or(blind);
    }
    Ok((watcher, blind))
}

/// How soon a change is noticed where the system doesn't tell, for want of watches or of the right
/// to read a folder, or since a whole folder was put over another one.
const BLIND: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
