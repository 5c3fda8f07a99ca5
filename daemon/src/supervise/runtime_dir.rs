//! Where the sockets belong, and whether their names are still there: the last logout removes the
//! runtime folder with all that is in it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use loopdesk_protocol::{Paths, Problem};

use super::instance;

/// The folders of `paths` with the sockets where they belong now: in the runtime folder, or, where
/// there is none and none can be made, in the state folder. The folder is there and private. May
/// block.
///
/// # Errors
/// Where there is no such folder.
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

/// Whether nothing of ours can be there: another user's folder, which may not even be looked into,
/// is none.
fn is_missing(dir: &Path) -> bool {
    std::fs::symlink_metadata(dir).is_err()
}

/// The name of a socket of ours.
#[derive(Debug)]
pub struct SocketName {
    path: PathBuf,
    id: (u64, u64),
}

impl SocketName {
    /// The name of what was bound to `path` a moment ago.
    ///
    /// # Errors
    /// Where it is gone already.
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

    /// Whether it is `path`, and still leads to that socket.
    pub fn is_at(&self, path: &Path) -> bool {
        self.path == path && id(path).is_ok_and(|id| id == self.id)
    }

    /// Takes it away, unless it leads to something else by now.
    pub fn remove(&self) {
        if self.is_at(&self.path)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::debug!(%error, "a socket's name stays");
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
