//! The private folders for state and sockets.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use loopdesk_protocol::{Kind, Paths, Problem};

use super::link::Link;
use crate::error;

impl Link {
    /// Creates the folders for state and sockets, or checks that they are private. Returns the
    /// paths that a daemon would use now.
    pub(crate) fn private_dirs(&self) -> Result<Paths, Problem> {
        private_dir(self.paths.state_dir())?;
        let dir = self.paths.runtime_dir();
        match (private_dir(dir), self.paths.without_runtime_dir()) {
            (Ok(()), _) => Ok(self.paths.clone()),
            // The system removes the runtime folder after the last logout.
            (Err(_), Some(other)) if !dir.exists() => {
                private_dir(other.runtime_dir()).map(|()| other)
            }
            (Err(problem), _) => Err(problem),
        }
    }
}

/// Creates a folder that only its owner can enter, or makes an existing one so.
fn private_dir(dir: &Path) -> Result<(), Problem> {
    let failed = |doing: &str, e: &io::Error| error::file(Kind::Daemon, doing, dir, e);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| failed("create the folder", &e))?;
    let meta = std::fs::symlink_metadata(dir).map_err(|e| failed("check", &e))?;
    if !meta.is_dir() || meta.uid() != rustix::process::getuid().as_raw() {
        let message = format!(
            "`{}` isn't a folder of yours, so loopdesk won't put secrets there",
            dir.display()
        );
        return Err(Problem::new(Kind::Daemon, message).hint(format!(
            "look at it with `ls -ld {}`, remove it, then run this command again",
            crate::ui::shell::quote(&dir.to_string_lossy())
        )));
    }
    if meta.mode() & 0o077 != 0 {
        std::fs::set_permissions(dir, Permissions::from_mode(0o700))
            .map_err(|e| failed("make private", &e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_private_and_links_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        private_dir(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        private_dir(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/tmp", &link).unwrap();
        let problem = private_dir(&link).unwrap_err();
        assert!(problem.hints[0].contains("ls -ld"), "{problem:?}");
    }
}
