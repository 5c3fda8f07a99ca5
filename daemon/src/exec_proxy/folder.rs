//! What the command reads, in a folder of its run: certificates to trust, and settings for PHP.
//!
//! The helper holds a lock in its folder. A run that was killed leaves a folder whose lock is free, and
//! the next run removes it. It holds certificates, and no key or password.

use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use loopdesk_protocol::Problem;

use super::failed;
use crate::hex;

/// The folder of one run, 0700. Removed when dropped.
#[derive(Debug)]
pub(super) struct RunFolder {
    path: PathBuf,
    /// Locked.
    _lock: File,
}

impl RunFolder {
    /// Makes a folder in `parent`, and removes those of runs that are over. `authority` is this run's
    /// certificate as PEM; `env` tells which certificates the person's programs trust.
    ///
    /// # Errors
    /// If the disk is full, or `parent` can't be used.
    pub(super) fn make(
        parent: &Path,
        authority: &str,
        env: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Self, Problem> {
        let make = || -> io::Result<Self> {
            private(parent)?;
            // Between its creation and its lock, a folder would look like one that was left behind.
            let all = lock_file(&parent.join("lock"))?;
            all.lock()?;
            remove_abandoned(parent);
            let mut name = [0; 8];
            getrandom::fill(&mut name).map_err(io::Error::other)?;
            let path = parent.join(hex::lower(&name));
            DirBuilder::new().mode(0o700).create(&path)?;
            let lock = lock_file(&path.join("lock"))?;
            lock.lock()?;
            let folder = Self { path, _lock: lock };
            folder.fill(authority, env)?;
            Ok(folder)
        };
        make().map_err(|error| failed(&format!("the folder `{}`", parent.display()), &error))
    }

    /// The system's certificates, the person's own and this run's.
    pub(super) fn bundle(&self) -> PathBuf {
        self.path.join("bundle.pem")
    }

    /// This run's certificate, and what the person has Node trust beside its own.
    pub(super) fn extra(&self) -> PathBuf {
        self.path.join("extra.pem")
    }

    /// A folder for `PHP_INI_SCAN_DIR`.
    pub(super) fn php(&self) -> PathBuf {
        self.path.join("php")
    }

    fn fill(&self, authority: &str, env: impl Fn(&str) -> Option<PathBuf>) -> io::Result<()> {
        let own = env(NODE_EXTRA).map(|file| read(&file)).unwrap_or_default();
        write(&self.extra(), &(own + authority))?;
        let mut bundle = trusted(env);
        bundle.push_str(authority);
        write(&self.bundle(), &bundle)?;
        DirBuilder::new().mode(0o700).create(self.php())?;
        let mut ini = String::new();
        for setting in ["curl.cainfo", "openssl.cafile"] {
            let _infallible = writeln!(ini, "{setting}=\"{}\"", self.bundle().display());
        }
        write(&self.php().join("loopdesk.ini"), &ini)
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::debug!(%error, "the run's folder stays until the next run");
        }
    }
}

/// The certificates that the person's programs trust already: the system's, and those of each variable
/// that this run replaces.
fn trusted(env: impl Fn(&str) -> Option<PathBuf>) -> String {
    let system = openssl_probe::probe();
    let mut files: Vec<_> = system.cert_file.into_iter().collect();
    if files.is_empty() {
        let in_folders = system
            .cert_dir
            .iter()
            .filter_map(|dir| std::fs::read_dir(dir).ok());
        let pem = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "pem");
        let found = in_folders.flatten().flatten();
        files.extend(found.map(|entry| entry.path()).filter(pem));
    }
    for file in REPLACED.iter().filter_map(|name| env(name)) {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files.iter().map(|file| read(file)).collect()
}

/// A file of certificates, with a last newline. A variable that names no file is no reason to fail: the
/// program that reads it will complain itself.
fn read(file: &Path) -> String {
    let mut text = std::fs::read_to_string(file).unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// A failure leaves a folder of no value behind, and must not keep a command from running.
fn remove_abandoned(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        let lock = match File::open(path.join("lock")) {
            Ok(lock) => lock.try_lock(),
            // It was killed right after it had made its folder, or while it removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(TryLockError::Error(error)),
        };
        if lock.is_ok()
            && let Err(error) = std::fs::remove_dir_all(&path)
        {
            tracing::debug!(%error, path = %path.display(), "can't be removed");
        }
    }
}

fn private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

/// The variables that `loopdesk exec` sets to a file of certificates.
const REPLACED: [&str; 4] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    NODE_EXTRA,
];
const NODE_EXTRA: &str = "NODE_EXTRA_CA_CERTS";
