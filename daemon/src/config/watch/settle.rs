//! When a file that is being written is whole.
//!
//! A half-written file may be valid TOML, and an empty one is: it would take every account away.
//! So a file counts once it has stayed untouched for a while; not before whoever has opened it to
//! write has closed it, where the system tells; and later if it has just become empty.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::EventKind;
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};

use tokio::time::timeout;

use super::Eyes;
use super::lease::is_open_for_writing;
use crate::config::files::{Files, Places};

/// The files once nobody has touched them for a while, or once they hold what `known` holds.
///
/// Where a link leads to another folder meanwhile, `eyes` turn there at once, and events tell
/// nothing of who had begun to write there before: so the system is asked as well.
pub(super) async fn settled(places: &Places, known: &Files, eyes: &mut Eyes) -> Files {
    let mut before = read(places).await;
    let mut waiting_since = None;
    while !before.hold_the_same(known) {
        let event = timeout(patience(&before, known), eyes.woken.notified()).await;
        if event.is_ok() {
            eyes.turn_to(places).await;
        }
        let after = read(places).await;
        let is_quiet = event.is_err() && !eyes.writers.are_at_work();
        if is_quiet && after.are_untouched_since(&before) {
            let since = waiting_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= WRITER || are_whole(places, &after).await {
                return after;
            }
        } else {
            waiting_since = None;
        }
        before = after;
    }
    before
}

/// A home folder may be far away.
async fn read(places: &Places) -> Files {
    let blocking = places.clone();
    let read = tokio::task::spawn_blocking(move || Files::read(&blocking));
    match read.await {
        Ok(files) => files,
        Err(_) => Files::read(places),
    }
}

/// Whether nobody is writing to the files, which are still as they were `seen`. In this order: whoever
/// was in the middle of it and has ended just now has left something else than was seen.
async fn are_whole(places: &Places, seen: &Files) -> bool {
    !is_being_written(places).await && read(places).await.are_untouched_since(seen)
}

async fn is_being_written(places: &Places) -> bool {
    let blocking = places.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let mut files = blocking.user.iter().chain([&blocking.system]);
        files.any(|path| is_open_for_writing(path))
    });
    asked.await.unwrap_or(false)
}

/// Who has begun to write to a file and not ended yet, as far as the system tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Writers(Arc<Mutex<HashMap<PathBuf, Instant>>>);

impl Writers {
    /// Learns from an event; whether the file's contents may be others now.
    pub(super) fn note(&self, path: &Path, kind: &EventKind) -> bool {
        match kind {
            EventKind::Modify(ModifyKind::Data(_)) if TELLS_THE_END => {
                self.open().insert(path.to_owned(), Instant::now());
                true
            }
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Remove(_)
            | EventKind::Create(_)
            | EventKind::Modify(ModifyKind::Name(
                RenameMode::From | RenameMode::To | RenameMode::Both,
            )) => {
                self.open().remove(path);
                true
            }
            EventKind::Any | EventKind::Modify(_) | EventKind::Other => true,
            // Our own reading.
            EventKind::Access(_) => false,
        }
    }

    fn are_at_work(&self) -> bool {
        let mut open = self.open();
        open.retain(|_, since| since.elapsed() < WRITER);
        !open.is_empty()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<PathBuf, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn patience(now: &Files, known: &Files) -> Duration {
    if now.emptied_since(known).next().is_some() {
        EMPTIED
    } else {
        QUIET
    }
}

/// Longer than programs pause in the middle of a small file, short enough to seem instant.
pub(super) const QUIET: Duration = Duration::from_millis(200);

/// An empty file is more often one about to be written than one that is meant.
const EMPTIED: Duration = Duration::from_secs(2);

/// A program that keeps a file open for longer has ended its change without closing it.
const WRITER: Duration = Duration::from_secs(10);

/// inotify tells when a file that was open for writing is closed; FSEvents doesn't.
const TELLS_THE_END: bool = cfg!(target_os = "linux");

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn o2_what_was_seen_of_a_file_before_its_writer_ended_is_not_whole() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places {
            user: Some(dir.path().join("config.toml")),
            system: dir.path().join("none"),
        };
        let mut writer = File::create(dir.path().join("config.toml")).unwrap();
        writer.write_all(b"half").unwrap();
        let half = read(&places).await;
        assert!(!are_whole(&places, &half).await, "it is being written");
        writer.write_all(b" and half").unwrap();
        drop(writer);
        assert!(!are_whole(&places, &half).await, "it was when it was seen");
        let whole = read(&places).await;
        assert!(are_whole(&places, &whole).await);
    }
}
