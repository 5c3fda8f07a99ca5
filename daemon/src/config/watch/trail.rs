//! The names that lead to a file, and the folders in which they lie.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::config::files::Places;

/// Every name whose change may mean another file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trail {
    /// By device and inode too: another folder of the same name is not watched by watching this one.
    folders: BTreeSet<(PathBuf, u64, u64)>,
    names: BTreeSet<PathBuf>,
}

impl Trail {
    /// The trail to the files at `places`, as it is now.
    /// May block.
    pub(super) fn of(places: &Places) -> Self {
        #[cfg(test)]
        WALKED_BY.with(|walks| walks.set(walks.get() + 1));
        let mut trail = Self::default();
        for path in places.user.iter().chain([&places.system]) {
            trail.follow(path);
        }
        trail
    }

    /// The folders to watch, without symbolic links in their names.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(|(path, _, _)| path.as_path())
    }

    /// The names in them that matter.
    pub(super) fn names(&self) -> &BTreeSet<PathBuf> {
        &self.names
    }

    /// Notes each symbolic link on the way to `path`, its folder, and itself. Where the way ends
    /// early, what is missing may appear, and is noted in place of the rest.
    fn follow(&mut self, path: &Path) {
        let mut rest = parts(path);
        let mut at = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&part);
            let Ok(meta) = std::fs::symlink_metadata(&next) else {
                self.note(&at, next);
                return;
            };
            let target = meta.is_symlink().then(|| std::fs::read_link(&next));
            match target {
                Some(Ok(target)) if links < LINKS_MAX => {
                    links += 1;
                    self.note(&at, next);
                    if target.is_absolute() {
                        at = PathBuf::from("/");
                    }
                    let mut longer = parts(&target);
                    longer.extend(rest);
                    rest = longer;
                }
                Some(_) => {
                    self.note(&at, next);
                    return;
                }
                None => {
                    // The file, or its folder: either may be replaced by another of its name.
                    if rest.len() <= 1 {
                        self.note(&at, next.clone());
                    }
                    at = next;
                }
            }
        }
    }

    fn note(&mut self, folder: &Path, name: PathBuf) {
        // Some systems can watch a folder only with everything below it.
        if folder == Path::new("/") {
            return;
        }
        let (dev, ino) = std::fs::metadata(folder).map_or((0, 0), |meta| id(&meta));
        self.folders.insert((folder.to_owned(), dev, ino));
        self.names.insert(name);
    }
}

fn id(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    parts.collect()
}

/// As many as Linux follows.
const LINKS_MAX: usize = 40;

#[cfg(test)]
thread_local! {
    /// How often this thread has waited for a file system.
    pub(super) static WALKED_BY: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, create_dir_all, write};
    use std::os::unix::fs::symlink;

    fn trail(dir: &Path, file: &str) -> (Vec<String>, Vec<String>) {
        let places = Places {
            user: Some(dir.join(file)),
            system: PathBuf::from("/"),
        };
        let trail = Trail::of(&places);
        let inside = |path: &Path| {
            let rest = path.strip_prefix(dir).ok()?;
            Some(rest.display().to_string())
        };
        (
            trail.folders().filter_map(inside).collect(),
            trail.names().iter().filter_map(|n| inside(n)).collect(),
        )
    }

    #[test]
    fn every_link_on_the_way_is_watched_and_what_is_missing_too() {
        let dir = tempfile::tempdir().unwrap();
        let dir = &dir.path().canonicalize().unwrap();
        assert_eq!(
            trail(dir, "c/l/config.toml"),
            (vec![String::new()], vec!["c".into()])
        );
        create_dir_all(dir.join("c/l")).unwrap();
        assert_eq!(
            trail(dir, "c/l/config.toml"),
            (
                vec!["c".into(), "c/l".into()],
                vec!["c/l".into(), "c/l/config.toml".into()]
            )
        );
        // As a volume of Kubernetes has it.
        create_dir(dir.join("c/l/..1")).unwrap();
        write(dir.join("c/l/..1/config.toml"), "").unwrap();
        symlink("..1", dir.join("c/l/..data")).unwrap();
        symlink("..data/config.toml", dir.join("c/l/config.toml")).unwrap();
        let (folders, names) = trail(dir, "c/l/config.toml");
        assert_eq!(folders, ["c", "c/l", "c/l/..1"]);
        for name in ["c/l/config.toml", "c/l/..data", "c/l/..1/config.toml"] {
            assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
        }
        // As stow has it: the folder is the link.
        create_dir(dir.join("home")).unwrap();
        symlink("../c/l", dir.join("home/l")).unwrap();
        let (folders, names) = trail(dir, "home/l/config.toml");
        assert!(folders.iter().any(|f| f == "home"), "{folders:?}");
        assert!(names.iter().any(|n| n == "home/l"), "{names:?}");
        // A loop ends.
        symlink("knot", dir.join("knot")).unwrap();
        assert_eq!(trail(dir, "knot").1, ["", "knot"]);
    }

    #[test]
    fn another_folder_of_the_same_name_is_another_trail() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("loopdesk");
        let places = Places {
            user: Some(folder.join("config.toml")),
            system: PathBuf::from("/"),
        };
        create_dir(&folder).unwrap();
        let before = Trail::of(&places);
        assert_eq!(before, Trail::of(&places));
        std::fs::rename(&folder, dir.path().join("old")).unwrap();
        create_dir(&folder).unwrap();
        assert_ne!(before, Trail::of(&places));
    }
}
