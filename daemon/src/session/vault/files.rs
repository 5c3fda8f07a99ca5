//! Key files: never half-written, readable only by their owner, and never replaced.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::VaultError;

/// The text of the file at `path`.
///
/// # Errors
/// [`VaultError::Missing`] if there is no file. [`VaultError::Failed`] if it isn't a regular file,
/// isn't private to this user, or can't be read.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, VaultError> {
    let failed = |why: &str| VaultError::Failed(why.to_owned());
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(VaultError::Missing),
        Err(error) => return Err(VaultError::Failed(error.to_string())),
    };
    if !meta.is_file() {
        return Err(failed("it isn't a regular file"));
    }
    if meta.uid() != rustix::process::getuid().as_raw() {
        return Err(failed("it belongs to another user"));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(failed("other users can access it"));
    }
    let mut text = Zeroizing::new(String::new());
    fs::File::open(path)
        .and_then(|file| file.take(TEXT_MAX).read_to_string(&mut text))
        .map_err(|e| VaultError::Failed(e.to_string()))?;
    Ok(text)
}

/// Creates the file at `path`.
///
/// # Errors
/// If there is one already, or it can't be made durable.
pub(super) fn create(path: &Path, text: &str) -> Result<(), VaultError> {
    try_create(path, text).map_err(|e| VaultError::Failed(e.to_string()))
}

/// Removes the file at `path`.
///
/// # Errors
/// If it can't be removed, or the removal can't be made durable.
pub(super) fn remove(path: &Path) -> Result<(), VaultError> {
    let removed = fs::remove_file(path).and_then(|()| sync_folder(path));
    removed.map_err(|e| VaultError::Failed(e.to_string()))
}

fn try_create(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().unwrap_or(path);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    if fs::symlink_metadata(path).is_ok() {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists));
    }
    // Under another name first, so that a crash can't leave half a key.
    let temp = path.with_added_extension("new");
    match fs::remove_file(&temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temp)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temp, path)?;
    sync_folder(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path.parent().unwrap_or(path))?.sync_all()
}

/// A sealed key with its header takes about 400 bytes.
const TEXT_MAX: u64 = 4096;
