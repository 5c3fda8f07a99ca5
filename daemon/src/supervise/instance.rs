//! One daemon per state folder, by a lock that ends with the process.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use loopdesk_protocol::{Kind, Problem};

/// Holds the lock for as long as it or any clone lives.
#[derive(Clone, Debug)]
pub struct InstanceLock {
    path: PathBuf,
    /// One file per state folder that has been at this path, each locked.
    files: Arc<Mutex<Vec<File>>>,
}

impl InstanceLock {
    /// Takes the lock at `path`, whose folder must be private already.
    ///
    /// # Errors
    /// [`LockRefused::Held`] if another daemon holds it.
    pub fn take(path: &Path) -> Result<Self, LockRefused> {
        let mut file = open(path).map_err(|e| unusable(path, &e))?;
        match file.try_lock() {
            Ok(()) => Self::sign(path, file).map_err(|e| unusable(path, &e)),
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // A lock without a readable pid is still held.
                let _unreadable = file.read_to_string(&mut pid);
                Err(LockRefused::Held {
                    pid: pid.trim().to_owned(),
                })
            }
            Err(TryLockError::Error(error)) => Err(unusable(path, &error)),
        }
    }

    /// Like [`InstanceLock::take`], but waits up to `patience` for another daemon to end; calls
    /// `told` with its process id.
    ///
    /// # Errors
    /// As for [`InstanceLock::take`].
    pub fn wait(
        path: &Path,
        patience: Duration,
        told: impl FnOnce(&str),
    ) -> Result<Self, LockRefused> {
        let pid = match Self::take(path) {
            Err(LockRefused::Held { pid }) => pid,
            taken => return taken,
        };
        told(&pid);
        let file = open(path).map_err(|e| unusable(path, &e))?;
        let (got, gets) = mpsc::channel();
        // flock(2) has no time-out. A thread that waits for longer ends with the process, or
        // releases the lock as soon as it gets it.
        std::thread::spawn(move || {
            let _given_up = got.send(file.lock().map(|()| file));
        });
        match gets.recv_timeout(patience) {
            Ok(file) => file
                .and_then(|file| Self::sign(path, file))
                .map_err(|e| unusable(path, &e)),
            Err(_) => Err(LockRefused::Held { pid }),
        }
    }

    /// Writes our process id into the locked file.
    fn sign(path: &Path, mut file: File) -> io::Result<Self> {
        let pid = std::process::id();
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{pid}")?;
        Ok(Self {
            path: path.to_owned(),
            files: Arc::new(Mutex::new(vec![file])),
        })
    }

    /// Takes the lock again if another state folder has replaced the old one, for example a home
    /// that was mounted late. Does nothing if there is none. May block.
    ///
    /// # Errors
    /// [`LockRefused::Held`] if another daemon holds it: this one must end.
    pub fn renew(&self) -> Result<(), LockRefused> {
        let id = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
        let there = std::fs::metadata(&self.path).map(id).ok();
        let is_own = |file: &File| file.metadata().map(id).ok() == there;
        let has_folder = self.path.parent().is_some_and(Path::is_dir);
        let mut files = self.files();
        if has_folder && (there.is_none() || !files.iter().any(is_own)) {
            let taken = Self::take(&self.path)?;
            files.append(&mut taken.files());
            tracing::warn!("another state folder has appeared: locked it, too");
        }
        Ok(())
    }

    fn files(&self) -> MutexGuard<'_, Vec<File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn unusable(path: &Path, error: &io::Error) -> LockRefused {
    LockRefused::Unusable(Problem::new(
        Kind::Vault,
        format!("`{}` can't be locked: {error}", path.display()),
    ))
}

/// Why the lock couldn't be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockRefused {
    /// Another daemon holds it.
    #[error("loopdeskd is already running, as process {pid}")]
    Held {
        /// The process id that it wrote into the file.
        pid: String,
    },
    /// The file can't be used.
    #[error(transparent)]
    Unusable(Problem),
}

/// Makes sure that `dir` is our own folder and closed to other users.
///
/// # Errors
/// A problem of kind `vault` that names the folder and the fix.
pub fn private_dir(dir: &Path) -> Result<(), Problem> {
    let problem = |what: String| Problem::new(Kind::Vault, what);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| problem(format!("`{}` can't be created: {e}", dir.display())))?;
    let meta = std::fs::symlink_metadata(dir)
        .map_err(|e| problem(format!("`{}` can't be read: {e}", dir.display())))?;
    let own = rustix::process::getuid().as_raw();
    if !meta.is_dir() {
        return Err(problem(format!(
            "`{}` is not a folder, and a link is not followed",
            dir.display()
        ))
        .hint(format!("run `rm {}`", quoted(dir))));
    }
    if meta.uid() != own {
        return Err(problem(format!(
            "`{}` belongs to user {}, not to you ({own})",
            dir.display(),
            meta.uid()
        ))
        .hint(format!("run `sudo chown -R {own} {}`", quoted(dir))));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o700)).map_err(|e| {
            problem(format!(
                "`{}` is open to others and can't be made private: {e}",
                dir.display()
            ))
        })?;
    }
    Ok(())
}

fn quoted(path: &Path) -> String {
    let text = PathBuf::from(path).display().to_string();
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r3_a_second_daemon_on_the_same_state_is_refused_and_names_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = InstanceLock::take(&path).unwrap();
        let refused = InstanceLock::take(&path).unwrap_err();
        let pid = std::process::id().to_string();
        assert!(refused.to_string().contains(&pid), "{refused}");
        drop(held);
        InstanceLock::take(&path).unwrap();
    }

    #[test]
    fn o2_the_lock_is_waited_for_and_whoever_has_it_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let mut held = Some(InstanceLock::take(&path).unwrap());
        let mut named = String::new();
        let taken = InstanceLock::wait(&path, Duration::from_secs(60), |pid| {
            named = pid.to_owned();
            held.take();
        });
        let _taken = taken.unwrap();
        assert_eq!(named, std::process::id().to_string());
        let refused = InstanceLock::wait(&path, Duration::ZERO, |_| {}).unwrap_err();
        assert!(matches!(refused, LockRefused::Held { .. }));
    }

    #[test]
    fn r3_a_state_folder_that_takes_the_place_of_another_is_locked_too() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let path = state.join("lock");
        std::fs::create_dir(&state).unwrap();
        let held = InstanceLock::take(&path).unwrap();
        held.renew().unwrap();
        std::fs::rename(&state, dir.path().join("hidden")).unwrap();
        held.renew().unwrap();
        assert!(!state.exists(), "nothing is made where nothing is");
        std::fs::create_dir(&state).unwrap();
        held.renew().unwrap();
        let refused = InstanceLock::take(&path).unwrap_err();
        assert!(matches!(refused, LockRefused::Held { .. }), "{refused}");
        // The first one isn't released: it may come back.
        let hidden = dir.path().join("hidden/lock");
        let refused = InstanceLock::take(&hidden).unwrap_err();
        assert!(matches!(refused, LockRefused::Held { .. }), "{refused}");

        std::fs::rename(&state, dir.path().join("second")).unwrap();
        std::fs::create_dir(&state).unwrap();
        let other = InstanceLock::take(&path).unwrap();
        let refused = held.renew().unwrap_err();
        assert!(matches!(refused, LockRefused::Held { .. }), "{refused}");
        drop(other);
    }

    #[test]
    fn d4_a_folder_open_to_others_is_closed_and_a_link_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, PermissionsExt::from_mode(0o755)).unwrap();
        private_dir(&open).unwrap();
        let mode = std::fs::metadata(&open).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);

        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&open, &link).unwrap();
        let refused = private_dir(&link).unwrap_err();
        assert!(refused.message.contains("not a folder"), "{refused}");
    }
}
