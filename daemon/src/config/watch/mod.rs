//! Notices that the configuration's files have changed, and waits until nobody is writing to them.
//!
//! Editors truncate and write, or write beside the file and rename; some setups swap a symbolic link.
//! So the folder of each file is watched, and that of the file it links to. An event is a hint only:
//! the files are read, and count once they have held the same for a while.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::files::{Files, Places};

/// Watches for as long as it lives.
#[derive(Debug)]
pub struct ConfigWatch {
    changed: watch::Receiver<Option<Arc<Files>>>,
    _task: AbortOnDropHandle<()>,
}

impl ConfigWatch {
    /// Watches the files at `places`, of which those `in_use` are the ones in use. Needs a runtime.
    pub fn start(places: Places, in_use: watch::Receiver<Files>) -> Self {
        let (tell, changed) = watch::channel(None);
        let task = tokio::spawn(run(places, in_use, tell));
        Self {
            changed,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// The files, once they have changed and are whole. Can be cancelled without losing any.
    pub async fn changed(&mut self) -> Arc<Files> {
        loop {
            if self.changed.changed().await.is_err() {
                // The task has stopped: SIGHUP and `loopdesk config reload` remain.
                return std::future::pending().await;
            }
            let newest = self.changed.borrow_and_update().clone();
            if let Some(files) = newest {
                return files;
            }
        }
    }
}

async fn run(
    places: Places,
    in_use: watch::Receiver<Files>,
    tell: watch::Sender<Option<Arc<Files>>>,
) {
    let woken = Arc::new(Notify::new());
    let mut watched = Watched::default();
    let mut known = in_use.borrow().clone();
    // What the files hold now, and since when.
    let mut pending: Option<(Files, Instant)> = None;
    loop {
        // Watched first, then read: what changes in between is an event.
        watched.turn_to(&places, &woken).await;
        let found = read(&places).await;
        let wait = if found.hold_the_same(&known) {
            pending = None;
            POLL
        } else {
            let since = match pending.take() {
                Some((before, since)) if before.hold_the_same(&found) => since,
                Some(_) | None => Instant::now(),
            };
            let quiet = quiet(&found, &in_use.borrow());
            let left = quiet.saturating_sub(since.elapsed());
            if left.is_zero() {
                known = found.clone();
                tell.send_replace(Some(Arc::new(found)));
                continue;
            }
            pending = Some((found, since));
            left
        };
        let _event = timeout(wait, woken.notified()).await;
    }
}

/// Doesn't block a thread of the runtime: a home folder may be far away.
async fn read(places: &Places) -> Files {
    let blocking = places.clone();
    let read = tokio::task::spawn_blocking(move || Files::read(&blocking));
    match read.await {
        Ok(files) => files,
        Err(_) => Files::read(places),
    }
}

/// For how long files that hold this must not change before they count.
///
/// A half-written file may be valid TOML, and an empty one is: it would take accounts away.
fn quiet(found: &Files, in_use: &Files) -> Duration {
    if found.have_shrunk_since(in_use) {
        SHRUNK
    } else {
        QUIET
    }
}

/// The folders that are watched.
#[derive(Debug, Default)]
struct Watched {
    folders: BTreeSet<Folder>,
    /// Sees for as long as it lives.
    watcher: Option<RecommendedWatcher>,
    /// Whether some folder isn't seen.
    is_blind: bool,
}

/// By device and inode too: watching a folder isn't watching another one of the same name.
type Folder = (PathBuf, u64, u64);

impl Watched {
    /// Watches the folders that matter for `places` now, and wakes `woken` from now on.
    async fn turn_to(&mut self, places: &Places, woken: &Arc<Notify>) {
        let places = places.clone();
        let Ok(targets) = tokio::task::spawn_blocking(move || Targets::of(&places)).await else {
            return;
        };
        if self.watcher.is_some() && !self.is_blind && self.folders == targets.folders {
            return;
        }
        self.folders.clone_from(&targets.folders);
        let woken = Arc::clone(woken);
        let watching = tokio::task::spawn_blocking(move || targets.watch(woken)).await;
        let watching = watching.unwrap_or_else(|e| Err(notify::Error::generic(&e.to_string())));
        let was_blind = self.is_blind;
        let (watcher, blind) = match watching {
            Ok((watcher, blind)) => (Some(watcher), blind),
            Err(error) => (None, Some(error)),
        };
        self.watcher = watcher;
        self.is_blind = blind.is_some();
        if let (Some(error), false) = (blind, was_blind) {
            let late = POLL.as_secs();
            tracing::warn!(%error, "changes of the configuration may be noticed only after {late} s");
        }
    }
}

/// What to watch, as the file system is now.
#[derive(Debug, Default)]
struct Targets {
    folders: BTreeSet<Folder>,
    /// The files in them, or below a folder that isn't there yet.
    names: Vec<PathBuf>,
}

impl Targets {
    /// May block.
    fn of(places: &Places) -> Self {
        #[cfg(test)]
        LISTED_BY.with(|times| times.set(times.get() + 1));
        let mut targets = Self::default();
        for file in places.user.iter().chain([&places.system]) {
            targets.add(file);
            // The file that a link leads to.
            if let Ok(real) = file.canonicalize() {
                targets.add(&real);
            }
        }
        targets
    }

    /// The file's folder, or where that isn't there the nearest one above it, by its real name: some
    /// systems report events by that.
    fn add(&mut self, file: &Path) {
        for folder in file.ancestors().skip(1) {
            let (Ok(real), Ok(rest)) = (folder.canonicalize(), file.strip_prefix(folder)) else {
                continue;
            };
            // Some systems can watch a folder only with everything below it.
            if real.parent().is_some()
                && let Ok(meta) = real.metadata()
            {
                self.names.push(real.join(rest));
                self.folders.insert((real, meta.dev(), meta.ino()));
            }
            return;
        }
    }

    /// Wakes `woken` at every change; and why not of every folder. May block.
    fn watch(
        self,
        woken: Arc<Notify>,
    ) -> notify::Result<(RecommendedWatcher, Option<notify::Error>)> {
        let names = self.names;
        let seen = move |result: notify::Result<Event>| {
            // An error may hide a change.
            if result.is_ok_and(|event| !concerns(&event, &names)) {
                return;
            }
            woken.notify_one();
        };
        let mut watcher = RecommendedWatcher::new(seen, Config::default())?;
        let mut blind = None;
        for (folder, ..) in &self.folders {
            let watched = watcher.watch(folder, RecursiveMode::NonRecursive);
            blind = watched.err().or(blind);
        }
        Ok((watcher, blind))
    }
}

/// Whether one of the files may hold something else now.
fn concerns(event: &Event, names: &[PathBuf]) -> bool {
    let is_reading = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => false,
    };
    // What lies beside a file may be a link on its way, as volumes of Kubernetes have it.
    let is_near = |path: &PathBuf| {
        let mut names = names.iter();
        names.any(|name| name.starts_with(path) || name.parent() == path.parent())
    };
    event.need_rescan() || (!is_reading && event.paths.iter().any(is_near))
}

/// Longer than programs pause in the middle of a small file, short enough to seem instant.
const QUIET: Duration = Duration::from_millis(200);

/// A file that is shorter than the one in use is more often one that is being written than one that
/// is meant. `loopdesk config reload` and SIGHUP don't wait.
const SHRUNK: Duration = Duration::from_secs(2);

/// How soon a change is noticed where no event tells: on network drives, for want of watches or of
/// the right to read a folder, or when another folder was put in a folder's place.
const POLL: Duration = Duration::from_secs(30);

#[cfg(test)]
thread_local! {
    /// How often this thread has waited for a file system.
    static LISTED_BY: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests;
