//! Small files that are durable before anybody relies on them, whole or not there.
//!
//! Every call blocks.

mod error;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub(crate) use self::error::Error;
use crate::failpoint;

/// Makes sure of a folder that nobody else can write to, or look into.
///
/// # Errors
/// Where there is none, and none can be made.
pub(crate) fn make_folder(dir: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(|e| Error::new("create", dir, e))?;
    check_folder(dir)
}

/// A folder that others could write to, or swap, is no place for secrets.
///
/// # Errors
/// Where it is such a one and can't be closed, or isn't there.
pub(crate) fn check_folder(dir: &Path) -> Result<(), Error> {
    let wrong = |why: &str| Error::new("use", dir, io::Error::other(why.to_owned()));
    let meta = fs::symlink_metadata(dir).map_err(|e| Error::new("use", dir, e))?;
    if meta.file_type().is_symlink() {
        return Err(wrong("it is a symbolic link"));
    }
    if !meta.is_dir() {
        return Err(wrong("it is no folder"));
    }
    let own = rustix::process::getuid().as_raw();
    if meta.uid() != own {
        return Err(wrong(&format!(
            "it belongs to user {}, not to {own}",
            meta.uid()
        )));
    }
    if meta.mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
            .map_err(|e| Error::new("close to others", dir, e))?;
    }
    Ok(())
}

/// The first `most` bytes of the file at `path`, if there is one. A link isn't followed, and a pipe
/// isn't waited for.
///
/// # Errors
/// As the system says.
pub(crate) fn read_file(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(NO_FOLLOW | NO_WAIT)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// A new file that only its owner may read; an error where there is one.
///
/// # Errors
/// As the system says.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Writes a small file in place: once this has returned, it is there, whole, after a power cut. Until
/// then it may be empty, or half of it.
///
/// # Errors
/// As the system says.
pub(crate) fn write_through(path: &Path, bytes: &[u8], dir: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(NO_FOLLOW)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_folder(dir)
}

/// Puts `bytes` in the place of the file at `path`: at every moment it is the old one or the new
/// one, and when this returns, the new one survives a power cut.
///
/// Only one process, and one thread of it, may do so at a time.
///
/// # Errors
/// Where that isn't certain. The old file is then still there, or the new one is.
pub(crate) fn replace(path: &Path, bytes: &[u8], steps: &Steps) -> Result<(), Error> {
    let failed = |e| Error::new("write", path, e);
    let temp = path.with_added_extension("new");
    let written = write_beside(&temp, bytes, steps).and_then(|()| fs::rename(&temp, path));
    if let Err(error) = written {
        drop(fs::remove_file(&temp));
        return Err(failed(error));
    }
    failpoint::reach(steps.renamed);
    sync_folder(&folder_of(path)).map_err(failed)?;
    failpoint::reach(steps.folder_durable);
    Ok(())
}

fn write_beside(temp: &Path, bytes: &[u8], steps: &Steps) -> io::Result<()> {
    // What a crash has left there is nobody's, and a link isn't followed.
    match fs::remove_file(temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = create_new(temp)?;
    failpoint::reach(steps.opened);
    file.write_all(bytes)?;
    failpoint::reach(steps.written);
    file.sync_all()?;
    failpoint::reach(steps.durable);
    Ok(())
}

/// The steps of [`replace`], for tests that end the process at them.
#[derive(Debug)]
pub(crate) struct Steps {
    pub(crate) opened: &'static str,
    pub(crate) written: &'static str,
    pub(crate) durable: &'static str,
    pub(crate) renamed: &'static str,
    pub(crate) folder_durable: &'static str,
}

/// Makes the names in a folder durable.
///
/// # Errors
/// As the system says.
pub(crate) fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Opening a pipe that nobody writes to is no wait.
#[expect(
    clippy::cast_possible_wrap,
    reason = "the flag is a small constant on every system"
)]
pub(crate) const NO_WAIT: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// A link in the place of a file is an error.
#[expect(
    clippy::cast_possible_wrap,
    reason = "the flag is a small constant on every system"
)]
pub(crate) const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
