//! One daemon for each state folder, by a lock that ends with the process.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use loopdesk_protocol::{Kind, Problem};

/// Holds the lock for as long as it lives.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Takes the lock at `path`, whose folder must be private already.
    ///
    /// # Errors
    /// [`Refused::Held`] where another daemon has it.
    pub fn take(path: &Path) -> Result<Self, Refused> {
        let failed = |error: &io::Error| {
            Refused::Unusable(Problem::new(
                Kind::Vault,
                format!("`{}` can't be locked: {error}", path.display()),
            ))
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|e| failed(&e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // A lock without a readable pid is held all the same.
                let _unreadable = file.read_to_string(&mut pid);
                return Err(Refused::Held {
                    pid: pid.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        let pid = std::process::id();
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{pid}"))
            .map_err(|e| failed(&e))?;
        Ok(Self { _file: file })
    }
}

/// Why the lock can't be had.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Another daemon holds it.
    #[error("loopdeskd runs already, as process {pid}")]
    Held {
        /// Its process id, as it wrote it down.
        pid: String,
    },
    /// The file can't be used.
    #[error(transparent)]
    Unusable(Problem),
}

/// Makes sure that `dir` is a folder of our own which nobody else can enter.
///
/// # Errors
/// A problem of kind `vault` that names the folder and the fix.
pub fn private_dir(dir: &Path) -> Result<(), Problem> {
    let problem = |what: String| Problem::new(Kind::Vault, what);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| problem(format!("`{}` can't be made: {e}", dir.display())))?;
    let meta = std::fs::symlink_metadata(dir)
        .map_err(|e| problem(format!("`{}` can't be read: {e}", dir.display())))?;
    let own = rustix::process::getuid().as_raw();
    if !meta.is_dir() {
        return Err(problem(format!(
            "`{}` is not a folder, and a link is not followed",
            dir.display()
        ))
        .hint(format!("rm {}", quoted(dir))));
    }
    if meta.uid() != own {
        return Err(problem(format!(
            "`{}` belongs to user {}, not to you ({own})",
            dir.display(),
            meta.uid()
        ))
        .hint(format!("sudo chown -R {own} {}", quoted(dir))));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o700))
            .map_err(|e| problem(format!("`{}` is open to others: {e}", dir.display())))?;
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
