//! `vault = "keyfile"`: a file that only its owner may read, in the state folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{DataKey, Unusable};

/// The file.
#[derive(Clone, Debug)]
pub(super) struct Keyfile {
    path: PathBuf,
}

impl Keyfile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The key in the file.
    pub(super) fn read(&self) -> Result<DataKey, Unusable> {
        let failed = |why: &str| Unusable::Failed(why.to_owned());
        let meta = match fs::symlink_metadata(&self.path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Unusable::Missing);
            }
            Err(error) => return Err(Unusable::Failed(error.to_string())),
        };
        if !meta.is_file() {
            return Err(failed("it is no ordinary file"));
        }
        if meta.uid() != rustix::process::getuid().as_raw() {
            return Err(failed("it belongs to another user"));
        }
        if meta.mode() & 0o077 != 0 {
            return Err(failed("others may read it"));
        }
        let mut text = Zeroizing::new(String::new());
        fs::File::open(&self.path)
            .and_then(|file| file.take(TEXT_MAX).read_to_string(&mut text))
            .map_err(|e| Unusable::Failed(e.to_string()))?;
        DataKey::from_text(&text).ok_or_else(|| failed("it holds no key"))
    }

    /// Makes the file with this key, unless there is one.
    pub(super) fn create(&self, key: &DataKey) -> Result<(), Unusable> {
        self.try_create(key)
            .map_err(|e| Unusable::Failed(e.to_string()))
    }

    fn try_create(&self, key: &DataKey) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or(&self.path);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)?;
        if fs::symlink_metadata(&self.path).is_ok() {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        // Under another name first: a crash must not leave half a key.
        let temp = self.path.with_extension("new");
        match fs::remove_file(&temp) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temp)?;
        file.write_all(key.to_text().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&temp, &self.path)?;
        fs::File::open(dir)?.sync_all()
    }
}

/// 44 characters and a line's end.
const TEXT_MAX: u64 = 128;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn d4_the_file_is_its_owners_alone_or_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = Keyfile::new(home.path().join("state/key"));
        assert_eq!(file.read().unwrap_err(), Unusable::Missing);
        file.create(&DataKey::for_tests(5)).unwrap();
        let meta = fs::metadata(file.path()).unwrap();
        assert_eq!(meta.mode() & 0o777, 0o600);
        assert_eq!(file.read().unwrap().id(), DataKey::for_tests(5).id());
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(file.read(), Err(Unusable::Failed(why)) if why.contains("others")));
    }

    #[test]
    fn r9_a_key_is_never_replaced() {
        let home = tempfile::tempdir().unwrap();
        let file = Keyfile::new(home.path().join("key"));
        file.create(&DataKey::for_tests(5)).unwrap();
        assert!(file.create(&DataKey::for_tests(6)).is_err());
        assert_eq!(file.read().unwrap().id(), DataKey::for_tests(5).id());
        fs::write(file.path(), "half").unwrap();
        assert!(matches!(file.read(), Err(Unusable::Failed(_))));
    }
}
