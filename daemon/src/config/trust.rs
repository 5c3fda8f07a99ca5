//! Checks who can change a configuration file, since it can name a command that is run as the user.
//!
//! The machine's file applies to every user of the machine. So it must belong to root (or to the user),
//! and so must its folder. A user's own file may also be writable by a group without other members: a
//! umask of 002 creates such files.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use loopdesk_protocol::config::Layer;

use crate::os::{members, uid};

/// Checks the file at `path`, with the metadata `meta`, and the folders in which it can be replaced.
///
/// # Errors
/// Another user can change it: who, and the command that fixes this.
pub(super) fn check(layer: Layer, path: &Path, meta: &Metadata) -> Result<(), String> {
    let trust = Trust::own();
    trust.check(layer, path, meta)?;
    for folder in folders(path) {
        let Ok(meta) = std::fs::metadata(&folder) else {
            continue;
        };
        // In a folder like /tmp, users can't replace each other's files.
        let is_sticky = layer == Layer::User && meta.permissions().mode() & STICKY != 0;
        if !is_sticky {
            trust.check(layer, &folder, &meta)?;
        }
    }
    Ok(())
}

/// The folder of `path`, and that of the file itself if `path` is a link.
fn folders(path: &Path) -> Vec<PathBuf> {
    let real = std::fs::canonicalize(path).ok();
    let parent = |path: &Path| path.parent().map(Path::to_owned);
    let mut folders: Vec<_> = parent(path).into_iter().collect();
    folders.extend(real.as_deref().and_then(parent));
    folders.dedup();
    folders
}

/// Who may own a file.
struct Trust {
    /// The user that this process runs as.
    own: u32,
    /// The owner that root's files seem to have in a user namespace that doesn't map root. A user
    /// manager's service with `PrivateUsers=` runs in one, as most sandboxing options imply.
    unmapped_root: Option<u32>,
    /// Whether a group has members other than the given user.
    has_others: fn(u32, u32) -> bool,
}

impl Trust {
    fn own() -> Self {
        Self {
            own: rustix::process::geteuid().as_raw(),
            unmapped_root: uid::unmapped_root(),
            has_others: members::has_others,
        }
    }

    fn check(&self, layer: Layer, path: &Path, meta: &Metadata) -> Result<(), String> {
        let mode = meta.permissions().mode();
        let judged = self.judge(layer, meta.uid(), meta.gid(), mode);
        judged.map_err(|(why, mend)| {
            let path = path.display();
            let so = match layer {
                Layer::System => "its settings would apply to every user of this machine",
                Layer::User => "it can name a command that is run as you",
            };
            format!("`{path}` {why}, and {so}: {mend} {path}`")
        })
    }

    /// What is wrong with a file of this owner, group and mode, and how the command that fixes it begins.
    fn judge(
        &self,
        layer: Layer,
        owner: u32,
        group: u32,
        mode: u32,
    ) -> Result<(), (String, &'static str)> {
        if owner != 0 && owner != self.own && Some(owner) != self.unmapped_root {
            return Err(match layer {
                Layer::System => (
                    format!("belongs to user {owner}, not to root"),
                    "run `sudo chown root",
                ),
                Layer::User => (
                    format!("belongs to user {owner}, not to you"),
                    "run `sudo chown \"$USER\"",
                ),
            });
        }
        let mode = mode & 0o777;
        match layer {
            Layer::System if mode & (GROUP_WRITE | ALL_WRITE) != 0 => Err((
                format!("can be changed by users other than its owner (mode {mode:03o})"),
                "run `sudo chmod go-w",
            )),
            Layer::User if mode & ALL_WRITE != 0 => Err((
                format!("can be changed by every user of this machine (mode {mode:03o})"),
                "run `chmod go-w",
            )),
            Layer::User if mode & GROUP_WRITE != 0 && (self.has_others)(group, self.own) => Err((
                format!(
                    "can be changed by group {group}, which has other members (mode {mode:03o})"
                ),
                "run `chmod g-w",
            )),
            Layer::System | Layer::User => Ok(()),
        }
    }
}

const GROUP_WRITE: u32 = 0o020;
const ALL_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    const SHARED: u32 = 100;

    fn trust(unmapped_root: Option<u32>) -> Trust {
        Trust {
            own: 1000,
            unmapped_root,
            has_others: |group, _| group == SHARED,
        }
    }

    #[test]
    fn d1_a_file_that_others_may_change_is_refused() {
        let (mapped, sandboxed) = (&trust(None), &trust(Some(65534)));
        for (owner, group, mode, trust, machines, users) in [
            (0, 0, 0o644, mapped, true, true),
            (0, 0, 0o755, mapped, true, true),
            (1000, 1000, 0o600, mapped, true, true),
            (1001, 1000, 0o644, mapped, false, false),
            (65534, 0, 0o644, mapped, false, false),
            (65534, 0, 0o644, sandboxed, true, true),
            (65534, 0, 0o664, sandboxed, false, true),
            (1000, 1000, 0o664, mapped, false, true),
            (1000, SHARED, 0o664, mapped, false, false),
            (1000, SHARED, 0o644, mapped, true, true),
            (0, 0, 0o646, mapped, false, false),
            (1000, 1000, 0o777, mapped, false, false),
        ] {
            for (layer, well) in [(Layer::System, machines), (Layer::User, users)] {
                let judged = trust.judge(layer, owner, group, mode);
                assert_eq!(judged.is_ok(), well, "{layer:?} {owner}:{group} {mode:o}");
            }
        }
    }

    #[test]
    fn d1_its_folder_counts_too_and_the_fix_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("loopdesk");
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("config.toml");
        write(&path, "vault = \"keyfile\"\n").unwrap();
        let link = dir.path().join("config.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let judged = |layer, path: &Path| check(layer, path, &std::fs::metadata(path).unwrap());
        let (system, own) = (Layer::System, Layer::User);
        for mode in [0o755, 0o700] {
            set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            judged(system, &path).and(judged(own, &path)).unwrap();
            judged(own, &link).unwrap();
        }
        set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        for (layer, path, sudo) in [(system, &path, "sudo "), (own, &path, ""), (own, &link, "")] {
            let why = judged(layer, path).unwrap_err();
            let fix = format!("run `{sudo}chmod go-w {}`", folder.display());
            assert!(why.contains("mode 777") && why.ends_with(&fix), "{why}");
        }
        set_permissions(&folder, Permissions::from_mode(0o1777)).unwrap();
        judged(own, &path).expect("users can't replace each other's files there");
        set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        set_permissions(&path, Permissions::from_mode(0o622)).unwrap();
        assert!(judged(system, &path).is_err());
        let why = judged(own, &link).unwrap_err();
        assert!(why.contains("chmod go-w"), "{why}");
    }
}
