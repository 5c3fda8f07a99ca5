//! What the command reads, in a folder of its run: certificates to trust, and settings for PHP.
//!
//! The helper holds a lock in its folder. A run that was killed leaves a folder whose lock is free, and
//! the next run removes it. It holds certificates, and no key or password.

use std::collections::HashSet;
use std::ffi::OsStr;
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
        write(&self.extra(), &(certificates(env(NODE_EXTRA)) + authority))?;
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
    // Not `openssl_probe::probe`: it takes the person's SSL_CERT_FILE for the system's file, and programs
    // with certificates of their own, such as requests, would lose the public authorities.
    let bundle = SYSTEM_BUNDLES
        .iter()
        .map(Path::new)
        .find(|file| file.exists());
    let system: Vec<_> = match bundle {
        Some(bundle) => vec![bundle.to_owned()],
        None => openssl_probe::candidate_cert_dirs()
            .map(Path::to_owned)
            .collect(),
    };
    let own = REPLACED.iter().filter_map(|name| env(name));
    certificates(system.into_iter().chain(own))
}

/// The certificates in these files and folders, each once.
fn certificates(places: impl IntoIterator<Item = PathBuf>) -> String {
    let mut seen = HashSet::new();
    let mut all = String::new();
    for file in places.into_iter().flat_map(files) {
        // A variable may name a missing file: the program that reads it reports that itself. Comments in
        // old bundles aren't UTF-8.
        let bytes = std::fs::read(&file).unwrap_or_default();
        for certificate in blocks(&String::from_utf8_lossy(&bytes)) {
            if seen.insert(certificate.clone()) {
                all.push_str(&certificate);
            }
        }
    }
    all
}

/// `place`, or the certificates in it if it is a folder, as requests and OpenSSL allow.
fn files(place: PathBuf) -> Vec<PathBuf> {
    if !place.is_dir() {
        return vec![place];
    }
    let entries = std::fs::read_dir(&place).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut files: Vec<_> = paths
        .filter(|path| path.is_file() && is_named_as_certificate(path))
        .collect();
    files.sort();
    files
}

/// Whether a file in a folder of certificates is one: `c_rehash` names it by the hash of its subject.
fn is_named_as_certificate(path: &Path) -> bool {
    let text = |part: Option<&OsStr>| part.and_then(OsStr::to_str).unwrap_or_default().to_owned();
    let (name, ending) = (text(path.file_stem()), text(path.extension()));
    let is_hash = name.len() == 8 && name.bytes().all(|b| b.is_ascii_hexdigit());
    let is_number = !ending.is_empty() && ending.bytes().all(|b| b.is_ascii_digit());
    ending == "pem" || is_hash && is_number
}

/// The PEM blocks with certificates. A person's file may hold a private key beside them.
fn blocks(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines().map(str::trim_end) {
        if BEGIN.contains(&line) {
            block = Some(String::new());
        }
        if let Some(open) = &mut block {
            open.push_str(line);
            open.push('\n');
            if line.starts_with("-----END ") {
                found.extend(block.take());
            }
        }
    }
    found
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
const REPLACED: [&str; 5] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PERL_LWP_SSL_CA_FILE",
    NODE_EXTRA,
];
const NODE_EXTRA: &str = "NODE_EXTRA_CA_CERTS";

/// Where systems keep their bundle, the likeliest first.
const SYSTEM_BUNDLES: [&str; 6] = [
    // Debian, Alpine, Arch.
    "/etc/ssl/certs/ca-certificates.crt",
    // Fedora, and Red Hat from 7 on.
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    // macOS, BSD.
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
];

/// What certificates begin with, as OpenSSL reads them.
const BEGIN: [&str; 3] = [
    "-----BEGIN CERTIFICATE-----",
    "-----BEGIN X509 CERTIFICATE-----",
    "-----BEGIN TRUSTED CERTIFICATE-----",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(kind: &str, content: &str) -> String {
        format!("-----BEGIN {kind}-----\n{content}\n-----END {kind}-----\n")
    }

    #[test]
    fn s9_folders_are_read_as_openssl_reads_them_and_each_certificate_stays_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        let (one, two) = (
            pem("CERTIFICATE", "AAAA"),
            pem("TRUSTED CERTIFICATE", "BBBB"),
        );
        for (name, text) in [
            ("5ad8a5d6.0", &one),
            ("one.pem", &one),
            ("two.pem", &two),
            ("README", &pem("CERTIFICATE", "CCCC")),
            ("5ad8a5d6.r0", &pem("CERTIFICATE", "DDDD")),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let file = dir.path().join("file.pem");
        std::fs::write(&file, one.replace('\n', "\r\n")).unwrap();
        let absent = dir.path().join("absent");
        let read = certificates([folder, file, absent]);
        assert_eq!(read, format!("{one}{two}"));
    }

    #[test]
    fn s9_no_private_key_and_no_comment_of_a_file_is_copied() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("own.pem");
        let (key, certificate) = (pem("PRIVATE KEY", "SECRET"), pem("CERTIFICATE", "AAAA"));
        let bytes = [b"# caf\xe9\n", key.as_bytes(), certificate.as_bytes()].concat();
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(certificates([file]), certificate);
    }
}
