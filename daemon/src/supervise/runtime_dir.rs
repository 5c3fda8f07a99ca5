//! Where the sockets belong, and whether their names still exist: the last logout removes the
//! runtime folder with everything in it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use loopdesk_protocol::{Paths, Problem};

use super::instance;

/// The folders of `paths`, with the sockets where they belong now: in the runtime folder, or in the
/// state folder if there is no runtime folder and none can be made. The folder exists and is
/// private. May block.
///
/// # Errors
/// If there is no such folder.
pub fn settle(paths: &Paths) -> Result<Paths, Problem> {
    let dir = paths.runtime_dir();
    match (instance::private_dir(dir), paths.without_runtime_dir()) {
        (Ok(()), _) => Ok(paths.clone()),
        (Err(problem), Some(other)) if is_missing(dir) => {
            instance::private_dir(other.runtime_dir()).map_err(|_| problem)?;
            Ok(other)
        }
        (Err(problem), _) => Err(problem),
    }
}

/// Whether none of our sockets can be there: for us, another user's folder that we can't even look
/// into doesn't exist.
fn is_missing(dir: &Path) -> bool {
    std::fs::symlink_metadata(dir).is_err()
}

/// The name of one of our sockets.
#[derive(Debug)]
pub struct SocketName {
    path: PathBuf,
    id: (u64, u64),
}

impl SocketName {
    /// The name of the socket that was just bound to `path`.
    ///
    /// # Errors
    /// If the name has already been removed.
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            id: id(path)?,
            path: path.to_owned(),
        })
    }

    /// The name itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is `path`, and still refers to that socket.
    pub fn is_at(&self, path: &Path) -> bool {
        self.path == path && id(path).is_ok_and(|id| id == self.id)
    }

    /// Removes the name, unless it refers to something else by now.
    pub fn remove(&self) {
        if self.is_at(&self.path)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::debug!(%error, "can't remove a socket's name");
        }
    }
}

fn id(path: &Path) -> io::Result<(u64, u64)> {
    let meta = std::fs::symlink_metadata(path)?;
    Ok((meta.dev(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn o3_the_state_folder_has_the_sockets_where_there_is_no_runtime_folder() {
        let home = tempfile::tempdir().unwrap();
        // No folder can be made below a file, not even by root.
        let blocked = home.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let paths = |runtime: PathBuf| {
            let env =
                |name: &str| (name == "XDG_RUNTIME_DIR").then(|| runtime.clone().into_os_string());
            Paths::resolve(env, Some(home.path().to_owned()), None).unwrap()
        };
        let there = paths(home.path().join("run"));
        assert_eq!(settle(&there).unwrap(), there);
        let gone = paths(blocked.join("run"));
        let settled = settle(&gone).unwrap();
        assert_eq!(settled.runtime_dir(), gone.state_dir().join("run"));
        assert_eq!(settled.state_dir(), gone.state_dir());
        assert!(settled.runtime_dir().is_dir());
    }

    #[test]
    fn d1_o3_a_name_is_told_from_another_in_its_place_and_never_removed_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let first = UnixListener::bind(&path).unwrap();
        let name = SocketName::of(&path).unwrap();
        assert!(name.is_at(&path));
        assert!(!name.is_at(&dir.path().join("other.sock")));
        std::fs::rename(&path, dir.path().join("old")).unwrap();
        assert!(!name.is_at(&path));
        let second = UnixListener::bind(&path).unwrap();
        assert!(!name.is_at(&path));
        name.remove();
        assert!(path.exists());
        SocketName::of(&path).unwrap().remove();
        assert!(!path.exists());
        drop((first, second));
    }
}
