//! `vault = "keyfile"`: a file in the state folder that only its owner can read.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{VaultError, files};
use crate::session::crypto::data_key::DataKey;

/// The key file.
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
    pub(super) fn read(&self) -> Result<DataKey, VaultError> {
        let text = files::read(&self.path)?;
        DataKey::from_text(&text)
            .ok_or_else(|| VaultError::Failed("it doesn't contain a key".to_owned()))
    }

    /// Creates the file with this key. Fails if there is one already.
    pub(super) fn create(&self, key: &DataKey) -> Result<(), VaultError> {
        let line = Zeroizing::new(format!("{}\n", &*key.to_text()));
        files::create(&self.path, &line)
    }

    /// Removes the file if it contains this key. Fails if it contains another one.
    pub(super) fn remove(&self, key: &DataKey) -> Result<(), VaultError> {
        match self.read() {
            Ok(found) if found.id() == key.id() => files::remove(&self.path),
            Ok(_) => Err(VaultError::Another),
            Err(VaultError::Missing) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn d4_a_file_that_other_users_can_read_is_rejected() {
        let home = tempfile::tempdir().unwrap();
        let file = Keyfile::new(home.path().join("state/key"));
        assert_eq!(file.read().unwrap_err(), VaultError::Missing);
        file.create(&DataKey::for_tests(5)).unwrap();
        let meta = fs::metadata(file.path()).unwrap();
        assert_eq!(meta.mode() & 0o777, 0o600);
        assert_eq!(file.read().unwrap().id(), DataKey::for_tests(5).id());
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(file.read(), Err(VaultError::Failed(why)) if why.contains("other users")));
    }

    #[test]
    fn r9_a_key_is_never_replaced() {
        let home = tempfile::tempdir().unwrap();
        let file = Keyfile::new(home.path().join("key"));
        file.create(&DataKey::for_tests(5)).unwrap();
        assert!(file.create(&DataKey::for_tests(6)).is_err());
        assert!(file.remove(&DataKey::for_tests(6)).is_err());
        assert_eq!(file.read().unwrap().id(), DataKey::for_tests(5).id());
        fs::write(file.path(), "half").unwrap();
        assert!(matches!(file.read(), Err(VaultError::Failed(_))));
    }
}
