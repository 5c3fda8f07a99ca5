//! Detects changes of the configuration files, once their contents have settled.
//!
//! Editors truncate and write, or write another file and rename it; some setups swap a symbolic link.
//! So this watches the folder of each file, and the folder of the file that it links to. An event is
//! only a hint: the files are read again, and reported once their contents haven't changed for a while.

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

use super::files::{ConfigFiles, ConfigPaths};

/// Watches the files until it is dropped.
#[derive(Debug)]
pub struct ConfigWatch {
    changed: watch::Receiver<Option<Arc<ConfigFiles>>>,
    _task: AbortOnDropHandle<()>,
}

impl ConfigWatch {
    /// Watches the files at `paths`, while `in_use` holds the ones in use. Needs a runtime.
    pub fn start(paths: ConfigPaths, in_use: watch::Receiver<ConfigFiles>) -> Self {
        let (tell, changed) = watch::channel(None);
        let task = tokio::spawn(run(paths, in_use, tell));
        Self {
            changed,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Waits until the files have changed and settled. Cancel-safe.
    pub async fn changed(&mut self) -> Arc<ConfigFiles> {
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
    paths: ConfigPaths,
    in_use: watch::Receiver<ConfigFiles>,
    tell: watch::Sender<Option<Arc<ConfigFiles>>>,
) {
    let woken = Arc::new(Notify::new());
    let mut watched = FsWatcher::default();
    let mut known = in_use.borrow().clone();
    // A change that hasn't settled yet, and since when the files have these contents.
    let mut pending: Option<(ConfigFiles, Instant)> = None;
    loop {
        // Watch first, then read: a change in between causes an event.
        watched.update(&paths, &woken).await;
        let found = read(&paths).await;
        let wait = if found.have_same_contents(&known) {
            pending = None;
            POLL
        } else {
            let since = match pending.take() {
                Some((before, since)) if before.have_same_contents(&found) => since,
                Some(_) | None => Instant::now(),
            };
            let debounce = debounce(&found, &in_use.borrow());
            let left = debounce.saturating_sub(since.elapsed());
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

/// Reads the files on a blocking thread: a home folder may be on a slow network drive.
async fn read(paths: &ConfigPaths) -> ConfigFiles {
    let blocking = paths.clone();
    let read = tokio::task::spawn_blocking(move || ConfigFiles::read(&blocking));
    match read.await {
        Ok(files) => files,
        Err(_) => ConfigFiles::read(paths),
    }
}

/// How long the files must stay as in `found` before they are reported.
///
/// A half-written file may be valid TOML, and an empty one always is, and would remove accounts.
fn debounce(found: &ConfigFiles, in_use: &ConfigFiles) -> Duration {
    if found.have_shrunk_since(in_use) {
        SHRUNK_DEBOUNCE
    } else {
        DEBOUNCE
    }
}

/// The folders that are watched.
#[derive(Debug, Default)]
struct FsWatcher {
    folders: BTreeSet<FolderId>,
    /// Watches until it is dropped.
    watcher: Option<RecommendedWatcher>,
    /// Whether a folder couldn't be watched.
    is_degraded: bool,
}

/// A path, device and inode: a watch doesn't cover another folder that later gets the same path.
type FolderId = (PathBuf, u64, u64);

impl FsWatcher {
    /// Watches the folders that matter for `paths` now, and wakes `woken` on changes.
    async fn update(&mut self, paths: &ConfigPaths, woken: &Arc<Notify>) {
        let paths = paths.clone();
        let Ok(targets) = tokio::task::spawn_blocking(move || WatchTargets::of(&paths)).await
        else {
            return;
        };
        if self.watcher.is_some() && !self.is_degraded && self.folders == targets.folders {
            return;
        }
        self.folders.clone_from(&targets.folders);
        let woken = Arc::clone(woken);
        let watching = tokio::task::spawn_blocking(move || targets.watch(woken)).await;
        let watching = watching.unwrap_or_else(|e| Err(notify::Error::generic(&e.to_string())));
        let was_degraded = self.is_degraded;
        let (watcher, degraded) = match watching {
            Ok((watcher, degraded)) => (Some(watcher), degraded),
            Err(error) => (None, Some(error)),
        };
        self.watcher = watcher;
        self.is_degraded = degraded.is_some();
        if let (Some(error), false) = (degraded, was_degraded) {
            let late = POLL.as_secs();
            tracing::warn!(%error, "can't watch the configuration: changes may take {late} s to be noticed");
        }
    }
}

/// What to watch in the current file system.
#[derive(Debug, Default)]
struct WatchTargets {
    folders: BTreeSet<FolderId>,
    /// The files in them, or in a subfolder that doesn't exist yet.
    names: Vec<PathBuf>,
}

impl WatchTargets {
    /// May block.
    fn of(paths: &ConfigPaths) -> Self {
        #[cfg(test)]
        LISTED_BY.with(|times| times.set(times.get() + 1));
        let mut targets = Self::default();
        for file in paths.user.iter().chain([&paths.system]) {
            targets.add(file);
            // The target of a link.
            if let Ok(real) = file.canonicalize() {
                targets.add(&real);
            }
        }
        targets
    }

    /// Adds the file's folder, or the nearest one above it that exists. It is added by its real path,
    /// which some systems use in events.
    fn add(&mut self, file: &Path) {
        for folder in file.ancestors().skip(1) {
            let (Ok(real), Ok(rest)) = (folder.canonicalize(), file.strip_prefix(folder)) else {
                continue;
            };
            // Never the root: some systems can only watch a folder with everything below it.
            if real.parent().is_some()
                && let Ok(meta) = real.metadata()
            {
                self.names.push(real.join(rest));
                self.folders.insert((real, meta.dev(), meta.ino()));
            }
            return;
        }
    }

    /// Wakes `woken` on every change. Also returns an error if a folder can't be watched. May block.
    fn watch(
        self,
        woken: Arc<Notify>,
    ) -> notify::Result<(RecommendedWatcher, Option<notify::Error>)> {
        let names = self.names;
        let seen = move |result: notify::Result<Event>| {
            // After an error, a change may have been missed.
            if result.is_ok_and(|event| !concerns(&event, &names)) {
                return;
            }
            woken.notify_one();
        };
        let mut watcher = RecommendedWatcher::new(seen, Config::default())?;
        let mut degraded = None;
        for (folder, ..) in &self.folders {
            let watched = watcher.watch(folder, RecursiveMode::NonRecursive);
            degraded = watched.err().or(degraded);
        }
        Ok((watcher, degraded))
    }
}

/// Whether one of the files may have changed.
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
    // Anything next to a file counts: it may be a link on the way to it, as in Kubernetes volumes.
    let is_near = |path: &PathBuf| {
        let mut names = names.iter();
        names.any(|name| name.starts_with(path) || name.parent() == path.parent())
    };
    event.need_rescan() || (!is_reading && event.paths.iter().any(is_near))
}

/// Longer than a program pauses in the middle of writing a small file, but short enough to seem instant.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// If a file is shorter than the one in use, it is probably still being written. `loopdesk config
/// reload` and SIGHUP don't wait.
const SHRUNK_DEBOUNCE: Duration = Duration::from_secs(2);

/// How soon a change is noticed without an event: on network drives, if the system is out of watches,
/// if a folder isn't readable, or after a folder was replaced by another one.
const POLL: Duration = Duration::from_secs(30);

#[cfg(test)]
thread_local! {
    /// How often this thread has listed what to watch, which blocks on the file system.
    static LISTED_BY: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests;
