//! The service's files: written atomically, and removed again.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use loopdesk_protocol::{Kind, Problem};

use crate::commands::service::model::spec::ServiceFile;
use crate::error;

/// Writes the file unless it has that content and mode already. Returns whether it was written.
pub(crate) fn write(file: &ServiceFile) -> Result<bool, Problem> {
    let is_same = std::fs::read(&file.path).is_ok_and(|old| old == file.text.as_bytes())
        && std::fs::symlink_metadata(&file.path)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o777 == file.mode);
    if is_same {
        return Ok(false);
    }
    let failed = |e: io::Error| error::file(Kind::Daemon, "write", &file.path, &e);
    let dir = file.path.parent().unwrap_or(Path::new("/"));
    let mode = if file.mode & 0o077 == 0 { 0o700 } else { 0o755 };
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(mode);
    builder.create(dir).map_err(failed)?;
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    let draft = file
        .path
        .with_file_name(format!(".{name}.{}", std::process::id()));
    let written = replace(file, dir, &draft);
    if written.is_err() {
        drop(std::fs::remove_file(&draft));
    }
    written.map_err(failed)?;
    Ok(true)
}

/// Removes a file. Returns whether it existed.
pub(crate) fn remove(path: &Path) -> Result<bool, Problem> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(error::file(Kind::Daemon, "remove", path, &e)),
    }
}

/// Removes folders that are empty, inner ones first.
pub(crate) fn remove_if_empty<'a>(folders: impl IntoIterator<Item = &'a Path>) {
    for folder in folders {
        // Folders that aren't empty hold other files.
        drop(std::fs::remove_dir(folder));
    }
}

fn replace(file: &ServiceFile, dir: &Path, draft: &Path) -> io::Result<()> {
    // A killed command may have left one of the same name.
    match std::fs::remove_file(draft) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    new.write_all(file.text.as_bytes())?;
    new.set_permissions(Permissions::from_mode(file.mode))?;
    new.sync_all()?;
    std::fs::rename(draft, &file.path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_once_with_its_mode_and_leaves_no_draft() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/loopdesk.service");
        let mut file = ServiceFile::public(path.clone(), "one\n".to_owned());
        assert!(write(&file).unwrap());
        assert!(!write(&file).unwrap());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o644);
        file.mode = 0o600;
        assert!(write(&file).unwrap());
        assert_eq!(mode(&path), 0o600);
        // A unit that was masked is a link to nowhere.
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(write(&file).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n");
        assert_eq!(
            std::fs::read_dir(dir.path().join("a/b")).unwrap().count(),
            1
        );

        assert!(remove(&path).unwrap());
        assert!(!remove(&path).unwrap());
        std::fs::write(dir.path().join("a/other"), "").unwrap();
        remove_if_empty([dir.path().join("a/b").as_path(), &dir.path().join("a")]);
        assert!(!dir.path().join("a/b").exists());
        assert!(dir.path().join("a/other").exists());
    }
}
