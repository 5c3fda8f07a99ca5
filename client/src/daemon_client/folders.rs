//! The folders of state and sockets, which nobody but their owner may enter.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use loopdesk_protocol::{Kind, Paths, Problem};

use super::link::Link;
use crate::error;

impl Link {
    /// Makes the folders of state and sockets, or checks that nobody else may enter them. The answer
    /// has the folder of the sockets that a daemon would use now.
    pub(crate) fn private_dirs(&self) -> Result<Paths, Problem> {
        private_dir(self.paths.state_dir())?;
        let dir = self.paths.runtime_dir();
        match (private_dir(dir), self.paths.without_runtime_dir()) {
            (Ok(()), _) => Ok(self.paths.clone()),
            // As after the last logout.
            (Err(_), Some(other)) if !dir.exists() => {
                private_dir(other.runtime_dir()).map(|()| other)
            }
            (Err(problem), _) => Err(problem),
        }
    }
}

/// Makes a folder that only its owner may enter, or checks that it is one.
fn private_dir(dir: &Path) -> Result<(), Problem> {
    let failed = |doing: &str, e: &io::Error| error::file(Kind::Daemon, doing, dir, e);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| failed("make the folder", &e))?;
    let meta = std::fs::symlink_metadata(dir).map_err(|e| failed("look at", &e))?;
    if !meta.is_dir() || meta.uid() != rustix::process::getuid().as_raw() {
        let message = format!(
            "`{}` belongs to somebody else or is no folder, so no secret may go there",
            dir.display()
        );
        return Err(Problem::new(Kind::Daemon, message).hint(format!(
            "look at it with `ls -ld {}`, remove it, then run the command again",
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
    fn folders_are_made_private_and_a_link_is_none() {
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
