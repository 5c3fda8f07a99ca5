//! Notices that the configuration's file may have changed.
//!
//! Editors replace a file by a rename and some set-ups swap a link, so the folder is watched and
//! not the file. Events are a hint only: whoever gets one reads the file and compares.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify_debouncer_full::notify::event::{AccessKind, AccessMode};
use notify_debouncer_full::notify::{Config, EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, NoCache, new_debouncer_opt};
use tokio::sync::Notify;

/// Watches for as long as it lives.
#[derive(Debug)]
pub struct ConfigWatch {
    _debouncer: Debouncer<RecommendedWatcher, NoCache>,
}

impl ConfigWatch {
    /// Watches the folder of `file`, and the one that it links to; `changed` is notified.
    ///
    /// # Errors
    /// As the system says, for example where the folder doesn't exist.
    pub fn start(file: &Path, changed: Arc<Notify>) -> notify::Result<Self> {
        let told = move |result: DebounceEventResult| {
            // An error may hide a change; the reader finds out.
            if result.is_err() || result.is_ok_and(|e| e.iter().any(|e| is_change(&e.kind))) {
                changed.notify_one();
            }
        };
        let options = Config::default();
        let mut debouncer = new_debouncer_opt(DEBOUNCE, None, told, NoCache::new(), options)?;
        if let Some(folder) = file.parent() {
            debouncer.watch(folder, RecursiveMode::NonRecursive)?;
            let target = file.canonicalize().ok();
            if let Some(other) = target.as_deref().and_then(Path::parent)
                && folder.canonicalize().is_ok_and(|folder| folder != other)
            {
                debouncer.watch(other, RecursiveMode::NonRecursive)?;
            }
        }
        Ok(Self {
            _debouncer: debouncer,
        })
    }
}

/// Whether an event can mean new contents. Our own reading of the file is an event too.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// Long enough for an editor's burst of events, short enough to seem instant.
const DEBOUNCE: Duration = Duration::from_millis(100);
