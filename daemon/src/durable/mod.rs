//! Small files that are durable before anything relies on them, and never half-written.
//!
//! Every call blocks.

mod error;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub(crate) use self::error::DurableError;
use crate::failpoint;

/// Makes sure that a folder exists that other users can neither write to nor read.
///
/// # Errors
/// If the folder can't be created or made private.
pub(crate) fn make_folder(dir: &Path) -> Result<(), DurableError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(|e| DurableError::new("create", dir, e))?;
    check_folder(dir)
}

/// Checks a folder for secrets: other users must not be able to write to it or replace it.
///
/// # Errors
/// If the folder is missing, belongs to another user, or can't be made private.
pub(crate) fn check_folder(dir: &Path) -> Result<(), DurableError> {
    let wrong = |why: &str| DurableError::new("use", dir, io::Error::other(why.to_owned()));
    let meta = fs::symlink_metadata(dir).map_err(|e| DurableError::new("use", dir, e))?;
    if meta.file_type().is_symlink() {
        return Err(wrong("it is a symbolic link"));
    }
    if !meta.is_dir() {
        return Err(wrong("it isn't a folder"));
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
            .map_err(|e| DurableError::new("make private", dir, e))?;
    }
    Ok(())
}

/// The first `most` bytes of the file at `path`, if it exists. Doesn't follow a link or wait for a
/// pipe.
///
/// # Errors
/// If the file exists and can't be read.
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

/// Creates a file that only its owner may read.
///
/// # Errors
/// If the file exists already, or can't be created.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Writes a small file in place. Once this has returned, the whole file survives a power cut; until
/// then it may be empty or incomplete.
///
/// # Errors
/// If the file can't be written or flushed to the disk.
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

/// Replaces the file at `path` with `bytes`: at every moment it is either the old file or the new
/// one, and when this returns, the new one survives a power cut.
///
/// Only one thread of one process may do so at a time.
///
/// # Errors
/// If the replacement isn't certain. Then either the old file or the new one is there.
pub(crate) fn replace(path: &Path, bytes: &[u8], steps: &Steps) -> Result<(), DurableError> {
    let failed = |e| DurableError::new("write", path, e);
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
    // Whatever a crash left there is of no use; don't follow a link either.
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
/// If the folder can't be opened or flushed to the disk.
pub(crate) fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Opens without waiting for a pipe's writer.
#[expect(
    clippy::cast_possible_wrap,
    reason = "the flag is a small constant on every system"
)]
pub(crate) const NO_WAIT: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// Treats a link in the place of a file as an error.
#[expect(
    clippy::cast_possible_wrap,
    reason = "the flag is a small constant on every system"
)]
pub(crate) const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
