//! The files that make up the configuration, and what they hold.
//!
//! The machine's file lies below the user's. It decides for everybody who uses the machine, and it
//! can name a command that is run as each of them: whoever may write to it could act as any of
//! them. So it must be root's (or the user's own), and nobody else may be able to change it;
//! otherwise it is an error, and nothing in it counts.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use loopdesk_protocol::Paths;
use loopdesk_protocol::config::Layer;

use crate::failpoint;
use crate::supervise::user;

/// Where the files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The user's file; none where the machine's is judged for itself.
    pub user: Option<PathBuf>,
    /// The machine's file, below the user's.
    pub system: PathBuf,
}

impl Places {
    /// The places of the daemon of `paths`.
    pub fn of(paths: &Paths) -> Self {
        Self {
            user: Some(paths.config_file()),
            system: failpoint::system_config_file(),
        }
    }

    /// The same with another user's file; the machine's own is judged without any.
    pub fn with_user(self, file: PathBuf) -> Self {
        let is_system = file == self.system;
        Self {
            user: (!is_system).then_some(file),
            ..self
        }
    }
}

/// Both files as they were at one moment.
#[derive(Clone, Debug)]
pub struct Files {
    /// The user's file.
    pub user: Found,
    /// The machine's file.
    pub system: Found,
    /// When reading began.
    pub read_at: Instant,
}

impl Files {
    /// Reads both. May block.
    pub fn read(places: &Places) -> Self {
        let read_at = Instant::now();
        let user = match &places.user {
            Some(path) => Found::read(Layer::User, path),
            None => Found::nothing(Layer::User, PathBuf::new()),
        };
        Self {
            system: Found::read(Layer::System, &places.system),
            user,
            read_at,
        }
    }

    /// A user's text that is in no file.
    pub(super) fn text(text: &str) -> Self {
        let nowhere = |layer| Found::nothing(layer, PathBuf::from("/config.toml"));
        Self {
            user: Found {
                holds: Holds::Text(text.to_owned()),
                ..nowhere(Layer::User)
            },
            system: nowhere(Layer::System),
            read_at: Instant::now(),
        }
    }

    /// The machine's file, if there is one.
    pub fn system_path(&self) -> Option<String> {
        let path = || self.system.path.display().to_string();
        self.system.exists().then(path)
    }

    /// Both, the one that counts more first.
    pub fn each(&self) -> [&Found; 2] {
        [&self.user, &self.system]
    }

    /// Whether both hold the same as in `other`.
    pub fn hold_the_same(&self, other: &Self) -> bool {
        let pairs = self.each().into_iter().zip(other.each());
        pairs.into_iter().all(|(a, b)| a.holds == b.holds)
    }

    /// Whether nobody has touched either since `other` was read.
    pub(super) fn are_untouched_since(&self, other: &Self) -> bool {
        let pairs = self.each().into_iter().zip(other.each());
        self.hold_the_same(other) && pairs.into_iter().all(|(a, b)| a.stamp == b.stamp)
    }

    /// The files that are not there any more, or hold nothing any more, though they did in `before`.
    pub(super) fn emptied_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a Found> {
        let pairs = self.each().into_iter().zip(before.each());
        let emptied =
            pairs.filter(|(now, before)| now.holds.is_blank() && !before.holds.is_blank());
        emptied.map(|(now, _)| now)
    }

    /// The file that is not there any more, though it was in `before`.
    pub fn gone_since<'a>(&'a self, before: &'a Self) -> Option<&'a Found> {
        let mut pairs = self.each().into_iter().zip(before.each());
        pairs
            .find(|(now, before)| !now.exists() && before.exists())
            .map(|(now, _)| now)
    }
}

/// One file.
#[derive(Clone, Debug)]
pub struct Found {
    /// Whose it is.
    pub layer: Layer,
    /// Its name.
    pub path: PathBuf,
    /// What it holds.
    pub holds: Holds,
    /// Changes with every write.
    stamp: Option<Stamp>,
}

impl Found {
    /// Whether there is such a file, readable or not.
    pub fn exists(&self) -> bool {
        self.holds != Holds::Nothing
    }

    /// Its text, if it can be used.
    pub fn text(&self) -> Option<&str> {
        match &self.holds {
            Holds::Text(text) => Some(text),
            Holds::Nothing | Holds::Refused(_) => None,
        }
    }

    fn nothing(layer: Layer, path: PathBuf) -> Self {
        Self {
            layer,
            path,
            holds: Holds::Nothing,
            stamp: None,
        }
    }

    fn read(layer: Layer, path: &Path) -> Self {
        let (holds, stamp) = match read(layer, path) {
            Ok((text, stamp)) => (Holds::Text(text), Some(stamp)),
            Err(Refused::Missing) => (Holds::Nothing, None),
            Err(Refused::Why(why)) => (Holds::Refused(why), None),
        };
        Self {
            layer,
            path: path.to_owned(),
            holds,
            stamp,
        }
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// There is no such file: every default.
    Nothing,
    /// Its text.
    Text(String),
    /// Why it can't be used.
    Refused(String),
}

impl Holds {
    fn is_blank(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::Refused(_) => false,
        }
    }
}

/// Device, inode, length, and the time of the last change in nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

enum Refused {
    Missing,
    Why(String),
}

fn read(layer: Layer, path: &Path) -> Result<(String, Stamp), Refused> {
    let unreadable = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            Refused::Missing
        } else {
            Refused::Why(format!("`{}` can't be read: {error}", path.display()))
        }
    };
    let mut file = File::open(path).map_err(unreadable)?;
    // Of the open file: the name may mean another one a moment later.
    let meta = file.metadata().map_err(unreadable)?;
    if layer == Layer::System {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let around = std::fs::metadata(folder).map_err(unreadable)?;
        for (path, meta) in [(path, &meta), (folder, &around)] {
            trusted(path, meta, &Trust::own()).map_err(Refused::Why)?;
        }
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    let stamp = (
        meta.dev(),
        meta.ino(),
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec(),
    );
    Ok((text, stamp))
}

/// Who may own the machine's file.
struct Trust {
    /// Whom this process runs as.
    own: u32,
    /// How root's files look where this user namespace doesn't know root, as in a service of a
    /// user manager with `PrivateUsers=`, which most of its sandboxing brings along.
    unmapped_root: Option<u32>,
}

impl Trust {
    fn own() -> Self {
        Self {
            own: rustix::process::geteuid().as_raw(),
            unmapped_root: user::unmapped_root(),
        }
    }
}

fn trusted(path: &Path, meta: &Metadata, trust: &Trust) -> Result<(), String> {
    judge(meta.uid(), meta.permissions().mode(), trust).map_err(|(why, mend)| {
        let path = path.display();
        format!("`{path}` {why}, and what it says would count for everybody here: {mend} {path}`")
    })
}

/// What is wrong with a file of that owner and mode, and how its mending begins.
fn judge(owner: u32, mode: u32, trust: &Trust) -> Result<(), (String, &'static str)> {
    if owner != 0 && owner != trust.own && Some(owner) != trust.unmapped_root {
        return Err((
            format!("belongs to user {owner}, not to root"),
            "run `sudo chown root",
        ));
    }
    if mode & OTHERS_WRITE != 0 {
        return Err((
            format!(
                "can be changed by others than its owner (mode {:03o})",
                mode & 0o777
            ),
            "run `sudo chmod go-w",
        ));
    }
    Ok(())
}

/// Of the group and of everybody else.
const OTHERS_WRITE: u32 = 0o022;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};

    #[test]
    fn d1_a_machines_file_that_others_may_change_is_refused() {
        let mapped = Trust {
            own: 1000,
            unmapped_root: None,
        };
        let sandboxed = Trust {
            own: 1000,
            unmapped_root: Some(65534),
        };
        for (owner, mode, trust, well) in [
            (0, 0o644, &mapped, true),
            (0, 0o755, &mapped, true),
            (1000, 0o600, &mapped, true),
            (1001, 0o644, &mapped, false),
            (65534, 0o644, &mapped, false),
            (65534, 0o644, &sandboxed, true),
            (65534, 0o664, &sandboxed, false),
            (0, 0o664, &mapped, false),
            (0, 0o646, &mapped, false),
            (0, 0o777, &mapped, false),
        ] {
            assert_eq!(judge(owner, mode, trust).is_ok(), well, "{owner} {mode:o}");
        }
    }

    #[test]
    fn d1_its_folder_counts_too_and_the_fix_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("loopdesk");
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("config.toml");
        let read = || Found::read(Layer::System, &path).holds;
        assert_eq!(read(), Holds::Nothing);
        write(&path, "vault = \"keyfile\"\n").unwrap();
        assert!(matches!(read(), Holds::Text(_)));
        set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        let Holds::Refused(why) = read() else {
            panic!("used although anybody may replace it")
        };
        let fix = format!("run `sudo chmod go-w {}`", folder.display());
        assert!(why.contains("mode 777") && why.ends_with(&fix), "{why}");
        set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        set_permissions(&path, Permissions::from_mode(0o622)).unwrap();
        assert!(matches!(read(), Holds::Refused(_)));
        // A user's own file is that user's own business.
        assert!(matches!(
            Found::read(Layer::User, &path).holds,
            Holds::Text(_)
        ));
    }
}
