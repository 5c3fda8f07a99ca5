//! Tells commands with a different environment where the daemon's sockets are.
//!
//! cron doesn't set `XDG_RUNTIME_DIR`, and a daemon's may not be `/run/user/UID`. The state folder
//! is the same for both, so the daemon stores the path of its runtime folder there: it calls
//! [`Paths::write_runtime_hint`] once its control socket is bound, while it holds
//! [`Paths::lock_file`], and [`Paths::remove_runtime_hint`] last of all. A command that finds no
//! daemon in its own runtime folder tries [`Paths::hinted`]. An outdated hint costs one attempt to
//! connect.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Paths, SOCKET_PATH_MAX};

impl Paths {
    /// The file with the path of the running daemon's runtime folder, 0600.
    pub fn runtime_hint_file(&self) -> PathBuf {
        self.state.join("runtime")
    }

    /// Stores the path of this process's runtime folder. The state folder must exist. May block.
    ///
    /// # Errors
    /// If the file can't be written. A daemon can run without it.
    pub fn write_runtime_hint(&self) -> io::Result<()> {
        let path = self.runtime_hint_file();
        let draft = self.state.join("runtime.new");
        // Remove a killed daemon's leftover, and don't follow links.
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(self.runtime.as_os_str().as_bytes())?;
        file.write_all(b"\n")?;
        std::fs::rename(&draft, &path)
    }

    /// Removes the hint if it is this process's own. May block.
    ///
    /// # Errors
    /// If the file can't be removed. A missing hint is fine.
    pub fn remove_runtime_hint(&self) -> io::Result<()> {
        let path = self.runtime_hint_file();
        if read(&path).as_deref() != Some(self.runtime.as_path()) {
            return Ok(());
        }
        std::fs::remove_file(path)
    }

    /// The same folders, with the sockets in the runtime folder that a daemon stored. `None` if it
    /// is the same, or if another user could have put a socket there. May block.
    pub fn hinted(&self) -> Option<Self> {
        let runtime = read(&self.runtime_hint_file())?;
        let hinted = Self {
            runtime,
            ..self.clone()
        };
        let fits = hinted.control_socket().as_os_str().len() <= SOCKET_PATH_MAX;
        (hinted.runtime != self.runtime && fits && is_private(&hinted.runtime)).then_some(hinted)
    }
}

fn read(path: &Path) -> Option<PathBuf> {
    // A file that others can write could point to their own socket.
    let meta = std::fs::symlink_metadata(path).ok()?;
    if !meta.is_file() || meta.uid() != own_uid() || meta.mode() & 0o022 != 0 {
        return None;
    }
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(HINT_MAX).read_to_end(&mut bytes).ok()?;
    let path = PathBuf::from(OsStr::from_bytes(bytes.strip_suffix(b"\n")?));
    path.is_absolute().then_some(path)
}

fn is_private(dir: &Path) -> bool {
    std::fs::symlink_metadata(dir)
        .is_ok_and(|meta| meta.is_dir() && meta.uid() == own_uid() && meta.mode() & 0o7777 == 0o700)
}

fn own_uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// A socket's path and the line end.
const HINT_MAX: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

    /// The folders of a daemon that was started from a desktop, and of cron.
    fn daemon_and_cron(dir: &Path) -> (Paths, Paths) {
        let paths = |runtime: Option<PathBuf>| {
            Paths::resolve(
                |name| match name {
                    "XDG_RUNTIME_DIR" => runtime.clone().map(Into::into),
                    _ => None,
                },
                Some(dir.to_owned()),
                None,
            )
            .unwrap()
        };
        let (daemon, cron) = (paths(Some(dir.join("desk"))), paths(None));
        for dir in [daemon.state_dir(), daemon.runtime_dir()] {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .unwrap();
        }
        (daemon, cron)
    }

    #[test]
    fn cron_is_told_where_the_daemons_sockets_are() {
        let dir = tempfile::tempdir().unwrap();
        let (daemon, cron) = daemon_and_cron(dir.path());
        assert_eq!(cron.hinted(), None);
        std::fs::write(daemon.state_dir().join("runtime.new"), "half").unwrap();
        daemon.write_runtime_hint().unwrap();
        daemon.write_runtime_hint().unwrap();
        let meta = std::fs::metadata(cron.runtime_hint_file()).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        let hinted = cron.hinted().unwrap();
        assert_eq!(hinted.control_socket(), daemon.control_socket());
        assert_eq!(hinted.config_file(), cron.config_file());
        assert_eq!(daemon.hinted(), None, "it is the same folder there");

        cron.remove_runtime_hint().unwrap();
        assert!(cron.hinted().is_some(), "another process's hint is kept");
        daemon.remove_runtime_hint().unwrap();
        daemon.remove_runtime_hint().unwrap();
        assert_eq!(cron.hinted(), None);
    }

    #[test]
    fn d1_a_hint_that_others_could_have_made_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (daemon, cron) = daemon_and_cron(dir.path());
        daemon.write_runtime_hint().unwrap();
        let hint = cron.runtime_hint_file();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        mode(daemon.runtime_dir(), 0o755);
        assert_eq!(cron.hinted(), None);
        mode(daemon.runtime_dir(), 0o700);
        mode(&hint, 0o620);
        assert_eq!(cron.hinted(), None);
        mode(&hint, 0o600);
        assert!(cron.hinted().is_some());

        let link = dir.path().join("link");
        std::os::unix::fs::symlink(daemon.runtime_dir(), &link).unwrap();
        let long = dir.path().join("x".repeat(100));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&long)
            .unwrap();
        for wrong in [
            format!("{}\n", link.display()),
            format!("{}\n", long.display()),
            "desk/loopdesk\n".to_owned(),
            "/\n".to_owned(),
            // Incomplete.
            daemon.runtime_dir().display().to_string(),
            String::new(),
        ] {
            std::fs::write(&hint, &wrong).unwrap();
            assert_eq!(cron.hinted(), None, "{wrong}");
        }
        std::fs::remove_file(&hint).unwrap();
        daemon.write_runtime_hint().unwrap();
        std::fs::rename(&hint, dir.path().join("hint")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("hint"), &hint).unwrap();
        assert_eq!(cron.hinted(), None);
    }
}
